"""Whether as many customers churn as the churn probabilities say."""

from collections.abc import Sequence

import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.stats import binomtest

from models.base import FloatArray
from models.metrics import churn_metrics
from training.pictures import style
from training.pictures.samples import equal_groups, known_rows

__all__ = ["draw_reliability"]

_N_GROUPS = 10
_N_BINS = 20
_CONFIDENCE = 0.95


def draw_reliability(lapsed: npt.ArrayLike, churn_probability: npt.ArrayLike) -> Figure:
    """Draw the actual share of churned customers over the predicted one.

    Parameters
    ----------
    lapsed : array-like of bool, shape (n_customers,)
        Whether there was no purchase in (as_of, as_of + horizon].
    churn_probability : array-like of shape (n_customers,)
        What was expected, in [0, 1]. Customers without it are left out.

    Returns
    -------
    matplotlib.figure.Figure
        Above, one point to each of ten groups of equal size with its 95 % Wilson interval, and the
        diagonal of a reliable forecast. Below, how many customers have which probability.

    Examples
    --------
    >>> draw_reliability([True, False], [0.9, 0.3]).get_suptitle()
    'Churn is predicted 10 points too high; Brier score 0.050'
    """
    actual, predicted = known_rows(lapsed, churn_probability)
    figure = style.titled_figure(_finding(actual, predicted), size=(6.5, 6.4))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    groups = equal_groups(predicted, _N_GROUPS)
    who = style.counted(len(actual), "customer")
    what = f"{who} in {style.counted(len(groups), 'group')} of equal size"
    style.frame(upper, what, x="", y="actual share without a purchase", grid="both")
    upper.plot([0, 1], [0, 1], color=style.QUIET, linewidth=1, linestyle=":", label="reliable")
    _plot_groups(upper, [(predicted[rows], actual[rows]) for rows in groups])
    upper.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    style.percent_ticks(upper.yaxis)

    style.frame(lower, "", x="predicted churn probability", y="customers", grid="y")
    lower.hist(predicted, bins=_N_BINS, range=(0, 1), color=style.PREDICTED, rwidth=0.9)
    lower.set_ylim(0, max(1.0, lower.get_ylim()[1]))
    lower.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True, steps=[1, 2, 5, 10]))
    style.percent_ticks(lower.xaxis)
    style.number_ticks(lower.yaxis)
    style.legend(figure, upper)
    return figure


def _plot_groups(axes: Axes, groups: Sequence[tuple[FloatArray, FloatArray]]) -> None:
    if not groups:
        return
    means = [predicted.mean() for predicted, _ in groups]
    shares = [actual.mean() for _, actual in groups]
    lows, highs = zip(*(_wilson(actual) for _, actual in groups), strict=True)
    label = f"group, with its {style.percent(_CONFIDENCE)} interval"
    axes.vlines(means, lows, highs, color=style.PREDICTED, linewidth=1.2, alpha=0.5)
    axes.plot(means, shares, color=style.PREDICTED, marker="o", markersize=5, label=label)


def _finding(actual: FloatArray, predicted: FloatArray) -> str:
    if not len(actual):
        return "No customers whose churn could be judged"
    brier = churn_metrics(actual, predicted)["churn_brier"]
    points = round(100 * float(predicted.mean() - actual.mean()))
    side = "high" if points > 0 else "low"
    finding = (
        f"Churn is predicted {style.counted(abs(points), 'point')} too {side}"
        if points
        else "Churn is predicted right on average"
    )
    return f"{finding}; Brier score {brier:.3f}"


def _wilson(lapsed: FloatArray) -> tuple[float, float]:
    interval = binomtest(int(lapsed.sum()), len(lapsed)).proportion_ci(_CONFIDENCE, "wilson")
    return float(interval.low), float(interval.high)
