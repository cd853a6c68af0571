"""Hold a forecast against what happened: every figure of value, purchases and churn at once."""

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from models.metrics import churn_metrics, pinball_loss, purchase_metrics, value_metrics, wape

__all__ = ["measure"]

_BOUNDS: Mapping[str, float] = MappingProxyType({"lower": 0.1, "median": 0.5, "upper": 0.9})


def measure(forecast: pd.DataFrame, outcomes: pd.DataFrame) -> dict[str, float]:
    """Hold a forecast against what happened.

    Parameters
    ----------
    forecast : DataFrame of shape (n_customers, n_columns)
        With expected_purchases, churn_probability and expected_value; where there are
        value_median, value_lower and value_upper, they are judged too, and absolute errors of
        value on the median.
    outcomes : DataFrame of shape (n_customers, 2)
        Purchases and value of the same customers.

    Returns
    -------
    dict of str to float
        Figures of value, purchases and churn.
    """
    purchases, value = outcomes["purchases"].to_numpy(), outcomes["value"].to_numpy()
    figures = {
        **value_metrics(value, forecast["expected_value"].to_numpy()),
        **purchase_metrics(purchases, forecast["expected_purchases"].to_numpy()),
        **churn_metrics(purchases == 0, forecast["churn_probability"].to_numpy()),
    }
    if "value_median" in forecast:
        figures["value_wape"] = wape(value, forecast["value_median"].to_numpy())
    for name, quantile in _BOUNDS.items():
        if f"value_{name}" in forecast:
            loss = pinball_loss(value, forecast[f"value_{name}"].to_numpy(), quantile)
            figures[f"value_pinball_{name}"] = loss
    return figures
