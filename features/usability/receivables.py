"""Checks of invoices and payments: days that are made up, money that does not add up."""

from collections.abc import Callable, Iterator, Mapping

from features.usability.finding import Finding
from features.usability.survey import Survey, as_percent, on_day

__all__ = ["RECEIVABLE_CHECKS"]

# A day that is the same on nearly every invoice was filled in by a system, not by a customer.
_NEARLY_ALL = 0.90
# Among fewer invoices it may well be chance.
_MADE_UP_AMONG = 10
# Cents and cash discounts aside.
_TOLERANCE = 0.01
_OLD_DAYS = 365
_MANY_OVERPAID, _MANY_UNPAID, _MANY_STRAY = 0.01, 0.05, 0.01


def _paid_on_issue_day(survey: Survey) -> Iterator[Finding]:
    found = survey.row(
        "SELECT COUNT(*) AS of, COUNT(*) FILTER (last_payment_day = day) AS n, "
        "MIN(invoice_id) FILTER (last_payment_day = day) AS example "
        "FROM settled WHERE n_payments > 0"
    )
    n, of = found["n"], found["of"]
    if of < _MADE_UP_AMONG or n < _NEARLY_ALL * of:
        return
    yield Finding(
        check="paid_on_issue_day",
        level="warning",
        step="signals",
        table="payments",
        column="day",
        count=n,
        of=of,
        example=found["example"],
        message=f"{as_percent(n, of)} of the paid invoices were paid on the day they were issued: "
        f"{n:,} of {of:,} (first: '{found['example']}'). The day of payment looks made up, and "
        "everybody looks punctual.",
        way_out="Map paid_at (or settled_at) to the day the money came in, not the day of booking. "
        "If customers pay at the till, leave invoices and payments out.",
    )


def _due_on_issue_day(survey: Survey) -> Iterator[Finding]:
    found = survey.row(
        "SELECT COUNT(*) AS of, COUNT(*) FILTER (due_day = day) AS n, "
        "MIN(invoice_id) FILTER (due_day = day) AS example FROM invoices"
    )
    n, of = found["n"], found["of"]
    if of < _MADE_UP_AMONG or n < _NEARLY_ALL * of:
        return
    yield Finding(
        check="due_on_issue_day",
        level="warning",
        step="signals",
        table="invoices",
        column="due_day",
        count=n,
        of=of,
        example=found["example"],
        message=f"{as_percent(n, of)} of invoices are due on the day they were issued: {n:,} of "
        f"{of:,} (first: '{found['example']}'). The due day looks made up, and whoever does not "
        "pay at once looks late.",
        way_out="Map due_at or terms_days of the source.",
    )


def _overpaid(survey: Survey) -> Iterator[Finding]:
    found = survey.row(
        "SELECT COUNT(*) AS of, COUNT(*) FILTER (is_over) AS n, "
        "MIN(invoice_id) FILTER (is_over) AS example, "
        "ARG_MIN(paid, invoice_id) FILTER (is_over) AS paid, "
        "ARG_MIN(amount, invoice_id) FILTER (is_over) AS amount "
        "FROM (SELECT *, paid > amount * (1 + $tolerance) AS is_over FROM settled "
        "WHERE amount > 0)",
        tolerance=_TOLERANCE,
    )
    n, of = found["n"], found["of"]
    if not n:
        return
    yield Finding(
        check="overpaid",
        level="warning" if n > _MANY_OVERPAID * of else "recommendation",
        step="signals",
        table="payments",
        column="amount",
        count=n,
        of=of,
        example=found["example"],
        message=f"{n:,} of {of:,} invoices are paid by more than {_TOLERANCE:.0%} too much (first: "
        f"'{found['example']}', {found['paid']:,.2f} of {found['amount']:,.2f}).",
        way_out="Look whether payments are loaded twice, or invoices net and payments gross of "
        "tax.",
    )


def _long_unpaid(survey: Survey) -> Iterator[Finding]:
    if not survey.rows["payments"]:
        return
    found = survey.row(
        "SELECT COUNT(*) AS of, COUNT(*) FILTER (is_open) AS n, "
        "MIN(invoice_id) FILTER (is_open) AS example, "
        "ARG_MIN(due_day, invoice_id) FILTER (is_open) AS due_day "
        "FROM (SELECT *, paid < amount * (1 - $tolerance) AND due_day < $latest AS is_open "
        "FROM settled WHERE amount > 0)",
        tolerance=_TOLERANCE,
        latest=survey.as_of - _OLD_DAYS,
    )
    n, of = found["n"], found["of"]
    if not n:
        return
    yield Finding(
        check="long_unpaid",
        level="warning" if n > _MANY_UNPAID * of else "recommendation",
        step="signals",
        table="payments",
        count=n,
        of=of,
        example=found["example"],
        message=f"{n:,} of {of:,} invoices are not fully paid more than a year after they were due "
        f"(first: '{found['example']}', due {on_day(found['due_day'])}).",
        way_out="Look whether payments or credit notes are missing, and load them. If the money is "
        "lost, leave it: that is what the signals are for.",
    )


def _stray_payments(survey: Survey) -> Iterator[Finding]:
    found = survey.row(
        "SELECT COUNT(*) AS of, COUNT(*) FILTER (invoices.invoice_id IS NULL) AS n, "
        "MIN(payment_id) FILTER (invoices.invoice_id IS NULL) AS example "
        "FROM payments LEFT JOIN invoices USING (customer_id, invoice_id)"
    )
    n, of = found["n"], found["of"]
    if not n:
        return
    yield Finding(
        check="stray_payments",
        level="warning" if n > _MANY_STRAY * of else "recommendation",
        step="signals",
        table="payments",
        column="invoice_id",
        count=n,
        of=of,
        example=found["example"],
        message=f"{n:,} of {of:,} payments settle no invoice of their customer (first: "
        f"'{found['example']}'), and count for nothing.",
        way_out="Look whether both sources spell invoice_id and customer_id alike, and load the "
        "invoices that are missing.",
    )


RECEIVABLE_CHECKS: Mapping[str, Callable[[Survey], Iterator[Finding]]] = {
    "paid_on_issue_day": _paid_on_issue_day,
    "due_on_issue_day": _due_on_issue_day,
    "overpaid": _overpaid,
    "long_unpaid": _long_unpaid,
    "stray_payments": _stray_payments,
}
