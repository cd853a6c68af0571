"""How far signals, and the level of a forecast, have moved away from what they were."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import chi2

from models.base import FloatArray

__all__ = [
    "MUCH_DRIFT",
    "SOME_DRIFT",
    "Line",
    "Shift",
    "population_stability",
    "reliability_line",
    "total_ratio_range",
]

# The usual marks of the population stability index ([1] of `population_stability`).
SOME_DRIFT, MUCH_DRIFT = 0.1, 0.25
_N_BINS = 10
# An empty bin counts as half a customer; its logarithm would be infinite.
_EMPTY_BIN = 0.5
_CONFIDENCE = 0.95

_N_DRAWS = 1000
# More customers are put together at random first: the range stays, a million draws are saved.
_MOST_UNITS = 20_000

# A probability nearer to 0 or 1 would decide about the slope alone.
_PROBABILITY_FLOOR = 0.001
_NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Shift:
    """How far one signal has moved.

    Parameters
    ----------
    psi : float
        Population stability index, in [0, inf); NaN where nobody is there on one of the days.
    by_chance : float
        What the index stays below 19 times in 20 while nothing moves, in [0, inf).
    """

    psi: float
    by_chance: float


@dataclass(frozen=True)
class Line:
    """A straight line through log-odds, with the 95 % range of its slope.

    Parameters
    ----------
    intercept, slope : float
        0 and 1 for a reliable forecast; NaN where they cannot be told.
    slope_lower, slope_upper : float
        Wald range of the slope.
    """

    intercept: float
    slope: float
    slope_lower: float
    slope_upper: float


def population_stability(before: pd.Series, after: pd.Series) -> Shift:
    """Compare how a signal was distributed with how it is.

    The index is the sum over bins of (a - b) ln(a / b), with b and a the shares of customers in
    the bin before and after [1]_. Numbers are binned by the tenths of the earlier day, each bin
    with its upper edge; a signal that was the same for everybody has the bins below, at and above
    it. Texts are binned by value. Null is a bin of its own. While nothing moves, the index is about
    (1 / n + 1 / m) times a chi-square variable of as many degrees of freedom as there are bins
    less one [2]_, which is how far chance alone takes it.

    Parameters
    ----------
    before, after : Series of shapes (n_customers,) and (m_customers,)
        The signal on two days, as numbers or as texts.

    Returns
    -------
    Shift
        The index, and what it would come to by chance.

    References
    ----------
    .. [1] Siddiqi, N. (2006), "Credit Risk Scorecards", Wiley, chapter 9: below 0.1 nothing has
       moved, from 0.25 on much has. It is the symmetric divergence of Jeffreys (1946).
    .. [2] Yurdakul, B. (2018), "Statistical Properties of Population Stability Index", Western
       Michigan University, chapter 3.

    Examples
    --------
    >>> shift = population_stability(pd.Series(["a", "b"] * 50), pd.Series(["a"] * 3 + ["b"]))
    >>> round(shift.psi, 4)  # (3/4 - 1/2) ln(3/2) + (1/4 - 1/2) ln(1/2)
    0.2747
    """
    n, m = len(before), len(after)
    if not n or not m:
        return Shift(math.nan, math.nan)
    bins = _bins_of_numbers if pd.api.types.is_numeric_dtype(before) else _bins_of_texts
    counts = pd.concat(
        [series.value_counts() for series in bins(before, after)], axis=1, keys=["before", "after"]
    )
    shares = counts.fillna(0.0).clip(lower=_EMPTY_BIN) / [n, m]
    psi = ((shares["after"] - shares["before"]) * np.log(shares["after"] / shares["before"])).sum()
    chance = chi2.ppf(_CONFIDENCE, len(shares) - 1) if len(shares) > 1 else 0.0
    return Shift(float(psi), float(chance * (1 / n + 1 / m)))


def _bins_of_texts(before: pd.Series, after: pd.Series) -> tuple[pd.Series, pd.Series]:
    # No value is the text of a null: they are kept apart by a sign before them.
    return (
        ("=" + before.astype("object")).fillna("null"),
        ("=" + after.astype("object")).fillna("null"),
    )


def _bins_of_numbers(before: pd.Series, after: pd.Series) -> tuple[pd.Series, pd.Series]:
    known = before.dropna().to_numpy(dtype=float)
    if not len(known):
        return before.notna(), after.notna()
    tenths = np.arange(1, _N_BINS) / _N_BINS
    edges = np.unique(np.quantile(known, tenths, method="inverted_cdf"))
    if np.ptp(known) == 0:
        edges = np.array([np.nextafter(known[0], -np.inf), known[0]])
    return _binned(before, edges), _binned(after, edges)


def _binned(signal: pd.Series, edges: FloatArray) -> pd.Series:
    values = signal.to_numpy(dtype=float, na_value=np.nan)
    return pd.Series(np.where(np.isnan(values), -1, np.searchsorted(edges, values)))


def total_ratio_range(
    actual: npt.ArrayLike, predicted: npt.ArrayLike, *, random_state: int = 0
) -> tuple[float, float]:
    """Find how far chance may have moved the ratio of two totals.

    Customers are drawn anew 1,000 times, with replacement, and the ratio is taken of each draw: the
    percentile bootstrap [1]_. More than 20,000 customers are first put together at random into so
    many units, which leaves the range as it is.

    Parameters
    ----------
    actual, predicted : array-like of shape (n_customers,)
        What came and what was expected.
    random_state : int
        Seed of the draws.

    Returns
    -------
    tuple of (float, float)
        Bounds of the middle 95 % of the ratios of actual to predicted; NaN where a draw expects
        nothing.

    References
    ----------
    .. [1] Efron, B. and Tibshirani, R. (1993), "An Introduction to the Bootstrap", chapter 13.

    Examples
    --------
    >>> total_ratio_range([2.0, 4.0], [1.0, 2.0])
    (2.0, 2.0)
    """
    y, p = np.asarray(actual, dtype=float), np.asarray(predicted, dtype=float)
    rng = np.random.default_rng(random_state)
    if len(y) > _MOST_UNITS:
        unit = rng.permutation(len(y)) % _MOST_UNITS
        y, p = np.bincount(unit, weights=y), np.bincount(unit, weights=p)
    if not len(y):
        return math.nan, math.nan
    totals = np.empty((_N_DRAWS, 2))
    for draw in totals:
        rows = rng.integers(len(y), size=len(y))
        draw[:] = y[rows].sum(), p[rows].sum()
    if (totals[:, 1] <= 0).any():
        return math.nan, math.nan
    tail = (1 - _CONFIDENCE) / 2
    lower, upper = np.quantile(totals[:, 0] / totals[:, 1], [tail, 1 - tail])
    return float(lower), float(upper)


def reliability_line(happened: npt.ArrayLike, probability: npt.ArrayLike) -> Line:
    """Fit log-odds of what happened on log-odds of what was expected: Cox's recalibration [1]_.

    A slope below 1 says that the probabilities are too extreme, above 1 that they are too timid; an
    intercept above 0, with a slope of 1, that it happens more often than expected. Probabilities
    are moved into [0.001, 0.999] first.

    Parameters
    ----------
    happened : array-like of bool, shape (n_customers,)
        Whether it came so.
    probability : array-like of shape (n_customers,)
        How probable it was said to be, in [0, 1].

    Returns
    -------
    Line
        By maximum likelihood. NaN where it has no maximum: all or none happened, all probabilities
        are the same, or they part what happened from what did not without an overlap.

    References
    ----------
    .. [1] Cox, D. R. (1958), "Two Further Applications of a Model for Binary Regression",
       Biometrika 45, 562-565.

    Examples
    --------
    >>> line = reliability_line([True] * 3 + [False] * 3, [0.9, 0.9, 0.1, 0.9, 0.1, 0.1])
    >>> round(line.slope, 3)  # ln 2, the log-odds of two thirds, over ln 9, those of 0.9
    0.315
    """
    y = np.asarray(happened, dtype=float)
    p = np.asarray(probability, dtype=float)
    x = np.asarray(logit(np.clip(p, _PROBABILITY_FLOOR, 1 - _PROBABILITY_FLOOR)))
    if not _overlap(x[y == 0], x[y == 1]):
        return Line(math.nan, math.nan, math.nan, math.nan)
    design = np.column_stack([np.ones_like(x), x])  # (n_customers, 2)

    def loss(line: FloatArray) -> tuple[float, FloatArray]:
        eta = design @ line
        mean_loss = float(np.mean(np.logaddexp(0.0, eta) - y * eta))
        return mean_loss, np.asarray(design.T @ (expit(eta) - y) / len(y))

    def curvature(line: FloatArray) -> FloatArray:
        q = expit(design @ line)
        return np.asarray((design * (q * (1 - q))[:, None]).T @ design / len(y))

    best = minimize(loss, np.array([0.0, 1.0]), jac=True, hess=curvature, method="trust-exact").x
    error = math.sqrt(float(np.linalg.inv(curvature(best))[1, 1]) / len(y))
    reach = _NORMAL_95 * error
    return Line(float(best[0]), float(best[1]), float(best[1]) - reach, float(best[1]) + reach)


def _overlap(without: FloatArray, having: FloatArray) -> bool:
    if not len(without) or not len(having):
        return False
    return bool(without.max() > having.min() and having.max() > without.min())
