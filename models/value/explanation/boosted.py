"""What a boosted forecast owes to each signal: its own, and those of the latent forecast in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import expit

from models.base import FloatArray
from models.value.boosted import BoostedValueModel
from models.value.explanation.latent import LatentReasons
from models.value.explanation.shapley import (
    exp_slope,
    expit_slope,
    passed_on,
    product_weights,
)

__all__ = ["VALUE_HEADS", "BoostedReasons", "BoostedScores", "carry_mixtures", "offset_mixtures"]

VALUE_HEADS = ("active", "spend")
"""The heads whose product is the expected value."""


@dataclass(frozen=True)
class BoostedScores:
    """One boosted part's forecast of value: p(active) x spend x what carries it to the horizon.

    Parameters
    ----------
    shares : mapping of str to array of shape (n_customers, n_features)
        TreeSHAP by head, in raw scores; one column a name of `names_learned_from`.
    scores : mapping of str to array of shape (n_customers,)
        Raw scores by head, offset included.
    factors : array of shape (3, n_customers)
        Probability of a purchase, spend in the model's unit, and the ratio that carries them.
    """

    shares: Mapping[str, FloatArray]
    scores: Mapping[str, FloatArray]
    factors: FloatArray

    @classmethod
    def of(
        cls,
        part: BoostedValueModel,
        found: Mapping[str, FloatArray],
        offsets: Mapping[str, FloatArray],
        carry: FloatArray,
    ) -> Self:
        """Put the forecast together from its contributions.

        Parameters
        ----------
        part : BoostedValueModel
            Fitted.
        found : mapping of str to array of shape (n_customers, n_features + 1)
            Result of its `contributions`, by head.
        offsets : mapping of str to array of shape (n_customers,)
            What its trees start from, by head.
        carry : array of shape (n_customers,)
            The ratio.

        Returns
        -------
        BoostedScores
            Without a share for anybody where a head knows one outcome only.
        """
        scores = {head: found[head].sum(axis=1) + offsets[head] for head in VALUE_HEADS}
        factors = np.stack([expit(scores["active"]), np.exp(scores["spend"]), carry])
        for place, head in enumerate(VALUE_HEADS):
            if head in part.constants_:
                factors[place] = part.constants_[head]
        return cls({head: found[head][:, :-1] for head in VALUE_HEADS}, scores, factors)


class BoostedReasons:
    """One boosted part's forecast of value beside that of a reference.

    Parameters
    ----------
    part : BoostedValueModel
        Fitted.
    now, then : BoostedScores
        Of the customers; of the reference, one row.
    latent : LatentReasons
        Of the same customers.
    offsets : mapping of str to array of shape (8, n_customers)
        By head, of every mixture of the histories with the customers' own spend.
    offsets_then : mapping of str to float
        By head, the reference's.
    carry : array of shape (8, n_customers)
        The ratio that carries the forecast to the horizon, of every mixture.
    """

    def __init__(
        self,
        part: BoostedValueModel,
        now: BoostedScores,
        then: BoostedScores,
        latent: LatentReasons,
        *,
        offsets: Mapping[str, FloatArray],
        offsets_then: Mapping[str, float],
        carry: FloatArray,
    ) -> None:
        self._part, self._latent = part, latent
        self._offsets, self._offsets_then, self._carry = offsets, offsets_then, carry
        by_active, by_spend, self._by_carry = (
            part.levels_["value"] * part.unit_ * product_weights(now.factors, then.factors)
        )
        # Money per unit of raw score.
        slopes = {
            "active": by_active * expit_slope(now.scores["active"], then.scores["active"]),
            "spend": by_spend * exp_slope(now.scores["spend"], then.scores["spend"]),
        }
        self._slopes = {h: slope for h, slope in slopes.items() if h not in part.constants_}
        self._amounts = np.zeros_like(now.shares["active"])
        for head, slope in self._slopes.items():
            self._amounts += slope[:, None] * (now.shares[head] - then.shares[head])

    def of_own_signals(self) -> FloatArray:
        """Share out what the trees make of the signals.

        Returns
        -------
        array of shape (n_customers, n_signals)
            Money, one column a name of `feature_names_in_`.
        """
        return self._amounts[:, : len(self._part.feature_names_in_)]

    def of_latent_signals(self) -> FloatArray:
        """Share out what the trees, their offset and the carrying make of the latent forecast.

        Returns
        -------
        array of shape (5, n_customers)
            Money, one row a name of `latent_signals`.
        """
        seen = self._amounts[:, len(self._part.feature_names_in_) :].T
        moved = self._latent.of_seen(self._part.window_days)
        found: FloatArray = passed_on(seen, moved).sum(axis=0)
        found += self._by_carry * self._latent.of_history(self._carry)
        if self._part.is_correction:
            for head, slope in self._slopes.items():
                found += self._of_offset(head, slope)
        return found

    def _of_offset(self, head: str, slope: FloatArray) -> FloatArray:
        """Share out an offset: the history's part exactly, the rest is owed to spend and rate."""
        mixtures = self._offsets[head]
        rest = slope * (mixtures[0] - self._offsets_then[head])
        by_history = slope * self._latent.of_history(mixtures)
        return by_history + passed_on(rest, self._latent.of_unit_value)


def carry_mixtures(latent: LatentReasons, window_days: float, horizon_days: float) -> FloatArray:
    """Find the ratio that carries a forecast from its window to the horizon, as it is blended.

    Parameters
    ----------
    latent : LatentReasons
        Of the customers.
    window_days, horizon_days : float
        Days ahead.

    Returns
    -------
    array of shape (8, n_customers)
        Of every mixture of the histories; the last is the customer's own.
    """
    near, far = latent.purchases[window_days], latent.purchases[horizon_days]
    ratio = np.divide(far, near, out=np.ones_like(near), where=near != 0)
    if window_days == horizon_days:
        return ratio
    near_value, far_value = near[7] * latent.unit_value, far[7] * latent.unit_value
    no_value = np.full(len(near_value), horizon_days / window_days)
    ratio[7] = np.divide(far_value, near_value, out=no_value, where=near_value != 0)
    return ratio


def offset_mixtures(part: BoostedValueModel, latent: LatentReasons) -> dict[str, FloatArray]:
    """Find what the trees start from for every mixture of the histories.

    Parameters
    ----------
    part : BoostedValueModel
        Fitted.
    latent : LatentReasons
        Of the customers.

    Returns
    -------
    dict of str to array of shape (8, n_customers)
        Raw scores by head, with the customers' own spend and rate.
    """
    purchases, churn = latent.purchases[part.window_days], latent.churn[part.window_days]
    if not part.is_correction:
        return dict.fromkeys(VALUE_HEADS, np.zeros_like(purchases))
    mixtures = {
        "expected_purchases": purchases,
        "churn_probability": churn,
        "expected_value": purchases * latent.unit_value,
    }
    return part.offsets(mixtures)
