"""Reasons in money: a customer's expected value as that of a reference, and contributions."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
import pandas as pd

from models.base import FloatArray, check_parameter, is_number
from models.columns import Columns
from models.pieces import in_pieces
from models.value.blend import LATENT, piece_of
from models.value.boosted import BoostedValueModel
from models.value.explanation.boosted import (
    VALUE_HEADS,
    BoostedReasons,
    BoostedScores,
    carry_mixtures,
    offset_mixtures,
)
from models.value.explanation.latent import LatentReasons, LatentState, latent_signals
from models.value.forecaster import ValueForecaster

__all__ = ["BASE", "Explainer", "reference_of"]

BASE = "base"
# Rows whose trees are walked at a time: as many as one thread does best alone.
_CHUNK_ROWS = 1_024


def reference_of(forecaster: ValueForecaster, signals: pd.DataFrame) -> dict[str, float | None]:
    """Describe the typical customer, beside whom all others are explained.

    The median of every signal the forecaster needs, unknown where it is for more than half of the
    customers. Its purchase history is made one that can be: whole purchases, T the sum of recency
    and silence. It is nobody's row, but with fewer than some ten customers it may come close.

    Parameters
    ----------
    forecaster : ValueForecaster
        Fitted.
    signals : DataFrame of shape (n_customers, n_columns)
        With its required columns, one customer or more.

    Returns
    -------
    dict of str to float or None
        By signal; None is not known. JSON can hold it.

    Raises
    ------
    ValueError
        If there is no customer, or a column is missing.
    """
    needed = forecaster.required_columns
    missing = [name for name in needed if name not in signals.columns]
    if missing:
        raise ValueError(f"A reference needs the columns {missing}.")
    if signals.empty:
        raise ValueError("A reference needs one customer or more. Found 0.")
    numbers = signals[list(needed)].astype(float)
    typical = numbers.median().where(numbers.notna().mean() >= 0.5)
    frequency = float(np.floor(typical["frequency"])) if typical["recency"] > 0 else 0.0
    recency = float(typical["recency"]) if frequency > 0 else 0.0
    silence = float((numbers["T"] - numbers["recency"]).median())
    history = {"frequency": frequency, "recency": recency, "T": recency + silence}
    history |= {"n_purchase_days": frequency + 1, "days_since_last_purchase": silence}
    known = {name: None if np.isnan(value) else float(value) for name, value in typical.items()}
    return {str(name): value for name, value in (known | history).items()}


class Explainer:
    """What of a customer's expected value is owed to which signal, in money, without a remainder.

    A forecast is explained beside that of a reference customer, who stands for the company: the
    base is what the reference is worth, and each contribution is what the customer's value of a
    signal adds to it. A customer equal to the reference has none.

    The forecast is a weighted sum of parts, and each is decomposed by itself.

    1. The latent part is expected purchases x spend x value per unit of spend. The change of the
       product goes to its factors by their Shapley values [1]_, which unlike log-mean weights need
       no sign. The change of expected purchases goes to the history's signals likewise, over all
       mixtures of the customer and the reference; that of spend to the mean purchase, and that
       of value per unit to the value.
    2. A boosted part is p(active) x spend x the ratio that carries it from its window to the
       horizon. Raw scores go to signals by TreeSHAP [2]_, the reference's subtracted; a change of
       the logarithm of spend becomes money by the logarithmic mean (LMDI-I [3]_), a change of the
       logit of p(active) by the slope of its chord.
    3. What a boosted part owes to the latent forecast, as signal, as offset and in the ratio, is
       passed on to the signals that the latent forecast is made of.

    A purchase history is three signals: frequency, T, and in place of recency
    days_since_last_purchase, which is T less recency. Mixtures take silence in mean gaps between
    purchases, so that frequent customers are not called lost by the silence of rare ones.

    Parameters
    ----------
    forecaster : ValueForecaster
        Fitted.
    reference : mapping of str to float or None
        Result of `reference_of`, straight or read back from JSON.

    Attributes
    ----------
    signals : tuple of str
        What the columns of `explain` are, sorted, without the base.

    References
    ----------
    .. [1] Shapley, L. S. (1953), "A value for n-person games", Contributions to the Theory of
       Games 2, 307-317.
    .. [2] Lundberg, S. M. et al. (2020), "From local explanations to global understanding with
       explainable AI for trees", Nature Machine Intelligence 2, 56-67, algorithm 2.
    .. [3] Ang, B. W. (2004), "Decomposition analysis for policymaking in energy: which is the
       preferred method?", Energy Policy 32, 1131-1139.

    Examples
    --------
    >>> customers = pd.DataFrame(
    ...     {"frequency": [0, 1], "recency": [0, 30], "T": [90, 40], "n_purchase_days": [1, 2],
    ...      "mean_purchase_revenue": [10.0, 10.0], "purchase_revenue": [10.0, 20.0],
    ...      "revenue": [10.0, 14.0]}
    ... )
    >>> from models.value.latent import LatentValueModel
    >>> forecaster = ValueForecaster(LatentValueModel().fit(customers), horizon_days=90)
    >>> explainer = Explainer(forecaster, reference_of(forecaster, customers))
    >>> explained = explainer.explain(customers)
    >>> expected = forecaster.forecast(customers)["expected_value"]
    >>> bool(np.allclose(explained.sum(axis=1), expected))
    True
    """

    def __init__(self, forecaster: ValueForecaster, reference: Mapping[str, float | None]) -> None:
        missing = [name for name in forecaster.required_columns if name not in reference]
        if missing:
            raise ValueError(f"The reference does not hold the signals {missing}.")
        self.forecaster = forecaster
        self.reference = dict(reference)
        weights = forecaster.weights["value"]
        self._latent_weight = weights.get(LATENT, 0.0)
        self._parts = {
            name: part for name, part in forecaster.boosted.items() if weights.get(name, 0.0) != 0
        }
        self._weights = {name: weights[name] for name in self._parts}
        names = {*latent_signals(forecaster.latent)}
        for part in self._parts.values():
            names |= set(part.feature_names_in_)
        self.signals = tuple(sorted(names))
        self._latent_columns = self._columns(latent_signals(forecaster.latent))
        # Made once: to make an index takes longer than to explain a customer.
        self._names = pd.Index([*self.signals, BASE])
        windows = {part.window_days for part in self._parts.values()}
        self._horizons = (forecaster.horizon_days, *sorted(windows - {forecaster.horizon_days}))
        self._learn_reference()

    def explain(self, X: pd.DataFrame, *, factor: float = 1.0) -> pd.DataFrame:
        """Share out each customer's expected value.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With the forecaster's required columns.
        factor : float
            What money to come is worth today, in [0, inf); 1 leaves it as it comes.

        Returns
        -------
        DataFrame of shape (n_customers, n_signals + 1), indexed like X
            Money: one column a name of `signals`, and `BASE`, which is the same for all. A row
            adds up to the forecast's expected_value times the factor, but for the rounding of
            floating-point numbers; `to_cents` removes that too.
        """
        explained = self._explained(Columns.of(X, self.forecaster.required_columns), factor)
        return pd.DataFrame(explained, index=X.index, columns=self._names)

    def explain_one(
        self, signals: Mapping[str, object], *, factor: float = 1.0
    ) -> dict[str, float]:
        """Share out one customer's expected value.

        It is what `explain` gives for a DataFrame with this one row, in less time.

        Parameters
        ----------
        signals : mapping of str to float, truth value, text or None
            With the forecaster's required columns; None is not known, others are ignored.
        factor : float
            What money to come is worth today, in [0, inf).

        Returns
        -------
        dict of str to float
            Money, by column of `explain`.
        """
        columns = Columns.of_one(signals, self.forecaster.required_columns)
        (amounts,) = self._explained(columns, factor).tolist()
        return dict(zip((*self.signals, BASE), amounts, strict=True))

    def to_state(self) -> dict[str, Any]:
        """Write what the explainer adds to the forecaster as data that JSON can hold.

        Returns
        -------
        dict
            Key reference.
        """
        return {"reference": dict(self.reference)}

    @classmethod
    def from_state(cls, forecaster: ValueForecaster, state: Mapping[str, Any]) -> Self:
        """Restore an explainer from what `to_state` wrote.

        Parameters
        ----------
        forecaster : ValueForecaster
            The one it was made for.
        state : mapping
            Result of `to_state`, straight or read back from JSON.

        Returns
        -------
        Explainer
            It explains exactly as the original did.
        """
        return cls(forecaster, state["reference"])

    def _explained(self, signals: Columns, factor: float) -> FloatArray:
        holds = is_number(factor) and factor >= 0
        check_parameter(self, "factor", factor, rule="a float in the range [0, inf)", holds=holds)
        signals.require(self.forecaster.required_columns, "The explainer")
        amounts = np.zeros((len(signals), len(self._names)))
        if len(signals):
            latent = self._beside_reference(LatentState.of(self.forecaster.latent, signals))
            by_latent = self._latent_weight * latent.of_value(self.forecaster.horizon_days)
            amounts[:, self._latent_columns] = by_latent.T
            found = self._tree_shares(signals, latent)
            for name, part in self._parts.items():
                self._add_boosted(amounts, name, part, latent, found[name])
        amounts[:, -1] = self._base
        amounts *= factor * self.forecaster.levels["value"]
        return amounts

    def _learn_reference(self) -> None:
        latent = self.forecaster.latent
        typical = Columns.of_one(self.reference, self.forecaster.required_columns)
        self._then = LatentState.of(latent, typical)
        reasons = self._beside_reference(self._then)
        found = self._tree_shares(typical, reasons)
        self._scores_then, self._offsets_then = {}, {}
        purchases = reasons.purchases[self.forecaster.horizon_days][7]
        base = self._latent_weight * (purchases * reasons.unit_value)[0]
        for name, part in self._parts.items():
            offsets = {h: rows[7] for h, rows in offset_mixtures(part, reasons).items()}
            carry = carry_mixtures(reasons, part.window_days, self.forecaster.horizon_days)[7]
            scores = BoostedScores.of(part, found[name], offsets, carry)
            self._scores_then[name] = scores
            self._offsets_then[name] = {head: float(rows[0]) for head, rows in offsets.items()}
            unit = part.levels_["value"] * part.unit_
            base += self._weights[name] * unit * scores.factors.prod(axis=0)[0]
        self._base = float(base)

    def _beside_reference(self, now: LatentState) -> LatentReasons:
        latent, with_churn = self.forecaster.latent, bool(self._parts)
        return LatentReasons(latent, now, self._then, self._horizons, with_churn=with_churn)

    def _tree_shares(
        self, signals: Columns, latent: LatentReasons
    ) -> dict[str, dict[str, FloatArray]]:
        """TreeSHAP of the heads that make the value, by part and head, on all processors."""
        windows = {part.window_days for part in self._parts.values()}
        bases = {days: latent.forecast(days) for days in windows}

        def walk(rows: slice) -> list[FloatArray]:
            some, base = signals.take(rows), piece_of(bases, rows)
            return [
                part.contributions(head, some, base[part.window_days])
                for part in self._parts.values()
                for head in VALUE_HEADS
            ]

        pieces = in_pieces(walk, len(signals), _CHUNK_ROWS)
        shares = iter([np.concatenate(found) for found in zip(*pieces, strict=True)])
        return {name: {head: next(shares) for head in VALUE_HEADS} for name in self._parts}

    def _add_boosted(
        self,
        amounts: FloatArray,
        name: str,
        part: BoostedValueModel,
        latent: LatentReasons,
        found: Mapping[str, FloatArray],
    ) -> None:
        offsets = offset_mixtures(part, latent)
        carry = carry_mixtures(latent, part.window_days, self.forecaster.horizon_days)
        # What carries the reference's own forecast, where it has one.
        carry[0] = self._scores_then[name].factors[2]
        own = {head: rows[7] for head, rows in offsets.items()}
        reasons = BoostedReasons(
            part,
            BoostedScores.of(part, found, own, carry[7]),
            self._scores_then[name],
            latent,
            offsets=offsets,
            offsets_then=self._offsets_then[name],
            carry=carry,
        )
        weight, columns = self._weights[name], self._columns(part.feature_names_in_)
        amounts[:, columns] += weight * reasons.of_own_signals()
        amounts[:, self._latent_columns] += weight * reasons.of_latent_signals().T

    def _columns(self, names: Iterable[str]) -> list[int]:
        place = {name: number for number, name in enumerate(self.signals)}
        return [place[name] for name in names]
