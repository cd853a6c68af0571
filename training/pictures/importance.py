"""Which signals make a forecast what it is."""

from collections.abc import Mapping
from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from training.pictures import style
from training.pictures.bars import N_BARS, draw_bars, largest_first

__all__ = ["draw_importance"]


def draw_importance(
    contributions: Mapping[str, float] | pd.Series, *, currency: str | None = None
) -> Figure:
    """Draw named contributions to a forecast, the largest on top.

    Parameters
    ----------
    contributions : mapping of str to float, or Series
        Money by signal: signed for one customer, absolute for a whole model. At most 20 are
        drawn; those nobody knows are left out.
    currency : str, optional
        Of the money.

    Returns
    -------
    matplotlib.figure.Figure
        One bar a signal, to the left and in another colour where it takes from the forecast.

    Examples
    --------
    >>> contributions = {"frequency": 41.5, "recency": -12.0}
    >>> draw_importance(contributions, currency="EUR").get_suptitle()
    'frequency counts most: +41.5 EUR'
    """
    everything = largest_first(contributions)
    shown = everything.iloc[:N_BARS]
    write = partial(_written, of=shown)
    finding = "No signal counts"
    if shown.any():
        finding = f"{shown.index[0]} counts most: {write(shown.iloc[0])} {currency or ''}".rstrip()
    figure = style.titled_figure(finding, size=(7.5, 1.7 + 0.27 * max(3, len(shown))))
    axes = figure.subplots()
    n_signals = style.counted(len(everything), "signal")
    what = (
        f"The {N_BARS} largest contributions of" if len(everything) > N_BARS else "Contributions of"
    )
    x = style.with_unit("contribution to expected value", currency)
    style.frame(axes, f"{what} {n_signals}", x=x, y="", grid="x")
    if shown.empty:
        style.note(axes, "no signals")
        return figure
    colors = [style.ALARM if value < 0 else style.PREDICTED for value in shown]
    draw_bars(axes, shown, colors=colors, write=write)
    style.number_ticks(axes.xaxis)
    return figure


def _written(value: float, *, of: pd.Series) -> str:
    digits = style.number(value, beside=of.iloc[0])
    is_gain = value > 0 and bool((of < 0).any())
    return f"+{digits}" if is_gain else digits
