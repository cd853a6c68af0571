"""Which signals have come to look unlike those the model was trained on."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from training.pictures import style
from training.pictures.bars import N_BARS, draw_bars, largest_first

__all__ = ["draw_drift"]

# The usual marks of the population stability index (Siddiqi 2006, Credit Risk Scorecards).
_SOME, _MUCH = 0.1, 0.25


def draw_drift(psi: Mapping[str, float] | pd.Series) -> Figure:
    """Draw the population stability index of each signal, the largest on top.

    Parameters
    ----------
    psi : mapping of str to float, or Series
        The index by signal, in [0, inf]. At most 20 are drawn; those nobody knows are left out.

    Returns
    -------
    matplotlib.figure.Figure
        One bar a signal, coloured by the usual marks: some drift from 0.1, much from 0.25.

    Examples
    --------
    >>> draw_drift({"frequency": 0.02, "dso_days": 0.31}).get_suptitle()
    '1 of 2 signals has drifted much, most of all dso_days (PSI 0.31)'
    """
    everything = largest_first(psi)
    shown = everything.iloc[:N_BARS]
    figure = style.titled_figure(_finding(everything), size=(7.5, 1.7 + 0.27 * max(3, len(shown))))
    axes = figure.subplots()
    n_signals = style.counted(len(everything), "signal")
    style.frame(
        axes,
        f"The {N_BARS} most changed of {n_signals}" if len(everything) > N_BARS else n_signals,
        x="population stability index (PSI) against the training data",
        y="",
        grid="none",
    )
    if shown.empty:
        style.note(axes, "no signals")
        return figure
    draw_bars(
        axes, shown, colors=[_color(value) for value in shown], write=_written, reach=1.2 * _MUCH
    )
    axes.set_xlim(right=max(axes.get_xlim()[1], 1.2 * _MUCH))
    for mark, color, label in (
        (_SOME, style.CAUTION, f"some drift, from {_SOME}"),
        (_MUCH, style.ALARM, f"much drift, from {_MUCH}"),
    ):
        axes.axvline(mark, color=color, linewidth=1.2, linestyle="--", label=label, zorder=0.5)
    style.number_ticks(axes.xaxis)
    style.legend(figure, axes)
    return figure


def _finding(psi: pd.Series) -> str:
    if psi.empty:
        return "No signals whose drift could be measured"
    most = f"{psi.index[0]} (PSI {_written(psi.iloc[0])})"
    n_signals = style.counted(len(psi), "signal")
    for mark, much in ((_MUCH, " much"), (_SOME, " somewhat")):
        n_drifted = int((psi >= mark).sum())
        if n_drifted:
            have = "has" if n_drifted == 1 else "have"
            return f"{n_drifted:,} of {n_signals} {have} drifted{much}, most of all {most}"
    return f"No signal has drifted, not even {most}"


def _written(psi: float) -> str:
    return f"{psi:.2f}".replace("inf", "∞")


def _color(psi: float) -> str:
    if psi >= _MUCH:
        return style.ALARM
    return style.CAUTION if psi >= _SOME else style.PREDICTED
