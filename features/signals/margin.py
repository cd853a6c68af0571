"""The signals of margin.sql: what a customer's trade leaves to the company."""

from dataclasses import replace
from math import inf

from features.signals.signal import WINDOWS, Signal

__all__ = ["MARGIN"]

_NO_COST = "no line of the customer has a cost"
_NO_NET = "no line has a cost, or their net revenue is not positive"
_UNCOSTED = "lines were traded in the window, but none with a cost; or none ever had one"

_SIGNALS = (
    Signal(
        "gross_margin", "money", "Gross margin", "毛利",
        "Revenue less cost of goods, over the lines whose cost is known.", _NO_COST, ("cost",),
        low=-inf,
    ),
    *(
        Signal(
            f"gross_margin_{days}d", "money", f"Gross margin, {days} days", f"近{days}天毛利",
            f"Gross margin of the last {days} days.", _UNCOSTED, ("cost",), low=-inf,
        )
        for days in WINDOWS
    ),
    Signal(
        "gross_margin_rate", "rate", "Gross margin rate", "毛利率",
        "Gross margin as a share of its revenue; negative when sold at a loss.", _NO_NET,
        ("cost",), low=-inf,
    ),
    *(
        Signal(
            f"gross_margin_rate_{days}d", "rate", f"Gross margin rate, {days} days",
            f"近{days}天毛利率", f"Gross margin rate of the last {days} days.", _NO_NET,
            ("cost",), low=-inf,
        )
        for days in WINDOWS
    ),
    Signal(
        "cost_known_share", "share", "Cost known", "成本已知占比",
        "Share of turnover whose cost is known.", "no line has a cost, or no money moved",
        ("cost",), high=1,
    ),
    Signal(
        "loss_share", "share", "Sold at a loss", "亏本销售占比",
        "Share of the sales with a known cost that were below it.",
        "no line has a cost, or nothing was sold", ("cost",), high=1,
    ),
    Signal(
        "discount_rate", "rate", "Discount rate", "折扣率",
        "Discount as a share of the price before it.",
        "no line has a discount, or nothing was sold", ("discount",), high=1,
    ),
    Signal(
        "return_rate", "rate", "Return rate", "退货率",
        "Money returned as a share of money sold.", "nothing was sold",
    ),
    Signal(
        "cost_to_serve", "money", "Cost to serve", "服务成本", "Cost of all contacts.",
        "no contact of the customer has a cost", ("interactions.cost",), low=-inf,
    ),
    Signal(
        "cost_to_serve_365d", "money", "Cost to serve, 365 days", "近365天服务成本",
        "Cost of the last 365 days' contacts.", "no contact of the customer has a cost",
        ("interactions.cost",), low=-inf,
    ),
    Signal(
        "contribution", "money", "Contribution", "贡献毛益",
        "Gross margin less cost to serve.", _NO_COST, ("cost",), low=-inf,
    ),
    Signal(
        "contribution_365d", "money", "Contribution, 365 days", "近365天贡献毛益",
        "Gross margin less cost to serve in the last 365 days.", "as for gross_margin_365d",
        ("cost",), low=-inf,
    ),
)  # fmt: skip

MARGIN = tuple(replace(signal, family="margin") for signal in _SIGNALS)
