"""Named figures as bars side by side."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from training.pictures import style

__all__ = ["N_BARS", "draw_bars", "largest_first"]

# More names than this are not read.
N_BARS = 20
# Places for bars, so that a single one is no wall.
_N_PLACES = 3
# What is written at a bar's end takes this share of the width.
_MARGIN = 0.14


def largest_first(named: Mapping[str, float] | pd.Series) -> pd.Series:
    """Put named figures in order of their size, and leave out those that nobody knows.

    Parameters
    ----------
    named : mapping of str to float, or Series
        Figures by name.

    Returns
    -------
    Series of shape (n_known,), indexed by name
        The largest in absolute terms first.

    Examples
    --------
    >>> list(largest_first({"a": 1.0, "b": -3.0, "c": float("nan")}).index)
    ['b', 'a']
    """
    figures = pd.Series(named, dtype=float).rename(index=str)
    return figures.dropna().sort_values(key=np.abs, ascending=False, kind="stable")


def draw_bars(
    axes: Axes,
    figures: pd.Series,
    *,
    colors: Sequence[str],
    write: Callable[[float], str],
    reach: float = 0.0,
) -> None:
    """Draw named figures as horizontal bars, the first on top, each with its number.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw them.
    figures : Series of shape (n_bars,), indexed by name
        The figures, one or more.
    colors : sequence of str
        Of each bar.
    write : callable
        Writes a figure for people.
    reach : float
        How far infinite figures go, unless the largest of the others goes further.
    """
    known = figures[np.isfinite(figures)].abs().to_numpy()
    reach = float(known.max(initial=reach)) or 1.0
    lengths = figures.clip(-reach, reach).to_numpy()
    place = np.arange(len(figures))
    axes.barh(place, lengths, height=0.7, color=list(colors))
    for row, (length, figure) in enumerate(zip(lengths, figures, strict=True)):
        style.at_end(axes, write(figure), x=length, y=row, is_left=length < 0)
    room = _MARGIN * (max(0.0, lengths.max()) - min(0.0, lengths.min()) or 1.0)
    left = lengths.min() - room if lengths.min() < 0 else 0.0
    axes.set(
        xlim=(left, max(0.0, lengths.max()) + room), ylim=(max(_N_PLACES, len(figures)) - 0.4, -0.6)
    )
    axes.set_yticks(place, [style.literal(name) for name in figures.index])
    axes.tick_params(axis="y", length=0, labelcolor=style.INK)
    axes.axvline(0, color=style.QUIET, linewidth=0.8)
