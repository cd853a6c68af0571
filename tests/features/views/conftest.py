"""Companies whose every figure can be reckoned by hand, and two real ones."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from features.ledger import Ledger, day_of
from features.schema import TABLES

Row = Mapping[str, object]
CompanyOf = Callable[..., Ledger]


@pytest.fixture(scope="session")
def company_of() -> CompanyOf:
    """Make a ledger from rows that name their day as 2021-03-31."""

    def make(lines: Sequence[Row], customers: Sequence[Row] = ()) -> Ledger:
        usual = {"customer_id": "C", "revenue": 10.0}
        numbered = [
            usual
            | {"order_id": f"O{n}", "row_key": b"%d" % n}
            | dict(line)
            | {"day": day_of(date.fromisoformat(str(line["day"])))}
            for n, line in enumerate(lines)
        ]
        people = [{"row_key": b"%d" % n} | dict(row) for n, row in enumerate(customers)]
        return Ledger(
            {
                name: pa.Table.from_pylist(rows, schema=TABLES[name].arrow_schema)
                for name, rows in (("order_lines", numbered), ("customers", people))
            }
        )

    return make


@pytest.fixture(scope="session")
def superstore(shared: Path, ledger_of: Callable[..., Ledger]) -> Ledger:
    """A ledger with products, categories and margins; kinds, regions and plans laid on top."""
    orders = pd.read_parquet(shared / "superstore" / "superstore_orders_9994.parquet")
    names = {
        "Row ID": "line_id", "Order ID": "order_id", "Order Date": "ordered_at",
        "Customer ID": "customer_id", "Product ID": "product_id", "Category": "category",
        "Sales": "revenue", "Quantity": "quantity", "Profit": "profit",
    }  # fmt: skip
    lines = ledger_of(orders[[*names]].rename(columns=names)).order_lines
    firsts = orders.drop_duplicates("Customer ID").iloc[::2]
    people = pa.Table.from_pylist(
        [
            {
                "customer_id": person["Customer ID"],
                "row_key": b"%d" % n,
                "kind": person["Segment"],
                "region": person["Region"],
                "planned_revenue": 500.0,
            }
            for n, person in enumerate(firsts.to_dict("records"))
        ],
        schema=TABLES["customers"].arrow_schema,
    )
    return Ledger({"order_lines": lines, "customers": people})
