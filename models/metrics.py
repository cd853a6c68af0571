"""Every figure by which forecasts are judged, defined once.

The population is every customer with a purchase on or before `as_of`, and nothing after it was
seen in training. A figure that the data cannot give (no sales at all, one class only) is NaN.
"""

import math

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from models.base import FloatArray

__all__ = [
    "bias",
    "churn_metrics",
    "decile_mape",
    "mae",
    "normalised_gini",
    "pinball_loss",
    "poisson_deviance",
    "purchase_metrics",
    "r2",
    "rmse",
    "tweedie_deviance",
    "value_metrics",
    "wape",
]

_TWEEDIE_POWER = 1.5
# A prediction of 0 for someone who buys would cost an infinite deviance.
_FLOOR = 0.001
_N_GROUPS = 10


def mae(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Give the mean absolute error per customer.

    Parameters
    ----------
    actual, predicted : array-like of shape (n_customers,)
        What came and what was expected.

    Returns
    -------
    float
        In [0, inf), in their unit.

    Examples
    --------
    >>> mae([0, 4], [1, 1])
    2.0
    """
    y, p = _pair(actual, predicted)
    return float(np.abs(y - p).mean()) if len(y) else math.nan


def rmse(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Give the root of the mean squared error per customer.

    Parameters
    ----------
    actual, predicted : array-like of shape (n_customers,)
        What came and what was expected.

    Returns
    -------
    float
        In [0, inf), in their unit.

    Examples
    --------
    >>> rmse([0, 7], [1, 0])
    5.0
    """
    y, p = _pair(actual, predicted)
    return math.sqrt(((y - p) ** 2).mean()) if len(y) else math.nan


def r2(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Give the share of variance explained.

    Parameters
    ----------
    actual, predicted : array-like of shape (n_customers,)
        What came and what was expected.

    Returns
    -------
    float
        In (-inf, 1]; NaN where all actual values are equal.

    Examples
    --------
    >>> r2([1, 3], [1, 3])
    1.0
    """
    y, p = _pair(actual, predicted)
    spread = float(((y - y.mean()) ** 2).sum()) if len(y) else 0.0
    return 1.0 - float(((y - p) ** 2).sum()) / spread if spread > 0 else math.nan


def bias(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Give the error of the total: predicted over actual, minus 1.

    Parameters
    ----------
    actual, predicted : array-like of shape (n_customers,)
        What came and what was expected.

    Returns
    -------
    float
        0.1 is 10 % too much; NaN where the total is not positive.

    Examples
    --------
    >>> bias([1, 3], [3, 3])
    0.5
    """
    y, p = _pair(actual, predicted)
    return float(p.sum() / y.sum()) - 1.0 if y.sum() > 0 else math.nan


def wape(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Give the sum of absolute errors over the sum of actual values.

    Parameters
    ----------
    actual, predicted : array-like of shape (n_customers,)
        What came and what was expected. Give the median where there is one: absolute error is
        proper for medians, not for means.

    Returns
    -------
    float
        In [0, inf); NaN where the total is not positive.

    Examples
    --------
    >>> wape([1, 3], [2, 2])
    0.5
    """
    y, p = _pair(actual, predicted)
    return float(np.abs(y - p).sum() / y.sum()) if y.sum() > 0 else math.nan


def normalised_gini(
    actual: npt.ArrayLike, predicted: npt.ArrayLike, random_state: int = 0
) -> float:
    """Measure how well the prediction ranks customers by what came.

    Parameters
    ----------
    actual, predicted : array-like of shape (n_customers,)
        What came and what was expected.
    random_state : int
        Seed by which customers with equal predictions are put in order.

    Returns
    -------
    float
        At most 1, the perfect order; 0 is a random one. NaN where the total is not positive or
        all actual values are equal.

    Examples
    --------
    >>> normalised_gini([5, 0, 1], [9, 2, 4])
    1.0
    """
    y, p = _pair(actual, predicted)
    if y.sum() <= 0 or np.ptp(y) == 0:
        return math.nan
    shuffled = np.random.default_rng(random_state).permutation(len(y))
    y, p = y[shuffled], p[shuffled]
    return _area(y[np.argsort(-p, kind="stable")]) / _area(np.sort(y)[::-1])


def tweedie_deviance(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Give the Tweedie deviance of power 1.5, relative to predicting the overall mean.

    It is proper for a mean with many zeros. Actual values are clipped at 0, predictions floored
    at 0.001 of the mean.

    Parameters
    ----------
    actual, predicted : array-like of shape (n_customers,)
        What came and what was expected.

    Returns
    -------
    float
        In [0, inf); 1 knows nothing. NaN where nothing came or all actual values are equal.

    Examples
    --------
    >>> tweedie_deviance([0, 4], [2, 2])
    1.0
    """
    y, p = _pair(actual, predicted)
    y = np.maximum(y, 0.0)
    if y.sum() <= 0 or np.ptp(y) == 0:
        return math.nan
    mean = y.mean()
    deviance = metrics.mean_tweedie_deviance
    known = deviance(y, np.maximum(p, _FLOOR * mean), power=_TWEEDIE_POWER)
    return float(known / deviance(y, np.full(len(y), mean), power=_TWEEDIE_POWER))


def poisson_deviance(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Give the Poisson deviance, relative to predicting the overall mean.

    It is proper for a mean count. Predictions are floored at 0.001 of the mean.

    Parameters
    ----------
    actual, predicted : array-like of shape (n_customers,)
        What came and what was expected.

    Returns
    -------
    float
        In [0, inf); 1 knows nothing. NaN where nothing came or all actual values are equal.

    Examples
    --------
    >>> poisson_deviance([0, 4], [2, 2])
    1.0
    """
    y, p = _pair(actual, predicted)
    if y.sum() <= 0 or np.ptp(y) == 0:
        return math.nan
    mean = y.mean()
    known = metrics.mean_poisson_deviance(y, np.maximum(p, _FLOOR * mean))
    return float(known / metrics.mean_poisson_deviance(y, np.full(len(y), mean)))


def pinball_loss(actual: npt.ArrayLike, predicted: npt.ArrayLike, quantile: float) -> float:
    """Give the pinball loss of a quantile, as a share of the mean of what came.

    It is proper for the quantile: least where that share of outcomes lies below the prediction.

    Parameters
    ----------
    actual, predicted : array-like of shape (n_customers,)
        What came and the quantile that was expected.
    quantile : float
        Which, in (0, 1).

    Returns
    -------
    float
        In [0, inf); NaN where the total is not positive, or a quantile is not known.

    Examples
    --------
    >>> pinball_loss([0, 2], [1, 1], 0.5)
    0.5
    """
    y, p = _pair(actual, predicted)
    if y.sum() <= 0 or np.isnan(p).any():
        return math.nan
    return float(metrics.mean_pinball_loss(y, p, alpha=quantile) / y.mean())


def decile_mape(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Measure how far predicted and actual means lie apart in ten groups by prediction.

    Parameters
    ----------
    actual, predicted : array-like of shape (n_customers,)
        What came and what was expected.

    Returns
    -------
    float
        Mean over groups of abs(mean predicted - mean actual) / mean actual, in [0, inf). Groups
        without positive actual value are left out; NaN where none has any, or there are fewer
        than ten customers.

    Examples
    --------
    >>> decile_mape(range(10, 20), range(10, 20))
    0.0
    """
    y, p = _pair(actual, predicted)
    if len(y) < _N_GROUPS:
        return math.nan
    groups = np.array_split(np.argsort(p, kind="stable"), _N_GROUPS)
    means = [(y[rows].mean(), p[rows].mean()) for rows in groups if y[rows].mean() > 0]
    return (
        float(np.mean([abs(guess - came) / came for came, guess in means])) if means else math.nan
    )


def value_metrics(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> dict[str, float]:
    """Judge a forecast of value.

    Parameters
    ----------
    actual, predicted : array-like of shape (n_customers,)
        Money that came within the horizon, and that was expected.

    Returns
    -------
    dict of float
        Keys value_gini, value_tweedie, value_decile_mape, value_wape, value_mae, value_r2 and
        value_bias.
    """
    return {
        "value_gini": normalised_gini(actual, predicted),
        "value_tweedie": tweedie_deviance(actual, predicted),
        "value_decile_mape": decile_mape(actual, predicted),
        "value_wape": wape(actual, predicted),
        "value_mae": mae(actual, predicted),
        "value_r2": r2(actual, predicted),
        "value_bias": bias(actual, predicted),
    }


def purchase_metrics(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> dict[str, float]:
    """Judge a forecast of purchases.

    Parameters
    ----------
    actual, predicted : array-like of shape (n_customers,)
        Purchase days that came within the horizon, and that were expected.

    Returns
    -------
    dict of float
        Keys purchases_mae, purchases_rmse, purchases_r2, purchases_bias and purchases_poisson.
    """
    return {
        "purchases_mae": mae(actual, predicted),
        "purchases_rmse": rmse(actual, predicted),
        "purchases_r2": r2(actual, predicted),
        "purchases_bias": bias(actual, predicted),
        "purchases_poisson": poisson_deviance(actual, predicted),
    }


def churn_metrics(lapsed: npt.ArrayLike, churn_probability: npt.ArrayLike) -> dict[str, float]:
    """Judge a forecast of churn.

    Parameters
    ----------
    lapsed : array-like of bool, shape (n_customers,)
        Whether there was no purchase in (as_of, as_of + horizon].
    churn_probability : array-like of shape (n_customers,)
        What was expected, in [0, 1].

    Returns
    -------
    dict of float
        Keys churn_auc, churn_brier and churn_log_loss. The AUC is NaN where all or none lapsed.

    Examples
    --------
    >>> churn_metrics([True, False], [0.5, 0.5])["churn_brier"]
    0.25
    """
    y, p = _pair(lapsed, churn_probability)
    if not len(y):
        return dict.fromkeys(("churn_auc", "churn_brier", "churn_log_loss"), math.nan)
    one_class = np.ptp(y) == 0
    return {
        "churn_auc": math.nan if one_class else float(metrics.roc_auc_score(y, p)),
        "churn_brier": float(metrics.brier_score_loss(y, p, pos_label=1)),
        "churn_log_loss": float(metrics.log_loss(y, p, labels=[0, 1])),
    }


def _pair(actual: npt.ArrayLike, predicted: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    y, p = np.asarray(actual, dtype=float), np.asarray(predicted, dtype=float)
    if y.shape != p.shape:
        raise ValueError(f"There are {len(y):,} actual but {len(p):,} predicted values.")
    return y, p


def _area(ordered: FloatArray) -> float:
    """Area between the curve of cumulative shares and the diagonal, times 2."""
    return float(2 * (np.cumsum(ordered) / ordered.sum()).mean() - 1)
