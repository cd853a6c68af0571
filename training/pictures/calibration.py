"""Whether customers of whom much is expected bring as much."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from models.base import FloatArray
from models.metrics import bias, decile_mape
from training.pictures import style
from training.pictures.samples import equal_groups, known_rows

__all__ = ["draw_calibration"]

_N_GROUPS = 10
_BAR_WIDTH = 0.38


def draw_calibration(forecast: pd.DataFrame, outcomes: pd.DataFrame, *, currency: str) -> Figure:
    """Draw predicted and actual value by tenth of customers.

    Parameters
    ----------
    forecast : DataFrame of shape (n_customers, n_columns)
        With expected_value (money).
    outcomes : DataFrame of shape (n_customers, n_columns)
        With value (money), of the same customers. Those without either are left out.
    currency : str
        Of the money.

    Returns
    -------
    matplotlib.figure.Figure
        Ten pairs of bars, the lowest predictions first; one a customer where there are fewer.

    Examples
    --------
    >>> outcomes = pd.DataFrame({"value": [8.0, 12.0]})
    >>> forecast = pd.DataFrame({"expected_value": [9.0, 13.0]})
    >>> draw_calibration(forecast, outcomes, currency="EUR").get_suptitle()
    'The forecast is 10% too high in total'
    """
    predicted, actual = known_rows(
        forecast["expected_value"].to_numpy(dtype=float, na_value=np.nan),
        outcomes["value"].to_numpy(dtype=float, na_value=np.nan),
    )
    groups = equal_groups(predicted, _N_GROUPS)
    figure = style.titled_figure(_finding(actual, predicted), size=(7.5, 4.4))
    axes = figure.subplots()
    parts = "tenths" if len(groups) == _N_GROUPS else style.counted(len(groups), "group")
    style.frame(
        axes,
        f"{style.counted(len(actual), 'customer')} in {parts} by predicted value",
        x="lowest predictions first",
        y=style.with_unit("mean value per customer", currency),
        grid="y",
    )
    if not groups:
        style.note(axes, "no customers")
        return figure
    place = np.arange(1, len(groups) + 1)
    for side, values, color, label in (
        (-0.5, predicted, style.PREDICTED, "predicted"),
        (0.5, actual, style.ACTUAL, "actual"),
    ):
        means = [values[rows].mean() for rows in groups]
        axes.bar(place + side * _BAR_WIDTH, means, width=_BAR_WIDTH, color=color, label=label)
    axes.axhline(0, color=style.QUIET, linewidth=0.8)
    axes.set(xticks=place, xlim=(0.4, _N_GROUPS + 0.6))
    style.number_ticks(axes.yaxis)
    style.legend(figure, axes)
    return figure


def _finding(actual: FloatArray, predicted: FloatArray) -> str:
    total, by_tenth = bias(actual, predicted), decile_mape(actual, predicted)
    if math.isnan(total):
        return "No value came to hold the forecast against"
    finding = "The forecast is right in total"
    if style.percent(abs(total)) != "0%":
        finding = f"The forecast is {style.percent(abs(total))} too {_side(total)} in total"
    if math.isnan(by_tenth):
        return finding
    return f"{finding}, and {style.percent(by_tenth)} off in the average tenth"


def _side(error: float) -> str:
    return "high" if error > 0 else "low"
