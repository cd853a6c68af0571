"""Invoices, and the payments that a source of settled invoices tells of on the same row."""

from features.cleaning.rules import LAST_DAY, Fault, Reading, Rules
from features.schema import KEY_COLUMN

__all__ = ["INVOICES", "LONGEST_TERMS_DAYS", "SETTLED"]

# Longer terms are a slip, and would lead beyond the calendar.
LONGEST_TERMS_DAYS = 36_500


def _faults(reading: Reading) -> list[Fault]:
    faults = [
        Fault("read_invoice_id IS NULL", "invoice_id is missing"),
        Fault("amount IS NULL", "amount is missing"),
        Fault(
            f"read_terms_days <> FLOOR(read_terms_days) "
            f"OR read_terms_days NOT BETWEEN 0 AND {LONGEST_TERMS_DAYS}",
            f"terms_days is not a whole number from 0 to {LONGEST_TERMS_DAYS}",
        ),
        Fault("due_day IS NULL", "due_at is missing"),
        Fault("due_day < day", "due_at is before issued_at"),
        Fault(f"due_day > {LAST_DAY}", "due_at is after 9999-12-31"),
        Fault("read_disputed_at < read_issued_at", "disputed_at is before issued_at"),
        Fault(
            "read_settled_amount <> 0 AND read_settled_at IS NULL",
            "settled_at is missing beside a settled_amount",
        ),
    ]
    if reading.source.prepayments == "reject":
        faults.append(Fault("read_settled_at < read_issued_at", "settled_at is before issued_at"))
    return faults


INVOICES = Rules(
    required={
        "invoice_id": (("invoice_id",),),
        "customer_id": (("customer_id",),),
        "issued_at": (("issued_at",),),
        "due_at (or terms_days)": (("due_at",), ("terms_days",)),
        "amount": (("amount",),),
    },
    day_fields={"day": "issued_at", "dated_due_day": "due_at", "settled_day": "settled_at"},
    columns={
        "due_day": "COALESCE(dated_due_day, day + TRY_CAST(read_terms_days AS INTEGER))",
        # A bare mark does not say when. By the day it was due, or settled if that was before, it
        # was known at the latest; any sooner would tell models what nobody may have known.
        "disputed_day": """COALESCE(
            date_diff('day', DATE '1970-01-01', read_disputed_at),
            CASE WHEN read_disputed = 1 THEN LEAST(due_day, settled_day) END)""",
        "settled_amount": "COALESCE(read_settled_amount, read_amount)",
    },
    faults=_faults,
    # Two customers may have invoices of the same number, where companies were merged.
    key=("customer_id", "invoice_id"),
    named_by="invoice_id",
    same_by=("unified_id", "read_invoice_id"),
    money=("amount", "settled_amount"),
    may_lie_ahead=frozenset({"due_at"}),
)

# The payment has the invoice's rate, so that an invoice paid in full is paid in full here too.
SETTLED = f"""
    SELECT unified_id AS customer_id, {KEY_COLUMN}, invoice_id AS payment_id, invoice_id,
        GREATEST(settled_day, day) AS day, settled_amount * rate AS amount
    FROM keyed WHERE reason IS NULL AND settled_day IS NOT NULL AND settled_amount <> 0
"""
