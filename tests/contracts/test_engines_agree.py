"""One SQL text, two engines: what training reads in bulk is what serving computes in a request."""

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import adbc_driver_sqlite.dbapi as adbc
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.cleaning import FIELDS, clean_order_lines
from features.engines import duckdb, sqlite
from features.ledger import Ledger
from features.schema import TABLES
from features.signals.catalogue import CATALOGUE
from features.sources import Source, read

_TOLERANCE = 1e-9
_RATES = [name for name, signal in CATALOGUE.items() if signal.unit in {"rate", "share", "ratio"}]
_MONEY = [name for name, signal in CATALOGUE.items() if signal.unit == "money"]
_WHOLE = [
    name
    for name, signal in CATALOGUE.items()
    if signal.unit in {"days", "day number", "count", "flag"}
]


@contextmanager
def database_of(ledger: Ledger) -> Iterator[sqlite3.Connection]:
    """Lay a ledger into SQLite, as the store does."""
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "ledger.db")
        with closing(adbc.connect(file)) as connection, connection.cursor() as cursor:
            for name, table in ledger.tables.items():
                cursor.adbc_ingest(name, table, mode="create")
            connection.commit()
        with closing(sqlite3.connect(file)) as connection:
            yield connection


def assert_agree(
    one: pd.DataFrame, other: pd.DataFrame, ledger: Ledger, *, rates: float = _TOLERANCE
) -> None:
    """Compare to 1e-9; sums of money that cancel out, by the money that moved."""
    lines = ledger.order_lines.select(["customer_id", "revenue", "cost"]).to_pandas()
    contacts = ledger.tables["interactions"].select(["customer_id", "cost"]).to_pandas()
    moved = pd.concat([lines, contacts]).set_index("customer_id").abs().groupby(level=0).sum()
    turnover = moved.sum(axis=1).reindex(one.index, fill_value=0.0)
    pd.testing.assert_index_equal(one.index, other.index)
    assert [*one.columns] == [*other.columns] == [*CATALOGUE]
    pd.testing.assert_series_equal(one["lifecycle"], other["lifecycle"])
    pd.testing.assert_frame_equal(one[_WHOLE], other[_WHOLE], rtol=_TOLERANCE, atol=0)
    pd.testing.assert_frame_equal(one[_MONEY].isna(), other[_MONEY].isna())
    scaled = [signals[_MONEY].div(turnover, axis=0).fillna(0.0) for signals in (one, other)]
    np.testing.assert_allclose(*scaled, rtol=_TOLERANCE, atol=_TOLERANCE)
    pd.testing.assert_frame_equal(one[_RATES], other[_RATES], rtol=rates, atol=rates)


def assert_engines_agree(ledger: Ledger, as_of: int, *, rates: float = _TOLERANCE) -> None:
    bulk = duckdb.compute_signals(ledger, as_of)
    with database_of(ledger) as connection:
        assert_agree(bulk, sqlite.compute_signals(connection, as_of), ledger, rates=rates)


class TestRealData:
    @pytest.mark.parametrize("days_before_the_end", [0, 273])
    def test_cdnow(self, days_before_the_end: int, cdnow: Ledger) -> None:
        assert_engines_agree(cdnow, cdnow.last_day - days_before_the_end)

    def test_superstore(self, shared: Path) -> None:
        ledger = _ledger(
            shared / "superstore" / "superstore_orders_9994.parquet",
            {
                "line_id": "Row ID", "order_id": "Order ID", "customer_id": "Customer ID",
                "ordered_at": "Order Date", "revenue": "Sales", "quantity": "Quantity",
                "profit": "Profit", "product_id": "Product ID", "category": "Category",
            },
        )  # fmt: skip
        assert ledger.has_cost
        assert_engines_agree(ledger, ledger.last_day)

    def test_online_retail_with_its_cancellations(self, shared: Path) -> None:
        ledger = _ledger(
            shared / "online_retail" / "online_retail.parquet",
            {
                "order_id": "InvoiceNo", "customer_id": "CustomerID", "ordered_at": "InvoiceDate",
                "unit_price": "UnitPrice", "quantity": "Quantity", "product_id": "StockCode",
            },
            cancelled_prefix="C",
        )  # fmt: skip
        # Every third customer, the one with the largest cancellation among them, is enough.
        lines = ledger.order_lines
        third = np.array(lines["customer_id"].to_numpy(zero_copy_only=False), dtype=int) % 3 == 0
        ledger = Ledger({"order_lines": lines.filter(pa.array(third))})
        assert ledger.n_customers > 1_000
        assert_engines_agree(ledger, ledger.last_day)


