"""Ledgers that the tests of the families share."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.engines.duckdb import compute_signals
from features.ledger import Ledger
from features.schema import TABLES

Row = Mapping[str, object]
Signals = dict[str, object]
SignalsOf = Callable[..., Signals]
LedgerWith = Callable[..., Ledger]

AS_OF = 2000

# What is the same in every row of a table, where a test does not say otherwise.
_USUAL: Mapping[str, Row] = {
    "order_lines": {"revenue": 10.0},
    "invoices": {"amount": 100.0},
    "payments": {"amount": 100.0},
    "interactions": {"kind": "visit"},
    "customers": {},
}
_IDS = {
    "order_lines": "order_id", "invoices": "invoice_id", "payments": "payment_id",
    "interactions": "interaction_id",
}  # fmt: skip


@pytest.fixture(scope="session")
def ledger_with() -> LedgerWith:
    """Make a ledger from the rows of its tables, by the tables' names."""

    def make(**tables: Sequence[Row]) -> Ledger:
        return Ledger({name: _table(name, rows) for name, rows in tables.items()})

    return make


def _table(name: str, rows: Sequence[Row]) -> pa.Table:
    numbered = [
        {"customer_id": "C", "row_key": b"%d" % n, _IDS.get(name, "row_key"): b"%d" % n}
        | dict(_USUAL[name])
        | dict(row)
        for n, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(numbered, TABLES[name].arrow_schema)


@pytest.fixture(scope="session")
def signals_of(ledger_with: LedgerWith) -> SignalsOf:
    """The signals of the only customer, by the rows of the tables; None where there is none."""

    def compute(as_of: int = AS_OF, **tables: Sequence[Row]) -> Signals:
        (row,) = compute_signals(ledger_with(**tables), as_of).to_dict("records")
        return {name: None if pd.isna(value) else value for name, value in row.items()}

    return compute


@pytest.fixture(scope="session")
def rich() -> Ledger:
    """A ledger with all that a company may know, of 80 customers over 1,500 days."""
    rng = np.random.default_rng(7)
    ids = [f"C{n}" for n in range(80)]

    def some(n: int, **columns: Sequence[object] | np.ndarray) -> dict[str, list[object]]:
        named = {"customer_id": rng.choice(ids, n)} | columns
        return {name: list(values) for name, values in named.items()}

    def perhaps(values: np.ndarray) -> list[object]:
        return [
            None if r < 0.3 else v for r, v in zip(rng.random(len(values)), values, strict=True)
        ]

    def days(n: int) -> np.ndarray:
        return rng.integers(AS_OF - 1500, AS_OF + 1, n)

    revenue = np.round(rng.normal(40, 30, 1500), 2)
    sign = np.where(revenue < 0, -1.0, 1.0)
    lines = some(
        1500,
        day=days(1500), revenue=revenue,
        order_id=rng.integers(0, 900, 1500).astype(str),
        product_id=perhaps(rng.choice([*"abcdefg"], 1500)),
        category=perhaps(rng.choice([*"xyz"], 1500)),
        quantity=perhaps(sign * rng.integers(1, 5, 1500)),
        cost=perhaps(sign * np.round(rng.uniform(0, 50, 1500), 2)),
        discount=perhaps(rng.choice([0.0, 1.5, 4.0], 1500)),
        channel=perhaps(rng.choice(["shop", "web"], 1500)),
    )  # fmt: skip
    issued = days(400)
    amount = np.round(rng.normal(100, 60, 400), 2)
    invoices = some(
        400,
        invoice_id=[f"{n}" for n in range(400)], day=issued, due_day=issued + 30, amount=amount,
        disputed_day=perhaps(issued + rng.integers(0, 300, 400)),
    )  # fmt: skip
    settles = rng.choice(400, 300, replace=False)
    payments = {
        "customer_id": [invoices["customer_id"][n] for n in settles],
        "invoice_id": [invoices["invoice_id"][n] for n in settles],
        "payment_id": [f"P{n}" for n in range(300)],
        "day": list(issued[settles] + rng.integers(0, 80, 300)),
        "amount": list(amount[settles] * rng.choice([0.5, 1.0, 1.0, 1.0, 1.1], 300)),
    }
    kinds = ["complaint", "visit", "service", "campaign_contact", "campaign_response", "survey"]
    contacted = days(500)
    contacts = some(
        500,
        interaction_id=[f"I{n}" for n in range(500)], day=contacted, kind=rng.choice(kinds, 500),
        topic=perhaps(rng.choice(["quality", "contract", "transport", "service"], 500)),
        resolved_day=perhaps(contacted + rng.integers(0, 60, 500)),
        satisfaction=perhaps(rng.choice([0.0, 0.3, 0.7, 1.0], 500)),
        cost=perhaps(rng.choice([2.5, 8.0], 500)),
        campaign_id=perhaps(rng.choice(["G1", "G2"], 500)),
    )  # fmt: skip
    customers = {"customer_id": ids, "acquired_day": perhaps(days(80))}
    tables = {
        "order_lines": lines, "invoices": invoices, "payments": payments,
        "interactions": contacts, "customers": customers,
    }  # fmt: skip
    return Ledger(
        {
            name: _table(name, pd.DataFrame(columns, dtype=object).to_dict("records"))
            for name, columns in tables.items()
        }
    )


@pytest.fixture(scope="session")
def superstore_orders(shared: Path) -> pd.DataFrame:
    """Four years of order lines with products, categories and profits, as they were sold."""
    orders = pd.read_parquet(shared / "superstore" / "superstore_orders_9994.parquet")
    names = {
        "Row ID": "line_id", "Order ID": "order_id", "Order Date": "ordered_at",
        "Customer ID": "customer_id", "Product ID": "product_id", "Category": "category",
        "Sales": "revenue", "Quantity": "quantity", "Profit": "profit",
    }  # fmt: skip
    return orders[[*names]].rename(columns=names)


@pytest.fixture(scope="session")
def superstore(superstore_orders: pd.DataFrame, ledger_of: Callable[..., Ledger]) -> Ledger:
    """The ledger of it."""
    ledger = ledger_of(superstore_orders)
    assert len(ledger.order_lines) == len(superstore_orders)
    return ledger
