"""Which share of actual value the customers with the best forecasts brought."""

import math
from collections.abc import Mapping
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from models.base import FloatArray
from models.metrics import normalised_gini
from training.pictures import style

__all__ = ["draw_gain_curve"]

# The best fifth: the one of Pareto's rule.
_BEST_SHARE = 0.2

_Curve = tuple[FloatArray, FloatArray]


def draw_gain_curve(forecasts: Mapping[str, pd.DataFrame], outcomes: pd.DataFrame) -> Figure:
    """Draw which share of actual value the best customers by each forecast brought.

    Parameters
    ----------
    forecasts : mapping of str to DataFrame
        With expected_value (money), by candidate. Customers without one come last.
    outcomes : DataFrame of shape (n_customers, n_columns)
        With value (money), of the same customers. Those without one are left out.

    Returns
    -------
    matplotlib.figure.Figure
        One curve a candidate, between the perfect order and chance, from 0 to 1 both ways.

    Examples
    --------
    >>> outcomes = pd.DataFrame({"value": [70.0, 30.0, 0.0, 0.0, 0.0]})
    >>> forecast = pd.DataFrame({"expected_value": [50.0, 9.0, 3.0, 2.0, 1.0]})
    >>> draw_gain_curve({"latent": forecast}, outcomes).get_suptitle()
    'The best 20% of customers by latent brought 70% of value'
    """
    value = outcomes["value"].to_numpy(dtype=float, na_value=np.nan)
    is_known = np.isfinite(value)
    actual = value[is_known]
    by = {name: _order_of(forecast)[is_known] for name, forecast in forecasts.items()}
    # Without value there are no shares of it.
    curves = {name: _gain(actual, order) for name, order in by.items()} if actual.sum() > 0 else {}
    figure = style.titled_figure(_finding(curves), size=(6.5, 5.4))
    axes = figure.subplots()
    style.frame(
        axes,
        f"Gain over {style.counted(len(actual), 'customer')}",
        x="share of customers, best forecast first",
        y="share of actual value they brought",
        grid="both",
    )
    if not curves:
        style.note(axes, "nothing to share out")
        return figure
    perfect = _gain(actual, actual)
    axes.plot(*perfect, color=style.INK, linewidth=1, linestyle="--", label="perfect order")
    for (name, curve), color in zip(curves.items(), cycle(style.CANDIDATES), strict=False):
        label = style.literal(f"{name}{_gini(actual, by[name])}")
        axes.plot(*curve, color=color, linewidth=1.8, label=label)
    axes.plot([0, 1], [0, 1], color=style.QUIET, linewidth=1, linestyle=":", label="chance")
    axes.axvline(_BEST_SHARE, color=style.QUIET, linewidth=0.8)
    # Customers who bring back more than they buy, ranked first, take a curve below 0.
    lowest = min(gained.min() for _, gained in curves.values())
    axes.set(xlim=(0, 1), ylim=(lowest, None))
    style.percent_ticks(axes.xaxis)
    style.percent_ticks(axes.yaxis)
    style.legend(figure, axes)
    return figure


def _order_of(forecast: pd.DataFrame) -> FloatArray:
    expected = forecast["expected_value"].to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isnan(expected), -np.inf, expected)


def _finding(curves: Mapping[str, _Curve]) -> str:
    if not curves:
        return "No value came, or none was forecast: there is no gain to show"
    brought = {name: float(np.interp(_BEST_SHARE, *curve)) for name, curve in curves.items()}
    best = max(brought, key=lambda name: brought[name])
    return (
        f"The best {style.percent(_BEST_SHARE)} of customers by {best} brought "
        f"{style.percent(brought[best])} of value"
    )


def _gini(actual: FloatArray, by: FloatArray) -> str:
    gini = normalised_gini(actual, by)
    return "" if math.isnan(gini) else f" (Gini {gini:.2f})"


def _gain(actual: FloatArray, by: FloatArray) -> _Curve:
    # As in the Gini: chance, not the order of the table, decides between equal forecasts.
    shuffled = np.random.default_rng(0).permutation(len(actual))
    order = shuffled[np.argsort(-by[shuffled], kind="stable")]
    gained = np.cumsum(actual[order]) / actual.sum()
    share = np.arange(1, len(actual) + 1) / len(actual)
    return np.append(0.0, share), np.append(0.0, gained)
