"""The forecast that is served: parts blended, levelled, calibrated, and with its bounds."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.special import expit

from models.base import FloatArray, check_horizon, check_parameter, is_number
from models.columns import Columns
from models.pieces import in_pieces
from models.value.blend import (
    LATENT,
    QUESTIONS,
    Blend,
    Forecast,
    blended,
    forecasts_of_parts,
    logit_of,
    piece_of,
    together,
    weighted,
    within_horizon,
)
from models.value.boosted import BoostedValueModel
from models.value.intervals import ValueIntervals
from models.value.latent import LatentValueModel

__all__ = ["LATENT", "QUESTIONS", "Blend", "ValueForecaster", "blended", "forecasts_of_parts"]

# What `forecast` gives, in its order; an index takes longer to make than to use.
_EXPECTED = ("expected_purchases", "p_alive", "churn_probability", "expected_value")
_BOUNDS = ("value_low", "value_lower", "value_median", "value_upper", "value_high")
_COLUMNS = (*_EXPECTED, *_BOUNDS)
# Customers who are forecast at a time: enough to share the work, too few to fill the memory.
_PIECE_ROWS = 8_192
# Platt's two parameters need some of either outcome before they say more than they cost.
_ROWS_TO_CALIBRATE = 50
# Draws that settle the quantiles of a ledger of any size to about a hundredth.
_ROWS_TO_PRESUME = 10_000


class ValueForecaster:
    """What each customer does and is worth within a horizon, from a latent model and boosted ones.

    The parts may have learned from a window shorter than the horizon. They then say by how much the
    latent forecast of the window is to be corrected, and the latent forecast of the horizon is
    corrected as much: money and purchases by the ratio, churn by the difference of the logits.

    It is no estimator: its parts are fitted already, and it is put together from them, neither
    levelled nor calibrated yet.

    Parameters
    ----------
    latent : LatentValueModel
        Fitted.
    boosted : mapping of str to BoostedValueModel, optional
        Fitted for one window, by name; those without a weight are left out.
    weights : mapping of str to mapping of str to float, optional
        By question (value, churn, purchases) and part; the latent one alone where not given.
    horizon_days : float
        Days ahead, in (0, inf).

    Attributes
    ----------
    levels : dict of float
        Factors on expected value and purchases, in (0, inf).
    churn_slope, churn_intercept : float
        Platt scaling of the logit of the latent part's churn [1]_. Boosted parts learn from
        outcomes themselves: scaled by past windows, theirs was worse in the next.
    intervals : ValueIntervals
        How sure the forecast is; without bounds until `calibrate` or `presume`.

    References
    ----------
    .. [1] Platt, J. (1999), "Probabilistic outputs for support vector machines", Advances in Large
       Margin Classifiers, 61-74.
    """

    def __init__(
        self,
        latent: LatentValueModel,
        boosted: Mapping[str, BoostedValueModel] | None = None,
        weights: Blend | None = None,
        *,
        horizon_days: float,
    ) -> None:
        rule, holds = "a float in the range (0, inf)", is_number(horizon_days) and horizon_days > 0
        check_parameter(self, "horizon_days", horizon_days, rule=rule, holds=holds)
        chosen = weights or {question: {LATENT: 1.0} for question in QUESTIONS}
        used = {name for parts in chosen.values() for name in parts}
        self.horizon_days = horizon_days
        self.latent = latent
        self.boosted = {name: part for name, part in (boosted or {}).items() if name in used}
        self.weights = {question: dict(parts) for question, parts in chosen.items()}
        self.levels = {"value": 1.0, "purchases": 1.0}
        self.churn_slope, self.churn_intercept = 1.0, 0.0
        self.intervals: ValueIntervals | None = None

    @cached_property
    def required_columns(self) -> tuple[str, ...]:
        """The signals needed, sorted."""
        needed = set(self.latent.required_columns)
        for part in self.boosted.values():
            needed |= set(part.required_columns)
        return tuple(sorted(needed))

    def calibrate(
        self,
        forecast: pd.DataFrame,
        outcomes: pd.DataFrame,
        *,
        latent_churn: FloatArray | None = None,
        trust: float = 1.0,
    ) -> Self:
        """Learn from how such forecasts fared how sure they are.

        Parameters
        ----------
        forecast : DataFrame of shape (n_rows, 3)
            What such a blend expected on past days, out of sample, its value at the level that
            came.
        outcomes : DataFrame of shape (n_rows, 2)
            Purchases and value that came.
        latent_churn : array of shape (n_rows,), optional
            Churn that the latent part had expected; the forecast's where that is the only part.
        trust : float, default 1.0
            How much of the calibration of churn to keep, in [0, 1]: 0 where the window was not the
            horizon, less than 1 where there were few windows, each with a mood of its own.

        Returns
        -------
        ValueForecaster
            Itself.
        """
        active = (outcomes["purchases"] > 0).to_numpy()
        churn = forecast["churn_probability"].to_numpy(dtype=float)
        latent = churn if latent_churn is None else latent_churn
        slope, intercept = _platt(latent, ~active)
        self.churn_slope = 1.0 + trust * (slope - 1.0)
        self.churn_intercept = trust * intercept
        moved = self.weights["churn"].get(LATENT, 0.0) * (self._calibrated(latent) - latent)
        self.intervals = ValueIntervals().fit(
            forecast["expected_value"].to_numpy(dtype=float),
            np.clip(churn + moved, 0.0, 1.0),
            outcomes["value"].to_numpy(dtype=float),
            active,
        )
        return self

    def presume(self, signals: pd.DataFrame, *, widening: float, random_state: int) -> Self:
        """Take how sure it is from the latent model itself, where no past day can tell.

        Parameters
        ----------
        signals : DataFrame of shape (n_customers, n_columns)
            Customers whose future is drawn from the posterior predictive.
        widening : float
            Factor on the spread, in [1, inf).
        random_state : int
            Seed.

        Returns
        -------
        Self
            The forecaster.
        """
        n_draws = max(1, _ROWS_TO_PRESUME // max(len(signals), 1))
        purchases, value = self.latent.draw(
            signals, self.horizon_days, n_draws=n_draws, random_state=random_state
        )
        forecast = self.latent.forecast(signals, self.horizon_days)
        self.intervals = ValueIntervals(widening).fit(
            np.repeat(forecast["expected_value"].to_numpy(), n_draws),
            np.repeat(forecast["churn_probability"].to_numpy(), n_draws),
            value.ravel(),
            purchases.ravel() > 0,
        )
        return self

    def forecast(self, X: pd.DataFrame) -> pd.DataFrame:
        """Expect what each customer does and is worth within the horizon.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With the columns `required_columns`.

        Returns
        -------
        DataFrame of shape (n_customers, 9), indexed like X
            Columns expected_purchases (purchase days), p_alive, churn_probability (both in
            [0, 1]), expected_value (money, not discounted; a mean), value_median, value_lower and
            value_upper (10 % and 90 % quantiles), value_low and value_high (2.5 % and 97.5 %);
            the last five are NaN where nothing is known of them.
        """
        found = self._expect(Columns.of(X, self.required_columns))
        # Columns side by side in memory, as pandas keeps them.
        rows = np.concatenate([found[name] for name in _COLUMNS]).reshape(len(_COLUMNS), len(X))
        return pd.DataFrame(rows.T, index=X.index, columns=list(_COLUMNS), copy=False)

    def forecast_one(self, signals: Mapping[str, object]) -> dict[str, float]:
        """Expect what one customer does and is worth within the horizon.

        It is what `forecast` gives for a DataFrame with this one row, in less time.

        Parameters
        ----------
        signals : mapping of str to float, truth value, text or None
            With the names `required_columns`; None is not known, others are ignored.

        Returns
        -------
        dict of str to float
            By column of `forecast`.

        Raises
        ------
        ValueError
            If a signal is missing, or has a value that it cannot have.
        """
        found = self._expect(Columns.of_one(signals, self.required_columns))
        return {name: float(found[name][0]) for name in _COLUMNS}

    def churn_within(self, X: pd.DataFrame, days: float) -> FloatArray:
        """Give the probability of no purchase within another horizon.

        What the blend and the calibration add to the logit of the latent model is added at every
        horizon, so that a purchase within 30 days is never likelier than one within 90.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With the columns `required_columns`.
        days : float
            Days ahead, in [0, inf).

        Returns
        -------
        array of shape (n_customers,)
            In [0, 1]; 1 for 0 days.
        """
        check_horizon(self, days)
        if days == 0:
            return np.ones(len(X))
        parts = forecasts_of_parts(self.latent, self.boosted, X, self.horizon_days)
        whole = parts[LATENT]["churn_probability"].to_numpy()
        parts[LATENT] = parts[LATENT].assign(churn_probability=self._calibrated(whole))
        churn = blended(parts, self.weights)["churn_probability"].to_numpy()
        added = logit_of(churn) - logit_of(whole)
        latent = self.latent.forecast(X, days)["churn_probability"].to_numpy()
        return np.asarray(expit(logit_of(latent) + added), dtype=float)

    def to_state(self) -> dict[str, Any]:
        """Write the forecaster as data that JSON can hold.

        Returns
        -------
        dict
            With the states of the parts.
        """
        return {
            "horizon_days": self.horizon_days,
            "weights": self.weights,
            "levels": self.levels,
            "churn_slope": self.churn_slope,
            "churn_intercept": self.churn_intercept,
            "latent": self.latent.to_state(),
            "boosted": {name: part.to_state() for name, part in self.boosted.items()},
            "intervals": self.intervals.to_state() if self.intervals else None,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Restore a forecaster from what `to_state` wrote.

        Parameters
        ----------
        state : mapping
            Result of `to_state`, straight or read back from JSON.

        Returns
        -------
        Self
            It forecasts exactly what the original did.
        """
        model = cls(
            LatentValueModel.from_state(state["latent"]),
            {name: BoostedValueModel.from_state(one) for name, one in state["boosted"].items()},
            state["weights"],
            horizon_days=state["horizon_days"],
        )
        model.levels = dict(state["levels"])
        model.churn_slope = state["churn_slope"]
        model.churn_intercept = state["churn_intercept"]
        if state["intervals"] is not None:
            model.intervals = ValueIntervals.from_state(state["intervals"])
        return model

    def _expect(self, signals: Columns) -> Forecast:
        windows = {part.window_days for part in self.boosted.values()} - {self.horizon_days}
        latent = self.latent.expect(signals, [self.horizon_days, *sorted(windows)])

        def expected(rows: slice) -> Forecast:
            return self._blended(signals.take(rows), piece_of(latent, rows))

        return together(in_pieces(expected, len(signals), _PIECE_ROWS))

    def _blended(self, signals: Columns, latent: Mapping[float, Forecast]) -> Forecast:
        whole = latent[self.horizon_days]
        lapsed = self._calibrated(whole["churn_probability"])
        parts = {LATENT: whole | {"churn_probability": lapsed}}
        for name, part in self.boosted.items():
            asked = [column for q, column in QUESTIONS.items() if name in self.weights[q]]
            parts[name] = within_horizon(part, signals, latent, self.horizon_days, asked)
        found = weighted(parts, self.weights)
        value = found["expected_value"] * self.levels["value"]
        churn = found["churn_probability"]
        bounds = (
            np.full((len(signals), len(_BOUNDS)), np.nan)
            if self.intervals is None
            else self.intervals.predict(value, churn)
        )
        return {
            "expected_purchases": found["expected_purchases"] * self.levels["purchases"],
            "p_alive": whole["p_alive"],
            "churn_probability": churn,
            "expected_value": value,
            **dict(zip(_BOUNDS, bounds.T, strict=True)),
        }

    def _calibrated(self, churn: FloatArray) -> FloatArray:
        score = self.churn_slope * logit_of(churn) + self.churn_intercept
        return np.asarray(expit(score), dtype=float)


def _platt(churn: FloatArray, lapsed: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[float, float]:
    """Fit slope and intercept; as they are where there is too little to learn from."""
    if min(lapsed.sum(), (~lapsed).sum()) < _ROWS_TO_CALIBRATE:
        return 1.0, 0.0
    from sklearn.linear_model import LogisticRegression  # Here: only training pays for it.

    fitted = LogisticRegression(C=1e6).fit(logit_of(churn)[:, None], lapsed)
    slope = float(fitted.coef_[0, 0])
    # A slope that turns the order round says that the forecast knows nothing, not the opposite.
    return (slope, float(fitted.intercept_[0])) if slope > 0 else (1.0, 0.0)
