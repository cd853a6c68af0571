"""Payments: each belongs to an invoice, and to the customer of that invoice."""

from features.cleaning.rules import Fault, Reading, Rules
from features.schema import KEY_COLUMN

__all__ = ["PAYMENTS"]

# By customer too, where the number is not enough.
_JOINS = """
    LEFT JOIN (
        SELECT invoice_id AS known_id, customer_id AS its_customer, MIN(day) AS its_day
        FROM invoices GROUP BY ALL
    ) AS own ON own.known_id = read_invoice_id AND own.its_customer = unified_id
    LEFT JOIN (
        SELECT invoice_id AS known_id, COUNT(DISTINCT customer_id) AS n_customers,
            MIN(customer_id) AS its_customer, MIN(day) AS its_day
        FROM invoices GROUP BY ALL
    ) AS known ON known.known_id = read_invoice_id
"""


def _faults(reading: Reading) -> list[Fault]:
    faults = [
        Fault("read_invoice_id IS NULL", "invoice_id is missing"),
        Fault("amount IS NULL", "amount is missing"),
        Fault("amount = 0", "amount is zero"),
        Fault("n_customers IS NULL", "invoice_id is not among the invoices"),
        Fault("matched_id IS NULL", "invoice_id belongs to several customers"),
    ]
    if reading.source.prepayments == "reject":
        faults.append(Fault("day < invoiced_day", "paid_at is before the invoice was issued"))
    if "payment_id" in reading.present:
        faults.append(Fault("read_payment_id IS NULL", "payment_id is missing"))
    return faults


PAYMENTS = Rules(
    required={
        "invoice_id": (("invoice_id",),),
        "paid_at": (("paid_at",),),
        "amount": (("amount",),),
    },
    day_fields={"day": "paid_at"},
    columns={
        "n_customers": "known.n_customers",
        "matched_id": """CASE WHEN own.its_customer IS NOT NULL THEN own.its_customer
            WHEN known.n_customers = 1 THEN known.its_customer END""",
        "invoiced_day": "COALESCE(own.its_day, known.its_day)",
    },
    faults=_faults,
    # One payment may settle several invoices.
    key=("payment_id", "invoice_id"),
    named_by="payment_id",
    same_by=("read_payment_id", "read_invoice_id"),
    money=("amount",),
    published={
        "customer_id": "matched_id",
        "day": "GREATEST(day, invoiced_day)",
        "payment_id": f"COALESCE(payment_id, LOWER(hex({KEY_COLUMN})))",
    },
    joins=_JOINS,
    notes={
        "unified_id <> matched_id": "Payments that name another customer than their invoice: "
        "{count:,}. The invoice's customer counts."
    },
)
