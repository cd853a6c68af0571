"""The signals of purchase.sql: what, when and how much a customer buys."""

from math import inf

from features.signals.signal import WINDOWS, Signal

__all__ = ["PURCHASE"]

_ONE_DAY = "bought on one day only"
_NO_CATEGORY = "no line of the customer names a category"
_NO_PRODUCT = "no line of the customer names a product"
_FREE = ", or all of them were free"

_RHYTHM = (
    Signal(
        "frequency", "count", "Repeat purchases", "复购次数",
        "Repeat purchase days; the first does not count (x).",
    ),
    Signal(
        "recency", "days", "First to last purchase", "首末次购买间隔",
        "Days from the first to the last purchase (t_x).",
    ),
    Signal("T", "days", "Age", "客户龄", "Days from the first purchase to as_of."),
    Signal(
        "monetary_value", "money", "Mean repeat purchase", "平均复购金额",
        "Mean revenue per repeat purchase day.", _ONE_DAY,
    ),
    Signal(
        "days_since_last_purchase", "days", "Days of silence", "距上次购买天数",
        "Days since the last purchase: T - recency.",
    ),
    Signal(
        "first_purchase_day", "day number", "First purchase", "首次购买日",
        "Day of the first purchase.", low=-inf,
    ),
    Signal(
        "last_purchase_day", "day number", "Last purchase", "最近购买日",
        "Day of the last purchase.", low=-inf,
    ),
    Signal(
        "n_purchase_days", "count", "Purchase days", "购买天数",
        "Days with a purchase, the first included.", low=1,
    ),
    Signal(
        "mean_purchase_revenue", "money", "Mean purchase", "平均购买金额",
        "Mean revenue per purchase day.",
    ),
    Signal(
        "purchase_revenue", "money", "Gross sales", "购买总额",
        "Revenue of all purchases, before returns.",
    ),
    Signal(
        "first_purchase_revenue", "money", "First purchase amount", "首次购买金额",
        "Revenue of the first purchase day.",
    ),
    Signal(
        "last_purchase_revenue", "money", "Last purchase amount", "最近购买金额",
        "Revenue of the last purchase day.",
    ),
    Signal(
        "largest_purchase_revenue", "money", "Largest purchase", "最大购买金额",
        "Revenue of the best purchase day.",
    ),
)  # fmt: skip

_MONEY = (
    Signal(
        "revenue", "money", "Net sales", "净销售额", "Revenue net of returns, all time.", low=-inf
    ),
    *(
        Signal(
            f"revenue_{days}d", "money", f"Net sales, {days} days", f"近{days}天净销售额",
            f"Revenue net of returns in the last {days} days.", low=-inf,
        )
        for days in WINDOWS
    ),
    Signal(
        "revenue_previous_365d", "money", "Net sales, year before", "上一年净销售额",
        "Revenue net of returns in the 365 days before the last 365.", low=-inf,
    ),
    *(
        Signal(
            f"purchase_days_{days}d", "count", f"Purchase days, {days} days",
            f"近{days}天购买天数", f"Days with a purchase in the last {days} days.",
        )
        for days in WINDOWS
    ),
    Signal(
        "revenue_growth_rate", "rate", "Growth year on year", "同比增长率",
        "Growth of the last 365 days' net revenue over the 365 before.",
        "fewer than two years of history, or no positive net revenue in the year before", low=-inf,
    ),
    Signal(
        "is_growing_two_years", "flag", "Growing two years running", "连续两年增长",
        "1 where net revenue grew in each of the last two years.",
        "fewer than three years of history, or no net revenue three years ago", high=1,
    ),
)  # fmt: skip

_GAPS = (
    Signal(
        "gap_mean_days", "days", "Usual gap", "平均购买间隔", "Mean days between purchases.",
        _ONE_DAY, low=1,
    ),
    Signal(
        "gap_spread_days", "days", "Spread of gaps", "购买间隔标准差",
        "Standard deviation of the days between purchases.", _ONE_DAY,
    ),
    Signal(
        "gap_longest_days", "days", "Longest gap", "最长购买间隔",
        "Longest time between purchases.", _ONE_DAY, low=1,
    ),
    Signal(
        "silence_ratio", "ratio", "Silence against usual gap", "沉默比",
        "Days since the last purchase, in usual gaps; above 1 the customer is late.", _ONE_DAY,
    ),
)  # fmt: skip

_BASKETS = (
    Signal("n_orders", "count", "Orders", "订单数", "Orders with a purchase.", low=1),
    Signal(
        "basket_lines", "count", "Lines per order", "单均行数", "Mean lines per order.", low=1
    ),
    Signal(
        "basket_revenue", "money", "Order value", "客单价", "Mean revenue per order."
    ),
    Signal(
        "basket_quantity", "count", "Units per order", "单均件数", "Mean units per order.",
        "no line of the customer has a quantity", ("quantity",),
    ),
)  # fmt: skip

_MIX = (
    Signal(
        "n_products", "count", "Products", "产品数", "Different products bought.", _NO_PRODUCT,
        ("product_id",), low=1,
    ),
    Signal(
        "top_product_share", "share", "Share of top product", "首位产品占比",
        "Share of purchases that the product with the most revenue makes up.",
        _NO_PRODUCT + _FREE, ("product_id",), high=1,
    ),
    Signal(
        "product_concentration", "share", "Product concentration", "产品集中度",
        "Herfindahl index of revenue by product: 1 is one product alone.",
        _NO_PRODUCT + _FREE, ("product_id",), high=1,
    ),
    Signal(
        "n_categories", "count", "Categories", "品类数", "Different categories bought from.",
        _NO_CATEGORY, ("category",), low=1,
    ),
    Signal(
        "top_category_share", "share", "Share of top category", "首位品类占比",
        "Share of purchases that the category with the most revenue makes up.",
        _NO_CATEGORY + _FREE, ("category",), high=1,
    ),
    Signal(
        "category_concentration", "share", "Category concentration", "品类集中度",
        "Herfindahl index of revenue by category: 1 is one category alone.",
        _NO_CATEGORY + _FREE, ("category",), high=1,
    ),
    Signal(
        "favourite_category", "class", "Favourite category", "最常购买品类",
        "The category on the most lines.", _NO_CATEGORY + ", or two lead together",
        ("category",), high=0,
    ),
)  # fmt: skip

_LIFECYCLE = Signal(
    "lifecycle", "class", "Lifecycle", "生命周期阶段",
    "Stage by the customer's own rhythm: active within one usual gap of silence, slowing "
    "within two, silent within four, then ended; one-time buyers are new for 90 days, "
    "silent for 365, then ended.",
    high=0, values=("new", "active", "slowing", "silent", "ended"),
)  # fmt: skip

PURCHASE = (*_RHYTHM, *_MONEY, *_GAPS, *_BASKETS, *_MIX, _LIFECYCLE)
