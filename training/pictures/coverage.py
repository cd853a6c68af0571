"""Whether as many values fall outside their intervals as the intervals allow."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.base import FloatArray
from training.pictures import style
from training.pictures.samples import equal_groups, known_rows

__all__ = ["draw_coverage"]

_N_GROUPS = 3
_THIRDS = ("lowest third", "middle third", "highest third")


def draw_coverage(
    actual: npt.ArrayLike,
    lower: npt.ArrayLike,
    upper: npt.ArrayLike,
    predicted: npt.ArrayLike,
    *,
    nominal_coverage: float,
) -> Figure:
    """Draw the shares of actual values below and above their intervals, against the nominal ones.

    Parameters
    ----------
    actual : array-like of shape (n_customers,)
        What came. Customers of whom any figure is unknown are left out.
    lower, upper : array-like of shape (n_customers,)
        Bounds of the interval, in the unit of `actual`. A value at a bound is inside.
    predicted : array-like of shape (n_customers,)
        What was expected, in the same unit; it parts the customers into thirds.
    nominal_coverage : float
        Share of values meant to be inside, in [0, 1]; half of the rest is meant for each side.

    Returns
    -------
    matplotlib.figure.Figure
        One bar to the left for values below and one to the right for values above, for all
        customers and by third of predicted value. Dashed lines are the nominal shares.

    Raises
    ------
    ValueError
        If `nominal_coverage` is out of range.

    Examples
    --------
    >>> figure = draw_coverage([2, 5, 9], [1, 4, 5], [3, 6, 8], [2, 5, 6], nominal_coverage=0.9)
    >>> figure.get_suptitle()
    '66.7% of values lie inside intervals meant for 90%'
    """
    if not 0 <= nominal_coverage <= 1:
        raise ValueError(
            "The 'nominal_coverage' parameter of draw_coverage must be a float in the range "
            f"[0, 1]. Got {nominal_coverage!r} instead."
        )
    y, low, high, guess = known_rows(actual, lower, upper, predicted)
    meant = style.percent(nominal_coverage)
    figure = style.titled_figure(_finding((low <= y) & (y <= high), meant), size=(7.5, 4))
    axes = figure.subplots()
    style.frame(
        axes,
        f"Values outside their {meant} interval, {style.counted(len(y), 'customer')}",
        x="← below the lower bound      share of customers      above the upper bound →",
        y="",
        grid="x",
    )
    if not len(y):
        style.note(axes, "no customers")
        return figure
    groups = _groups(guess)
    below = [float((y[rows] < low[rows]).mean()) for rows in groups.values()]
    above = [float((y[rows] > high[rows]).mean()) for rows in groups.values()]
    tail = (1 - nominal_coverage) / 2
    for side, shares in ((-1, below), (1, above)):
        _plot_side(axes, shares, side)
        label = f"nominal, {style.percent(tail, 1)} a side" if side > 0 else None
        axes.axvline(side * tail, color=style.INK, linewidth=1, linestyle="--", label=label)
    # Room for what is written at the ends; intervals that always hold have an axis too.
    reach = 1.25 * max(*below, *above, tail, 0.01)
    axes.set(xlim=(-reach, reach), ylim=(len(groups) - 0.4, -0.6))
    names = [f"{name}\n({len(rows):,})" for name, rows in groups.items()]
    axes.set_yticks(range(len(groups)), names)
    axes.tick_params(axis="y", length=0, labelcolor=style.INK)
    axes.axvline(0, color=style.QUIET, linewidth=0.8)
    style.percent_ticks(axes.xaxis, signed=False)
    style.legend(figure, axes)
    return figure


def _plot_side(axes: Axes, shares: Sequence[float], side: int) -> None:
    ends = [side * share for share in shares]
    axes.barh(range(len(ends)), ends, height=0.6, color=style.PREDICTED)
    for row, share in enumerate(shares):
        style.at_end(axes, style.percent(share, 1), x=ends[row], y=row, is_left=side < 0)


def _finding(is_inside: npt.NDArray[np.bool_], meant: str) -> str:
    if not len(is_inside):
        return "No customers whose intervals could be judged"
    share = style.percent(float(is_inside.mean()), 1)
    return f"{share} of values lie inside intervals meant for {meant}"


def _groups(predicted: FloatArray) -> dict[str, npt.NDArray[np.intp]]:
    """Row numbers of all customers and, where there are enough, of each third."""
    everyone = {"all": np.arange(len(predicted))}
    if len(predicted) < _N_GROUPS:
        return everyone
    return everyone | dict(zip(_THIRDS, equal_groups(predicted, _N_GROUPS), strict=True))
