"""The catalogue of signals: family, unit, range and meaning of each, and what its null says."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import Literal

import pandas as pd

__all__ = ["CATALOGUE", "FAMILIES", "Signal", "as_typed"]

Family = Literal["purchase", "margin", "payment", "loyalty"]
Unit = Literal["days", "day number", "money", "rate", "share", "ratio", "count", "flag", "class"]

_NEVER = "never null"
_ONE_DAY = "bought on one day only"
_NO_COST = "no line of the customer has a cost"


@dataclass(frozen=True, slots=True)
class Signal:
    """One derived column.

    Parameters
    ----------
    name : str
        The column's name.
    family : {"purchase", "margin", "payment", "loyalty"}
        The SQL file that defines it.
    unit : str
        What its numbers count; money is in the company's currency.
    low, high : float
        The range its values lie in, inclusive.
    meaning : str
        What it says, in one sentence.
    null_means : str
        What a null says.
    needs : tuple of str
        The columns of the ledger, beyond the required ones, without which it is null.
    values : tuple of str
        Of a class: the words it takes.
    """

    name: str
    family: Family
    unit: Unit
    low: float
    high: float
    meaning: str
    null_means: str = _NEVER
    needs: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


def _windows(template: str) -> list[tuple[str, str]]:
    return [(f"{days}d", template.format(days)) for days in (30, 90, 180, 365)]


def _purchase() -> list[Signal]:
    def signal(
        name: str,
        unit: Unit,
        low: float,
        high: float,
        meaning: str,
        null: str = _NEVER,
        *needs: str,
    ) -> Signal:
        return Signal(name, "purchase", unit, low, high, meaning, null, needs)

    return [
        signal("frequency", "count", 0, inf, "Repeat purchase days; the first does not count (x)."),
        signal("recency", "days", 0, inf, "Days from the first to the last purchase (t_x)."),
        signal("T", "days", 0, inf, "Days from the first purchase to as_of."),
        signal("monetary_value", "money", 0, inf, "Mean revenue per repeat day.", _ONE_DAY),
        signal("days_since_last_purchase", "days", 0, inf, "Days of silence: T - recency."),
        signal("first_purchase_day", "day number", -inf, inf, "Day of the first purchase."),
        signal("last_purchase_day", "day number", -inf, inf, "Day of the last purchase."),
        signal("n_purchase_days", "count", 1, inf, "Days with a purchase, the first included."),
        signal("mean_purchase_revenue", "money", 0, inf, "Mean revenue per purchase day."),
        signal("purchase_revenue", "money", 0, inf, "Revenue of all purchases, before returns."),
        signal("first_purchase_revenue", "money", 0, inf, "Revenue of the first purchase day."),
        signal("last_purchase_revenue", "money", 0, inf, "Revenue of the last purchase day."),
        signal("largest_purchase_revenue", "money", 0, inf, "Revenue of the best purchase day."),
        signal("revenue", "money", -inf, inf, "Revenue net of returns, all time."),
        *(
            signal(f"revenue_{window}", "money", -inf, inf, meaning)
            for window, meaning in _windows("Revenue net of returns in the last {} days.")
        ),
        signal("revenue_previous_365d", "money", -inf, inf, "Net revenue of the year before."),
        *(
            signal(f"purchase_days_{window}", "count", 0, inf, meaning)
            for window, meaning in _windows("Days with a purchase in the last {} days.")
        ),
        signal(
            "revenue_growth_rate", "rate", -inf, inf,
            "Growth of the last 365 days' net revenue over the 365 before.",
            "fewer than two years of history, or no positive net revenue in the year before",
        ),
        signal(
            "is_growing_two_years", "flag", 0, 1,
            "1 where net revenue grew in each of the last two years.",
            "fewer than three years of history, or no net revenue three years ago",
        ),
        signal("gap_mean_days", "days", 1, inf, "Mean days between purchases.", _ONE_DAY),
        signal(
            "gap_spread_days", "days", 0, inf,
            "Standard deviation of the days between purchases.", _ONE_DAY,
        ),
        signal("gap_longest_days", "days", 1, inf, "Longest time between purchases.", _ONE_DAY),
        signal(
            "silence_ratio", "ratio", 0, inf,
            "Days since the last purchase, in usual gaps; above 1 the customer is late.", _ONE_DAY,
        ),
        signal("n_orders", "count", 1, inf, "Orders with a purchase."),
        signal("basket_lines", "count", 1, inf, "Mean lines per order."),
        signal("basket_revenue", "money", 0, inf, "Mean revenue per order."),
        signal(
            "basket_quantity", "count", 0, inf, "Mean units per order.",
            "no line of the customer has a quantity", "quantity",
        ),
        signal(
            "n_products", "count", 1, inf, "Different products bought.",
            "no line of the customer names a product", "product_id",
        ),
        signal(
            "n_categories", "count", 1, inf, "Different categories bought from.",
            "no line of the customer names a category", "category",
        ),
        Signal(
            "lifecycle", "purchase", "class", 0, 0,
            "Stage by the customer's own rhythm: active within one usual gap of silence, slowing "
            "within two, silent within four, then ended; one-time buyers are new for 90 days, "
            "silent for 365, then ended.",
            values=("new", "active", "slowing", "silent", "ended"),
        ),
    ]  # fmt: skip


def _margin() -> list[Signal]:
    def signal(
        name: str, unit: Unit, low: float, high: float, meaning: str, null: str, *needs: str
    ) -> Signal:
        return Signal(name, "margin", unit, low, high, meaning, null, needs)

    no_net = "no line has a cost, or their net revenue is not positive"
    return [
        signal(
            "gross_margin", "money", -inf, inf,
            "Revenue less cost of goods, over the lines whose cost is known.", _NO_COST, "cost",
        ),
        *(
            signal(
                f"gross_margin_{window}", "money", -inf, inf, meaning,
                "lines were traded in the window, but none with a cost; or none ever had one",
                "cost",
            )
            for window, meaning in _windows("Gross margin of the last {} days.")
        ),
        signal(
            "gross_margin_rate", "rate", -inf, inf,
            "Gross margin as a share of its revenue; negative when sold at a loss.", no_net, "cost",
        ),
        *(
            signal(f"gross_margin_rate_{window}", "rate", -inf, inf, meaning, no_net, "cost")
            for window, meaning in _windows("Gross margin rate of the last {} days.")
        ),
        signal(
            "cost_known_share", "share", 0, 1, "Share of turnover whose cost is known.",
            "no line has a cost, or no money moved", "cost",
        ),
        signal(
            "loss_share", "share", 0, 1, "Share of the sales with a known cost that were below it.",
            "no line has a cost, or nothing was sold", "cost",
        ),
        signal(
            "discount_rate", "rate", 0, 1, "Discount as a share of the price before it.",
            "no line has a discount, or nothing was sold", "discount",
        ),
        signal(
            "return_rate", "rate", 0, inf, "Money returned as a share of money sold.",
            "nothing was sold",
        ),
        signal(
            "cost_to_serve", "money", -inf, inf, "Cost of all contacts.",
            "no contact of the customer has a cost", "interactions.cost",
        ),
        signal(
            "cost_to_serve_365d", "money", -inf, inf, "Cost of the last 365 days' contacts.",
            "no contact of the customer has a cost", "interactions.cost",
        ),
        signal(
            "contribution", "money", -inf, inf, "Gross margin less cost to serve.",
            _NO_COST, "cost",
        ),
        signal(
            "contribution_365d", "money", -inf, inf,
            "Gross margin less cost to serve in the last 365 days.",
            "as for gross_margin_365d", "cost",
        ),
    ]  # fmt: skip


CATALOGUE: Mapping[str, Signal] = MappingProxyType(
    {signal.name: signal for signal in (*_purchase(), *_margin())}
)
# In the order in which the pipeline joins them; the first decides who is a customer.
FAMILIES: tuple[Family, ...] = ("purchase", "margin")


def as_typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the rows of any engine the same types: classes are texts, all else is float64.

    Parameters
    ----------
    rows : DataFrame
        The columns customer_id and all signals, as an engine returned them.

    Returns
    -------
    DataFrame of shape (n_customers, n_signals), indexed by customer_id
        Nulls are NaN.
    """
    dtypes = {
        name: "str" if signal.unit == "class" else "float64" for name, signal in CATALOGUE.items()
    }
    return rows.set_index("customer_id").astype(dtypes)
