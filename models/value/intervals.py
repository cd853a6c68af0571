"""How sure a forecast of value is: quantiles per customer, conformalised within value classes."""

from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from models.base import FloatArray, Model, check_parameter
from models.estimator import check_is_fitted

__all__ = ["QUANTILES", "ValueIntervals", "coverage"]

# The typical outcome, the bounds of 80 %, and those of 95 %.
QUANTILES = (0.025, 0.1, 0.5, 0.9, 0.975)
_MEDIAN = 0.5
# Classes by predicted value: thirds, and the top tenth by itself where it is big enough.
_EDGES = (1 / 3, 2 / 3, 0.9)
_ROWS_FOR_A_TENTH = 3_000
_ROWS_FOR_THIRDS = 90
# Spread of what an active customer brings is learned on so fine a grid.
_GRID = np.linspace(0.0, 1.0, 201)
# Levels tried in place of a nominal one.
_TRIED = np.concatenate([np.linspace(0.002, 0.998, 250), [0.9985, 0.999, 0.9995, 1.0]])


_LARGEST_RATIO = 1e15


class ValueIntervals(Model):
    """Quantiles of the value within the horizon, from the forecast and how such forecasts fared.

    A customer brings nothing with the churn probability, and else the conditional mean times a
    spread learned from those who did buy, by class of predicted value. The levels at which the
    quantiles are read are then moved within each class until past outcomes lay above them as often
    as they should (conformal calibration by group [1]_); the median's, until its absolute error
    was least. Assumptions:

    1. forecasts are as good as they were on the days calibrated on;
    2. within a class the spread around the conditional mean is the same in proportion.

    Parameters
    ----------
    widening : float
        Factor on the distance of the spread from 1, in [1, inf): for forecasts that were never
        held against an outcome.

    Attributes
    ----------
    edges_ : list of float
        Expected values between the classes, rising, in money.
    spreads_ : list of list of float
        By class: value in units of the conditional mean, at even steps of probability.
    levels_ : list of list of float
        By class: the level to read in place of each of `QUANTILES`, in [0, 1].

    References
    ----------
    .. [1] Vovk, V. (2012), "Conditional validity of inductive conformal predictors", PMLR 25,
       475-490, section 4; the scores are quantile levels as in Chernozhukov, V., Wuthrich, K. and
       Zhu, Y. (2021), "Distributional conformal prediction", PNAS 118 (48).

    Examples
    --------
    >>> import numpy as np
    >>> came = np.array([0.0, 0.0, 0.0, 10.0, 20.0, 30.0] * 20)
    >>> model = ValueIntervals().fit(np.full(120, 10.0), np.full(120, 0.5), came, came > 0)
    >>> model.predict([10.0], [0.5]).round(0).tolist()
    [[0.0, 0.0, 0.0, 30.0, 30.0]]
    """

    edges_: list[float]
    spreads_: list[list[float]]
    levels_: list[list[float]]
    _learned: ClassVar[tuple[str, ...]] = ("edges_", "spreads_", "levels_")

    def __init__(self, widening: float = 1.0) -> None:
        self.widening = widening

    def fit(
        self,
        expected_value: npt.ArrayLike,
        churn_probability: npt.ArrayLike,
        actual_value: npt.ArrayLike,
        is_active: npt.ArrayLike,
    ) -> Self:
        """Learn the spread, and calibrate the levels.

        Parameters
        ----------
        expected_value, churn_probability : array-like of shape (n_customers,)
            What was forecast, in money and in [0, 1], for customers whose outcome is not in the
            fit of the forecast.
        actual_value : array-like of shape (n_customers,)
            What came, in money.
        is_active : array-like of bool, shape (n_customers,)
            Who bought.

        Returns
        -------
        Self
            The fitted model.

        Raises
        ------
        ValueError
            If the widening is out of range.
        """
        rule = "a float in the range [1, inf)"
        check_parameter(self, "widening", self.widening, rule=rule, holds=self.widening >= 1)
        mean, churn, came = (
            np.asarray(a, dtype=float) for a in (expected_value, churn_probability, actual_value)
        )
        active = np.asarray(is_active, dtype=bool)
        self.edges_ = _edges(mean)
        which = np.searchsorted(self.edges_, mean, side="right")
        centre = _centre(mean, churn)
        everyone = _spread(centre[active], came[active])
        self.spreads_, self.levels_ = [], []
        for group in range(len(self.edges_) + 1):
            rows = which == group
            bought = rows & active
            few = bought.sum() < 20
            spread = everyone if few else _spread(centre[bought], came[bought])
            # Widened only now: levels that fit the wider spread would take it back.
            self.spreads_.append(self._widened(spread).tolist())
            self.levels_.append(
                list(QUANTILES)
                if few
                else _levels(_read_many(centre[rows], churn[rows], spread), came[rows])
            )
        return self

    def predict(
        self, expected_value: npt.ArrayLike, churn_probability: npt.ArrayLike
    ) -> FloatArray:
        """Give the quantiles of what customers bring within the horizon.

        Parameters
        ----------
        expected_value, churn_probability : array-like of shape (n_customers,)
            The forecast, in money and in [0, 1].

        Returns
        -------
        array of shape (n_customers, 5)
            In money, at the levels of `QUANTILES`, never falling from left to right.
        """
        check_is_fitted(self)
        mean = np.asarray(expected_value, dtype=float)
        churn = np.asarray(churn_probability, dtype=float)
        which = np.searchsorted(self.edges_, mean, side="right")
        found = np.zeros((len(mean), len(QUANTILES)))
        for group, (spread, levels) in enumerate(zip(self.spreads_, self.levels_, strict=True)):
            rows = which == group
            if rows.any():
                lapsed, shape = churn[rows], np.asarray(spread)
                centre = _centre(mean[rows], lapsed)
                found[rows] = _read(centre, lapsed, shape, levels)
        return np.maximum.accumulate(found, axis=1)

    def _widened(self, spread: FloatArray) -> FloatArray:
        wide = 1.0 + (spread - 1.0) * self.widening
        # Where nobody ever brought less than nothing, doubt is no reason to expect it.
        return np.maximum(wide, 0.0) if spread[0] >= 0 else wide


