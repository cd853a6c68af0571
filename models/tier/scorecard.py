"""The scorecard: five dimensions by which salespeople screen customers, each from 0 to 100."""

from bisect import bisect_right
from collections.abc import Mapping
from math import isnan
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from models.base import FloatArray, Model
from models.estimator import check_is_fitted

__all__ = ["DIMENSIONS", "Scorecard"]

# What each dimension goes by, and whether more of it is better. The future is the value expected,
# which is no signal.
_FUTURE = "expected_value"
DIMENSIONS: Mapping[str, Mapping[str, bool]] = MappingProxyType(
    {
        "purchase": {"revenue_365d": True},
        "profitability": {"contribution_365d": True, "gross_margin_rate_365d": True},
        "safety": {"paid_in_full_share": True, "late_mean_days": False, "overdue_share": False},
        "future": {_FUTURE: True},
        "cooperation": {
            "campaign_response_share": True,
            "visit_response_share": True,
            "complaint_tolerance_share": True,
        },
    }
)
# Knots of each column's distribution: with a thousand, a rank is right to a tenth of a point.
_MOST_KNOTS = 1_001


class Scorecard(Model):
    """Rate customers by their rank within the company.

    A customer's rank in one signal is the share of the company's customers below them plus half of
    those equal to them (the mid-rank of Parzen [1]_), over the customers in whom the signal is
    known, from 0 to 100; where less is better, 100 less that. A dimension is the mean over those
    of its signals that are known; with none of them it is null, never 50.

    ============= ==================== ===================================================
    dimension     what people say      signals
    ============= ==================== ===================================================
    purchase      购买额               revenue_365d
    profitability 收益性               contribution_365d, gross_margin_rate_365d
    safety        安全性               paid_in_full_share; less is better: late_mean_days,
                                       overdue_share
    future        未来性               the value expected within the horizon
    cooperation   合作性               campaign_response_share, visit_response_share,
                                       complaint_tolerance_share
    ============= ==================== ===================================================

    Attributes
    ----------
    knots_ : dict of str to list of float
        By signal, values of the company's customers in rising order.
    ranks_ : dict of str to list of float
        By signal, the mid-ranks of those values, from 0 to 100.

    References
    ----------
    .. [1] Parzen, E. (1979). Nonparametric statistical data modeling. Journal of the American
           Statistical Association 74, 105-121.

    Examples
    --------
    >>> signals = pd.DataFrame({"revenue_365d": [0.0, 10.0, 10.0, 90.0]}, index=[*"abcd"])
    >>> Scorecard().fit(signals).rate(signals)["purchase"].tolist()
    [12.5, 50.0, 50.0, 87.5]
    """

    _learned: ClassVar[tuple[str, ...]] = ("knots_", "ranks_")

    knots_: dict[str, list[float]]
    ranks_: dict[str, list[float]]

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn how the company's customers are spread.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_signals)
            Signals and, where there is a prediction, expected_value. What is not there, or null
            in everyone, leaves its dimension to the others.
        y : object
            Not used.

        Returns
        -------
        Scorecard
            Itself.
        """
        del y
        self.knots_, self.ranks_ = {}, {}
        for name in (name for signals in DIMENSIONS.values() for name in signals):
            known = _known(X, name)
            if len(known):
                values, ranks = _mid_ranks(known)
                self.knots_[name], self.ranks_[name] = values.tolist(), ranks.tolist()
        return self

    def rate(self, X: pd.DataFrame) -> pd.DataFrame:
        """Rate customers, of the company fitted on or one at a time.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_signals), indexed by customer_id
            As for `fit`.

        Returns
        -------
        DataFrame of shape (n_customers, 5), indexed like X
            Columns purchase, profitability, safety, future and cooperation, each from 0 to 100;
            NaN where nothing is known.
        """
        check_is_fitted(self)
        rated = {
            dimension: _mean_of_known(
                [self._rank(X, name, is_better=better) for name, better in signals.items()]
            )
            for dimension, signals in DIMENSIONS.items()
        }
        return pd.DataFrame(rated, index=X.index)

    def rate_one(self, signals: Mapping[str, float | str | None]) -> dict[str, float | None]:
        """Rate one customer, as `rate` does for a row of their signals, but sooner.

        Parameters
        ----------
        signals : mapping of str to float, str or None
            The customer's and, where there is a prediction, expected_value.

        Returns
        -------
        dict of str to float or None
            By dimension, from 0 to 100; None where nothing is known.

        Examples
        --------
        >>> signals = pd.DataFrame({"revenue_365d": [0.0, 10.0, 10.0, 90.0]}, index=[*"abcd"])
        >>> Scorecard().fit(signals).rate_one({"revenue_365d": 50.0})["purchase"]
        68.75
        """
        check_is_fitted(self)
        rated: dict[str, float | None] = {}
        for dimension, directions in DIMENSIONS.items():
            found = [
                self._rank_one(name, signals.get(name), is_better=better)
                for name, better in directions.items()
            ]
            known = [rank for rank in found if rank is not None]
            rated[dimension] = sum(known) / len(known) if known else None
        return rated

    def _rank_one(self, name: str, value: float | str | None, *, is_better: bool) -> float | None:
        if name not in self.knots_ or not isinstance(value, int | float) or isnan(value):
            return None
        knots, ranks = self.knots_[name], self.ranks_[name]
        place = bisect_right(knots, value)
        if place in {0, len(knots)}:
            rank = ranks[0] if place == 0 else ranks[-1]
        else:
            low, high = knots[place - 1], knots[place]
            slope = (ranks[place] - ranks[place - 1]) / (high - low)
            rank = slope * (value - low) + ranks[place - 1]
        return rank if is_better else 100 - rank

    def _rank(self, X: pd.DataFrame, name: str, *, is_better: bool) -> FloatArray:
        if name not in X.columns or name not in self.knots_:
            return np.full(len(X), np.nan)
        values = X[name].to_numpy(dtype=float, na_value=np.nan)
        rank: FloatArray = np.interp(values, self.knots_[name], self.ranks_[name])
        rank[np.isnan(values)] = np.nan
        return rank if is_better else 100 - rank


def _known(X: pd.DataFrame, name: str) -> FloatArray:
    if name not in X.columns:
        return np.empty(0)
    values: FloatArray = X[name].to_numpy(dtype=float, na_value=np.nan)
    return values[np.isfinite(values)]


def _mid_ranks(known: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Find the distinct values and their mid-ranks, thinned evenly where there are very many."""
    values, counts = np.unique(known, return_counts=True)
    ranks = 100 * (np.cumsum(counts) - counts / 2) / len(known)
    if len(values) > _MOST_KNOTS:
        # Evenly by rank, and never without a value that many share.
        even = np.searchsorted(ranks, np.linspace(0, 100, _MOST_KNOTS)).clip(0, len(values) - 1)
        shared = np.flatnonzero(counts > len(known) / _MOST_KNOTS)
        kept = np.unique(np.concatenate([even, shared, [0, len(values) - 1]]))
        values, ranks = values[kept], ranks[kept]
    return values, ranks


def _mean_of_known(ranks: list[FloatArray]) -> FloatArray:
    stacked = np.stack(ranks)
    n_known = (~np.isnan(stacked)).sum(axis=0)
    total = np.nansum(stacked, axis=0)
    mean: FloatArray = np.full(len(total), np.nan)
    np.divide(total, n_known, out=mean, where=n_known > 0)
    return mean
