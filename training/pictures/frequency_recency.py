"""What an attrition model makes of how often and how lately a customer bought."""

import math
from typing import Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from models.base import FloatArray
from training.pictures import style

__all__ = ["draw_frequency_recency"]

# Finer than this, cells are smaller than what the eye can tell apart.
_N_RECENCIES, _N_FREQUENCIES = 60, 40
# Even steps of lightness, made for the colour-blind too.
_COLOURS = "cividis"


class _AttritionModel(Protocol):
    def p_alive(self, X: pd.DataFrame) -> FloatArray: ...

    def expected_purchases(self, X: pd.DataFrame, horizon_days: float) -> FloatArray: ...


def draw_frequency_recency(
    model: _AttritionModel, *, T: float, horizon_days: float, max_frequency: int
) -> Figure:
    """Draw p_alive and expected purchases over frequency and recency.

    Parameters
    ----------
    model : object with p_alive(X) and expected_purchases(X, horizon_days)
        A fitted attrition model.
    T : float
        Days from the first purchase of the customers shown to as_of, in [0, inf).
    horizon_days : float
        Days to look ahead, in [0, inf).
    max_frequency : int
        The largest frequency shown, in repeat purchase days, in [0, inf).

    Returns
    -------
    matplotlib.figure.Figure
        Two heat maps. Customers that cannot be are left white: each repeat purchase takes another
        day. The row of frequency 0 has one value, that of recency 0, all along.

    Examples
    --------
    >>> from models.attrition import BetaGeoModel
    >>> customers = pd.DataFrame({"frequency": [0, 2], "recency": [0, 30], "T": [90, 40]})
    >>> model = BetaGeoModel().fit(customers)
    >>> draw_frequency_recency(model, T=90, horizon_days=30, max_frequency=5).get_suptitle()
    'The model takes nobody for gone: the lowest p_alive is 100%'
    """
    recency = _whole_steps(T, _N_RECENCIES)
    frequency = _whole_steps(min(max_frequency, T), _N_FREQUENCIES)
    x, t_x = np.meshgrid(frequency, recency, indexing="ij")  # (n_frequencies, n_recencies)
    can_be = t_x >= x
    customers = pd.DataFrame({"frequency": x[can_be], "recency": t_x[can_be], "T": float(T)})
    # Who bought once can have no other; painted along the row, so that it is seen.
    customers.loc[customers["frequency"] == 0, "recency"] = 0.0
    p_alive, purchases = np.full((2, *x.shape), np.nan)
    p_alive[can_be] = model.p_alive(customers)
    purchases[can_be] = model.expected_purchases(customers, horizon_days)

    figure = style.titled_figure(_finding(p_alive, frequency, T - recency), size=(10, 4.6))
    left, right = figure.subplots(1, 2, sharey=True)
    style.percent_ticks(_map(left, recency, frequency, p_alive, top=1.0))
    top = float(purchases[np.isfinite(purchases)].max(initial=0.0))
    style.number_ticks(_map(right, recency, frequency, purchases, top=top or 1.0))
    along = "recency (days from first to last purchase; 0 at frequency 0)"
    style.frame(
        left,
        f"p_alive of customers won {_days(T)} ago",
        x=along,
        y="frequency (repeat purchase days)",
        grid="none",
    )
    what = f"Their expected purchases in the next {_days(horizon_days)}"
    style.frame(right, what, x=along, y="", grid="none")
    return figure


def _days(n_days: float) -> str:
    return f"{style.number(n_days)} day{'' if n_days == 1 else 's'}"


def _whole_steps(end: float, n_steps: int) -> FloatArray:
    """Whole numbers from 0 to the end, evenly apart where there are more than steps."""
    return np.unique(np.floor(np.linspace(0, end, min(int(end), n_steps) + 1)))


def _map(axes: Axes, x: FloatArray, y: FloatArray, values: FloatArray, *, top: float) -> Axis:
    cells = np.ma.masked_invalid(values)
    mesh = axes.pcolormesh(_edges(x), _edges(y), cells, vmin=0, vmax=top, cmap=_COLOURS)
    bar = axes.figure.colorbar(mesh, ax=axes)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=style.QUIET, labelsize=style.TICK_SIZE, length=3)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return bar.ax.yaxis


def _edges(centres: FloatArray) -> FloatArray:
    steps = np.diff(centres) if len(centres) > 1 else np.ones(1)
    first, last = centres[0] - steps[0] / 2, centres[-1] + steps[-1] / 2
    return np.concatenate([[first], centres[:-1] + np.diff(centres) / 2, [last]])


def _finding(p_alive: FloatArray, frequency: FloatArray, silence_days: FloatArray) -> str:
    known = p_alive[np.isfinite(p_alive)]
    if not len(known):
        return "The model gives no p_alive"
    is_gone = p_alive[-1] < 0.5  # of those who bought most; null is not below
    if frequency[-1] > 0 and is_gone.any():
        silence = style.counted(math.ceil(silence_days[is_gone].min()), "day")
        often = style.counted(int(frequency[-1]), "repeat purchase")
        return f"After {often}, {silence} of silence make a customer more likely gone than not"
    if known.min() >= 0.5:
        return (
            f"The model takes nobody for gone: the lowest p_alive is {style.percent(known.min())}"
        )
    return f"The lowest p_alive is {style.percent(known.min())}"
