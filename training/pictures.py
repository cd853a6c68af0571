"""Pictures of a forecast held against what came: one look instead of ten figures."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

__all__ = ["draw_calibration", "draw_gain_curve"]

_N_GROUPS = 10


def draw_calibration(forecast: pd.DataFrame, outcomes: pd.DataFrame, *, currency: str) -> Figure:
    """Draw predicted and actual value by tenth of customers.

    Parameters
    ----------
    forecast : DataFrame of shape (n_customers, n_columns)
        With expected_value.
    outcomes : DataFrame of shape (n_customers, 2)
        With value, of the same customers.
    currency : str
        Of the money.

    Returns
    -------
    matplotlib.figure.Figure
        Ten pairs of bars, the lowest predictions first.
    """
    order = np.argsort(forecast["expected_value"].to_numpy(), kind="stable")
    groups = np.array_split(order, min(_N_GROUPS, len(order)))
    predicted = [forecast["expected_value"].to_numpy()[group].mean() for group in groups]
    actual = [outcomes["value"].to_numpy()[group].mean() for group in groups]
    place = np.arange(1, len(groups) + 1)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.bar(place - 0.2, predicted, width=0.4, label="predicted")
    axes.bar(place + 0.2, actual, width=0.4, label="actual")
    axes.set(
        title="Calibration by tenth of customers",
        xlabel="tenth by predicted value, lowest first",
        ylabel=f"mean value, {currency}",
        xticks=place,
    )
    axes.legend()
    return figure


def draw_gain_curve(forecasts: dict[str, pd.DataFrame], outcomes: pd.DataFrame) -> Figure:
    """Draw which share of actual value the best customers by each forecast brought.

    Parameters
    ----------
    forecasts : dict of str to DataFrame
        With expected_value, by candidate.
    outcomes : DataFrame of shape (n_customers, 2)
        With value, of the same customers.

    Returns
    -------
    matplotlib.figure.Figure
        One curve a candidate, between the perfect order and chance.
    """
    actual = outcomes["value"].to_numpy()
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot(*_gain(actual, actual), color="black", linewidth=0.8, label="perfect order")
    for name, forecast in forecasts.items():
        axes.plot(*_gain(actual, forecast["expected_value"].to_numpy()), label=name)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance")
    axes.set(
        title="Gain",
        xlabel="share of customers, best first",
        ylabel="share of actual value",
    )
    axes.legend(loc="lower right")
    return figure


def _gain(actual: np.ndarray, by: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = actual.sum() or 1.0
    gained = np.cumsum(actual[np.argsort(-by, kind="stable")]) / total
    share = np.arange(1, len(actual) + 1) / len(actual)
    return np.append(0.0, share), np.append(0.0, gained)
