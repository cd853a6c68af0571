"""How well a model tracks the purchases of a company, week by week and in all."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from models.base import FloatArray
from models.metrics import bias
from training.pictures import style
from training.pictures.samples import known_rows

__all__ = ["draw_tracking"]

_WEEK = np.timedelta64(7, "D")

_Days = npt.NDArray[np.datetime64]


def draw_tracking(
    days: npt.ArrayLike, actual: npt.ArrayLike, expected: npt.ArrayLike, *, split_day: int
) -> Figure:
    """Draw actual and expected purchases, in all and by the week: the tracking plot of [1]_.

    Parameters
    ----------
    days : array-like of int, shape (n_weeks,)
        Last day of each week, in days since 1970-01-01, in any order.
    actual : array-like of shape (n_weeks,)
        Purchases in the week; NaN where it is not over.
    expected : array-like of shape (n_weeks,)
        Purchases expected in the week.
    split_day : int
        The last day the model learned from, in days since 1970-01-01.

    Returns
    -------
    matplotlib.figure.Figure
        Above, purchases since the first week; below, purchases a week. A line stands at
        `split_day`.

    References
    ----------
    .. [1] Fader, P. S., Hardie, B. G. S. and Lee, K. L. (2005), "Counting Your Customers the Easy
       Way: An Alternative to the Pareto/NBD Model", Marketing Science 24 (2), 275-284.

    Examples
    --------
    >>> figure = draw_tracking([7, 14, 21], [9, 5, 4], [8, 6, 5], split_day=7)
    >>> figure.get_suptitle()
    'In the 2 weeks after 1970-01-08, the forecast was 22% too high'
    """
    order = np.argsort(np.asarray(days, dtype=np.int64), kind="stable")
    last_days = np.asarray(days, dtype=np.int64)[order].astype("datetime64[D]")
    came, guess = (np.asarray(values, dtype=float)[order] for values in (actual, expected))
    split = np.datetime64(split_day, "D")
    is_later = last_days > split
    figure = style.titled_figure(_finding(came[is_later], guess[is_later], split), size=(7.5, 6))
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, what, x, sums in (
        (upper, "Since the first week", "", _sum_so_far),
        (lower, "By the week", "last day of the week", np.asarray),
    ):
        style.frame(axes, what, x=x, y="purchases", grid="y")
        _plot(axes, last_days, expected=sums(guess), actual=sums(came), split=split)
        axes.set_ylim(0, max(1.0, axes.get_ylim()[1]))
        style.number_ticks(axes.yaxis)
    shown = np.append(last_days, split)
    upper.set_xlim(shown.min() - _WEEK, shown.max() + _WEEK)
    # matplotlib.dates is not typed.
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    lower.xaxis.set_major_locator(locator)
    lower.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    style.legend(figure, lower)
    return figure


def _plot(
    axes: Axes, days: _Days, *, expected: FloatArray, actual: FloatArray, split: np.datetime64
) -> None:
    # A line of one week has no length.
    marker = "o" if len(days) < 3 else ""
    axes.plot(days, actual, color=style.ACTUAL, linewidth=1.2, marker=marker, label="actual")
    axes.plot(days, expected, color=style.PREDICTED, linewidth=2, marker=marker, label="expected")
    # matplotlib takes days, and is typed for floats alone.
    at: Any = split
    axes.axvline(at, color=style.INK, linewidth=1, linestyle=":", label="last day learned from")


def _sum_so_far(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), np.nancumsum(values), np.nan)


def _finding(actual: FloatArray, expected: FloatArray, split: np.datetime64) -> str:
    came, guess = known_rows(actual, expected)
    if not len(came):
        return f"No week after {split} is over yet"
    when = f"In the {len(came):,} weeks after {split}" if len(came) > 1 else f"After {split}"
    error = bias(came, guess)
    if math.isnan(error):
        return f"{when}, nothing was bought"
    if style.percent(abs(error)) == "0%":
        return f"{when}, the forecast was right in total"
    side = "high" if error > 0 else "low"
    return f"{when}, the forecast was {style.percent(abs(error))} too {side}"
