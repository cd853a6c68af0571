"""The catalogue of views: what each says, and the meaning and unit of its columns.

Revenue is net of returns throughout. Shares of revenue are taken over what has positive net
revenue, so that they lie between 0 and 1, sum to 1 and never make a cumulative share fall.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["VIEWS", "View", "ViewColumn", "view_names"]

Unit = Literal["name", "year", "month", "count", "units", "money", "share", "rate", "days", "flag"]


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """One column of a view.

    Parameters
    ----------
    name : str
        The column's name.
    unit : str
        What its values are; money is in the company's currency.
    meaning : str
        What it says, in one sentence.
    """

    name: str
    unit: Unit
    meaning: str


@dataclass(frozen=True, slots=True)
class View:
    """One view of the company.

    Parameters
    ----------
    name : str
        The view's name.
    meaning : str
        What it shows.
    grain : str
        What one row is.
    columns : tuple of ViewColumn
        Its columns, in order.
    has_window : bool
        Whether it can be limited to the last days.
    window_days : int, optional
        How many days it is limited to unless told otherwise; None is the whole history.
    file : str, optional
        Its SQL file, where that serves several views: it calls the first column `grouped_by`.
    """

    name: str
    meaning: str
    grain: str
    columns: tuple[ViewColumn, ...]
    has_window: bool = False
    window_days: int | None = None
    file: str | None = None


_REVENUE = ViewColumn("revenue", "money", "Revenue net of returns.")
_SHARE = ViewColumn("revenue_share", "share", "Its part of all positive net revenue.")
_CUMULATIVE = ViewColumn("cumulative_share", "share", "Share of this row and all better ones.")
_CLASS = ViewColumn("abc_class", "name", "A makes up the first 80 % of revenue, B the next 15 %.")
_QUANTITY = ViewColumn("quantity", "units", "Units net of returns; null where none is known.")
_MARGINS = (
    ViewColumn("gross_margin", "money", "Revenue less cost, over the lines whose cost is known."),
    ViewColumn("gross_margin_rate", "rate", "Gross margin as a share of those lines' revenue."),
)
_BUYERS = ViewColumn("n_customers", "count", "Customers with an order line.")
_YEAR = ViewColumn("year", "year", "Calendar year.")
_MONTH = ViewColumn("month", "month", "Calendar month, 1 to 12.")
_CUSTOMER = ViewColumn("customer_id", "name", "Who.")


def _composition(name: str, what: str) -> View:
    return View(
        f"by_{name}",
        f"Who buys: customers, revenue and margin by {what}; without one they are 'unknown'.",
        f"one row a {what}",
        (ViewColumn(name, "name", f"The {what}."), _BUYERS, _REVENUE, _SHARE, *_MARGINS),
        has_window=True,
        file="composition",
    )


def _assortment(name: str, key: str, what: str) -> View:
    return View(
        name,
        f"What is sold: revenue, margin and ABC class by {what}; lines without one are 'unknown'.",
        f"one row a {what}, the best first",
        (
            ViewColumn(key, "name", f"The {what}."),
            _BUYERS, _QUANTITY, _REVENUE, _SHARE, _CUMULATIVE, *_MARGINS, _CLASS,
        ),
        has_window=True,
        file="assortment",
    )  # fmt: skip


def _trade(name: str, period: str, keys: tuple[ViewColumn, ...]) -> View:
    plan = "customers.planned_revenue" + (" / 12" if period == "month" else "")
    return View(
        name,
        f"Each customer's trade by calendar {period} against the plan; the {period} that is "
        "running against the plan of the days gone.",
        f"one row a customer and {period} with trade; of customers with a plan also without",
        (
            _CUSTOMER,
            *keys,
            ViewColumn("n_orders", "count", "Orders with a purchase."),
            _REVENUE,
            ViewColumn("gross_margin", "money", "Revenue less cost; null without a known cost."),
            ViewColumn("planned_revenue", "money", f"Plan of the whole {period}: {plan}."),
            ViewColumn("planned_to_date", "money", f"Plan of the {period}'s days up to as_of."),
            ViewColumn("plan_difference", "money", "Revenue less planned_to_date."),
            ViewColumn("plan_rate", "rate", "Revenue as a share of planned_to_date."),
        ),
    )


_ALL = (
    _composition("kind", "kind of customer"),
    _composition("region", "region"),
    View(
        "abc",
        "Which customers carry the company: sales of the last 365 days cut into A, B and C at 80, "
        "15 and 5 %, by the rule of the tiers.",
        "one row a customer who traded, the best first",
        (_CUSTOMER, _REVENUE, _SHARE, _CUMULATIVE, _CLASS),
        has_window=True,
        window_days=365,
    ),
    View(
        "pareto",
        "The Pareto curve of the last 365 days: which share of the customers brings which share of "
        "the sales.",
        "one row a percent of the customers who traded, the best first; at most 101",
        (
            ViewColumn("n_customers", "count", "So many of the best customers ..."),
            ViewColumn("customer_share", "share", "... which is this share of them ..."),
            ViewColumn("revenue", "money", "... bring this positive net revenue ..."),
            ViewColumn("revenue_share", "share", "... which is this share of it."),
        ),
        has_window=True,
        window_days=365,
    ),
    _trade("yearly_trade", "year", (_YEAR,)),
    _trade("monthly_trade", "month", (_YEAR, _MONTH)),
    _assortment("products", "product_id", "product"),
    _assortment("categories", "category", "category"),
    View(
        "turnover",
        "How the assortment changes: of the products sold in a month, which share is new (first "
        "sold in it) and which was dropped (last sold in it, and not in the last 90 days); units "
        "sold, and days between a product's sales. All products are new in the ledger's first "
        "month.",
        "one row a calendar month",
        (
            _YEAR,
            _MONTH,
            ViewColumn("n_products", "count", "Products sold, returns aside."),
            ViewColumn("n_new", "count", "Of these: first sold in the month."),
            ViewColumn("new_share", "share", "n_new / n_products."),
            ViewColumn("n_dropped", "count", "Of these: last sold in it, 90 or more days ago."),
            ViewColumn("dropped_share", "share", "n_dropped / n_products."),
            ViewColumn("quantity", "units", "Units sold, before returns; null where unknown."),
            ViewColumn("quantity_per_product", "units", "Mean units sold of a product."),
            ViewColumn("gap_mean_days", "days", "Mean days since the product's sale day before."),
        ),
    ),
    View(
        "product_turnover",
        "How fast each product sells: units per month and days between sales.",
        "one row a product ever sold",
        (
            ViewColumn("product_id", "name", "The product."),
            ViewColumn("n_sale_days", "count", "Days on which it was sold."),
            ViewColumn("days_since_first_sale", "days", "Days from its first sale to as_of."),
            ViewColumn("days_since_last_sale", "days", "Days from its last sale to as_of."),
            ViewColumn("gap_mean_days", "days", "Mean days between sales; null if sold once."),
            ViewColumn("quantity", "units", "Units sold, before returns; null where unknown."),
            ViewColumn("quantity_per_month", "units", "Units per month since its first sale."),
            ViewColumn("is_new", "flag", "1 where it was first sold in the last 90 days."),
            ViewColumn("is_dropped", "flag", "1 where it was not sold in the last 90 days."),
        ),
    ),
    View(
        "movements",
        "Who comes and goes. A customer ends on the day the signal lifecycle turns to 'ended': "
        "silent for more than four usual gaps, after one purchase for more than 365 days.",
        "one row a calendar month",
        (
            _YEAR,
            _MONTH,
            ViewColumn("n_active", "count", "Customers with a purchase in the month."),
            ViewColumn("n_started", "count", "Customers whose first purchase is in it."),
            ViewColumn("n_resumed", "count", "Returns of customers who had ended."),
            ViewColumn("n_ended", "count", "Times a customer ended in it."),
            ViewColumn("n_customers", "count", "Customers not ended at its end, or on as_of."),
        ),
    ),
)

VIEWS: Mapping[str, View] = MappingProxyType({view.name: view for view in _ALL})


def view_names() -> tuple[str, ...]:
    """Name all views.

    Returns
    -------
    tuple of str
        In the order of the catalogue.

    Examples
    --------
    >>> view_names()[:3]
    ('by_kind', 'by_region', 'abc')
    """
    return tuple(VIEWS)
