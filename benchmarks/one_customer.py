"""A ledger of regular customers, each with 100 order lines, 20 invoices and 10 contacts."""

import random

import pyarrow as pa

from features.ledger import Ledger
from features.schema import TABLES

__all__ = ["AS_OF", "customer_ids", "ledger_of_regulars"]

AS_OF = 20_100
_FIRST_DAY, _DAYS = 19_000, 1_095
_CUSTOMERS = 500
_KINDS = ["visit", "complaint", "campaign_contact", "campaign_response", "survey"]


def customer_ids() -> list[str]:
    """Name the customers."""
    return [f"C{n:05d}" for n in range(_CUSTOMERS)]


def ledger_of_regulars() -> Ledger:
    """Make the ledger, the same every time."""
    chance = random.Random(1)
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in TABLES}
    for customer in customer_ids():
        rows["customers"].append({"customer_id": customer, "acquired_day": _FIRST_DAY})
        for n in range(100):
            rows["order_lines"].append(_line(chance, customer, n))
        for n in range(20):
            day = _FIRST_DAY + chance.randrange(_DAYS)
            bill = {"customer_id": customer, "invoice_id": f"{customer}-{n}", "amount": 100.0}
            rows["invoices"].append(bill | {"day": day, "due_day": day + 30})
            paid = {"payment_id": f"{customer}-{n}", "day": day + chance.randrange(60)}
            rows["payments"].append(bill | paid)
        rows["interactions"] += [_contact(chance, customer, n) for n in range(10)]
    for table in rows.values():
        for n, row in enumerate(table):
            row["row_key"] = n.to_bytes(16)
    return Ledger({n: pa.Table.from_pylist(r, TABLES[n].arrow_schema) for n, r in rows.items()})


def _line(chance: random.Random, customer: str, n: int) -> dict[str, object]:
    return {
        "customer_id": customer,
        "day": _FIRST_DAY + chance.randrange(_DAYS),
        "order_id": f"{customer}-{n // 3}",
        "revenue": round(chance.random() * 100, 2),
        "product_id": f"P{chance.randrange(200)}",
        "category": f"K{chance.randrange(8)}",
        "quantity": 1.0,
        "cost": round(chance.random() * 60, 2),
        "discount": chance.choice([0.0, 1.0]),
        "channel": "shop",
    }


def _contact(chance: random.Random, customer: str, n: int) -> dict[str, object]:
    return {
        "customer_id": customer,
        "interaction_id": f"{customer}-{n}",
        "day": _FIRST_DAY + chance.randrange(_DAYS),
        "kind": chance.choice(_KINDS),
        "topic": "quality",
        "satisfaction": 0.5,
        "cost": 2.0,
        "campaign_id": f"G{n % 3}",
    }