class TestOneCustomer:
    def test_is_its_row_of_the_bulk(self, cdnow: Ledger) -> None:
        bulk = duckdb.compute_signals(cdnow, cdnow.last_day)
        with database_of(cdnow) as connection:
            for customer in bulk.index[::400]:
                single = sqlite.compute_signals(connection, cdnow.last_day, customer)
                assert_agree(bulk.loc[[customer]], single, cdnow)

    def test_without_a_purchase_gives_no_row(self) -> None:
        returned = {"customer_id": "C", "day": 5, "revenue": -4.0}
        ledger = _generated([returned, returned | {"revenue": 9.0, "day": 8}], [])
        with database_of(ledger) as connection:
            assert len(sqlite.compute_signals(connection, 7, "C")) == 0
            assert len(sqlite.compute_signals(connection, 8, "nobody")) == 0
            assert len(sqlite.compute_signals(connection, 8, "C")) == 1
        assert len(duckdb.compute_signals(ledger, 7)) == 0


# Few customers and days, so that there are ties, days with many orders, one-day customers; a long
# span, so that there are gaps; amounts that cancel out in sum but not in binary fractions.
_CUSTOMERS = st.sampled_from([*"ABCDEF", "O'Brien", "Zoë", "007"])
_DAYS = st.one_of(st.integers(0, 12), st.integers(0, 1_500))
_AMOUNTS = st.one_of(
    st.sampled_from([0.0, 0.1, 0.2, 0.3, -0.3, 10.0, -10.0]),
    st.floats(-1e6, 1e6).map(lambda amount: round(amount, 2)),
)
_LINES = st.fixed_dictionaries(
    {"customer_id": _CUSTOMERS, "day": _DAYS, "revenue": _AMOUNTS},
    optional={
        "order_id": st.sampled_from(["1", "2", "3"]),
        "cost": _AMOUNTS,
        "quantity": st.sampled_from([-2.0, 0.0, 1.0, 2.5]),
        "discount": st.sampled_from([0.0, 1.5]),
        "product_id": st.sampled_from("pqr"),
        "category": st.sampled_from("xy"),
    },
)
_CONTACTS = st.fixed_dictionaries(
    {"customer_id": _CUSTOMERS, "day": _DAYS}, optional={"cost": st.sampled_from([0.0, 2.5, 0.1])}
)


@settings(max_examples=25, deadline=None)
@given(
    lines=st.lists(_LINES, min_size=1, max_size=60),
    contacts=st.lists(_CONTACTS, max_size=10),
    as_of=st.sampled_from([0, 6, 365, 1_095, 1_500]),
)
def test_engines_agree_on_any_ledger(
    lines: list[Mapping[str, object]], contacts: list[Mapping[str, object]], as_of: int
) -> None:
    # The base of a rate may be what billions less billions leave: there fewer digits are certain.
    assert_engines_agree(_generated(lines, contacts), as_of, rates=1e-6)


def _ledger(path: Path, columns: dict[str, str], **settings: str) -> Ledger:
    source = Source(path=path, columns=columns, **settings)
    raw = read(source, name=path.stem, fields=list(FIELDS["order_lines"]))
    return Ledger({"order_lines": clean_order_lines(raw, source).rows})


def _generated(lines: list[Mapping[str, object]], contacts: list[Mapping[str, object]]) -> Ledger:
    rows: dict[str, list[dict[str, object]]] = {
        "order_lines": [
            {"order_id": f"O{n}", "row_key": b"%d" % n} | dict(line) for n, line in enumerate(lines)
        ],
        "interactions": [
            {"interaction_id": f"I{n}", "row_key": b"%d" % n, "kind": "visit"} | dict(contact)
            for n, contact in enumerate(contacts)
        ],
    }
    return Ledger({n: pa.Table.from_pylist(r, TABLES[n].arrow_schema) for n, r in rows.items()})
