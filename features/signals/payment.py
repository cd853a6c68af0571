"""The signals of payment.sql: does the customer pay, when, and what is owed now."""

from dataclasses import replace
from math import inf

from features.signals.signal import Signal

__all__ = ["PAYMENT"]

_NO_INVOICE = "no invoice of the customer is known"
_NONE_OPEN = "no invoice is known, or nothing is owed"
_NONE_DUE = "no invoice of the customer has passed its due day yet"
_NEEDS = ("invoices.amount",)

_SIGNALS = (
    Signal(
        "n_invoices", "count", "Invoices", "发票数", "Invoices that ask for money.",
        _NO_INVOICE, _NEEDS, low=1,
    ),
    Signal(
        "invoiced_amount", "money", "Invoiced", "开票金额", "Money invoiced, all time.",
        _NO_INVOICE, _NEEDS,
    ),
    Signal(
        "invoiced_amount_365d", "money", "Invoiced, 365 days", "近365天开票金额",
        "Money invoiced in the last 365 days.", _NO_INVOICE, _NEEDS,
    ),
    Signal(
        "receivables", "money", "Receivables", "应收账款", "Money owed now.", _NO_INVOICE, _NEEDS
    ),
    Signal(
        "overdue_amount", "money", "Overdue now", "当前逾期金额",
        "Money owed now on invoices past their due day.", _NO_INVOICE, _NEEDS,
    ),
    Signal(
        "overdue_share", "share", "Overdue share", "逾期占比",
        "Share of the money owed now that is past its due day.", _NONE_OPEN, _NEEDS, high=1,
    ),
    Signal(
        "n_overdue", "count", "Overdue invoices", "逾期发票数", "Invoices overdue now.",
        _NO_INVOICE, _NEEDS,
    ),
    Signal(
        "overdue_oldest_days", "days", "Oldest overdue", "最长逾期天数",
        "Days past the due day of the oldest invoice overdue now.",
        "no invoice is overdue now", _NEEDS, low=1,
    ),
    Signal(
        "dso_days", "days", "Days sales outstanding", "应收账款周转天数",
        "Receivables in days of the money invoiced in the last 365 days, or since the first "
        "invoice.",
        "nothing was invoiced in the last 365 days", _NEEDS,
    ),
    Signal(
        "payment_mean_days", "days", "Days to pay", "平均付款天数",
        "Mean days from issue to the payment that settled the invoice for good.",
        "no invoice of the customer is paid in full", ("invoices.amount", "payments.amount"),
    ),
    Signal(
        "late_mean_days", "days", "Mean days late", "平均逾期天数",
        "Mean days past the due day, over the invoices whose due day has passed; on time is 0.",
        _NONE_DUE, _NEEDS,
    ),
    Signal(
        "late_worst_days", "days", "Worst days late", "最大逾期天数",
        "Most days past the due day, over the invoices whose due day has passed.",
        _NONE_DUE, _NEEDS,
    ),
    Signal(
        "late_share", "share", "Late share", "逾期发票占比",
        "Share of the invoices whose due day has passed that were paid late or are overdue.",
        _NONE_DUE, _NEEDS, high=1,
    ),
    Signal(
        "late_trend_days", "days", "Trend of lateness", "逾期趋势",
        "Mean days late of the invoices due in the last 180 days less that of those before; "
        "positive is getting worse.",
        "no invoice was due in the last 180 days, or none before", _NEEDS, low=-inf,
    ),
    Signal(
        "paid_in_full_share", "share", "Paid in full", "全额付款占比",
        "Share of the invoices whose due day has passed that are paid in full.",
        _NONE_DUE, _NEEDS, high=1,
    ),
    Signal(
        "disputed_share", "share", "Disputed share", "争议发票占比",
        "Share of the invoices that the customer disputed.", _NO_INVOICE, _NEEDS, high=1,
    ),
)  # fmt: skip

PAYMENT = tuple(replace(signal, family="payment") for signal in _SIGNALS)