def _spread(centre: FloatArray, came: FloatArray) -> FloatArray:
    """Quantiles of what came around the conditional mean, in units of it."""
    scale = np.abs(centre)
    # More often than so the mean is nothing; a ratio to it would say nothing, or overflow.
    known = np.abs(came) < _LARGEST_RATIO * scale
    if not known.any():
        return np.ones_like(_GRID)
    ratios = 1.0 + (came[known] - centre[known]) / scale[known]
    return np.asarray(np.quantile(ratios, _GRID), dtype=float)


def _edges(mean: FloatArray) -> list[float]:
    if len(mean) < _ROWS_FOR_THIRDS:
        return []
    shares = _EDGES if len(mean) >= _ROWS_FOR_A_TENTH else _EDGES[:2]
    return sorted({float(edge) for edge in np.quantile(mean, shares)})


def _centre(mean: FloatArray, churn: FloatArray) -> FloatArray:
    """Mean value of a customer given that there is a purchase."""
    return mean / np.maximum(1.0 - churn, 1e-6)


def _read(
    centre: FloatArray, churn: FloatArray, spread: FloatArray, levels: npt.ArrayLike
) -> FloatArray:
    """Read quantiles at levels: nothing up to the churn probability, then the spread.

    Who churns brings 0, so where the spread begins below 0 (returns) its negative part comes first.
    """
    centre, churn, level = centre[:, None], churn[:, None], np.asarray(levels)
    active = np.maximum(1.0 - churn, 1e-12)
    negative = active * float(np.interp(0.0, spread, _GRID)) if spread[0] < 0 else 0.0 * active
    below = level < negative
    above = level > negative + churn
    position = np.where(below, level / active, np.where(above, (level - churn) / active, 0.0))
    value = centre + np.abs(centre) * (np.interp(position, _GRID, spread) - 1.0)
    return np.asarray(np.where(below | above, value, 0.0), dtype=float)


def _read_many(centre: FloatArray, churn: FloatArray, spread: FloatArray) -> FloatArray:
    # Level by level: all at once would take five times the memory.
    return np.hstack([_read(centre, churn, spread, [level]) for level in _TRIED])


def _levels(tried: FloatArray, came: FloatArray) -> list[float]:
    """Find the levels that would have been right; a nominal one stays where none is better."""
    above = (came[:, None] > tried).mean(axis=0)
    error = np.abs(came[:, None] - tried).mean(axis=0)
    return [_median_level(error) if q == _MEDIAN else _level(above, q) for q in QUANTILES]


def _level(above: FloatArray, nominal: float) -> float:
    """Take the level exceeded nearest to as often as wanted, and not oftener.

    Of those that are exceeded alike (all that read 0, say), the nearest to the nominal one.
    """
    wanted = 1.0 - nominal
    reached = above <= wanted
    if not reached.any():
        return nominal
    alike = reached & (above >= above[reached].max())
    return float(_TRIED[alike][int(np.argmin(np.abs(_TRIED[alike] - nominal)))])


def _median_level(error: FloatArray) -> float:
    best: int = int(np.argmin(error))
    is_better = error[best] < error[int(np.argmin(np.abs(_TRIED - _MEDIAN)))]
    return float(_TRIED[best]) if is_better else _MEDIAN


def coverage(
    actual: npt.ArrayLike, lower: npt.ArrayLike, upper: npt.ArrayLike, predicted: npt.ArrayLike
) -> dict[str, float]:
    """Say how often outcomes lay outside, over all customers and within thirds by prediction.

    Parameters
    ----------
    actual, lower, upper, predicted : array-like of shape (n_customers,)
        What came, its bounds, and the expected value.

    Returns
    -------
    dict of str to float
        Shares in [0, 1]: above, below, and both with _low, _middle and _high; NaN where nobody is.
    """
    came, low, high, mean = (np.asarray(a, float) for a in (actual, lower, upper, predicted))
    order = np.argsort(mean, kind="stable")
    names = ("", "_low", "_middle", "_high")
    shares = {}
    for name, rows in zip(names, (order, *np.array_split(order, 3)), strict=True):
        empty = not len(rows)
        shares[f"above{name}"] = float("nan") if empty else float((came > high)[rows].mean())
        shares[f"below{name}"] = float("nan") if empty else float((came < low)[rows].mean())
    return shares
