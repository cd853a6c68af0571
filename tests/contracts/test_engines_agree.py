"""One SQL text, four engines: every signal of every customer is the same on all of them."""

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from features.cleaning import FIELDS, clean
from features.engines import duckdb, sqlite
from features.engines import postgres as on_postgres
from features.engines import spark as on_spark
from features.ledger import Ledger
from features.schema import TABLES
from features.signals.catalogue import CATALOGUE, Signal, as_typed
from features.sources import Source, read
from simulation import write_company

Row = Mapping[str, object]

_TOLERANCE = 1e-9


def _where(condition: Callable[[Signal], bool]) -> list[str]:
    return [name for name, signal in CATALOGUE.items() if condition(signal)]


_CLASSES = _where(lambda s: s.unit == "class")
_WHOLE = _where(lambda s: s.unit in {"day number", "count", "flag"})
_IN_DAYS = _where(lambda s: s.unit == "days")
_MONEY = _where(lambda s: s.unit == "money")
_RATES = _where(lambda s: s.unit in {"rate", "share", "ratio"})


@contextmanager
def in_sqlite(ledger: Ledger) -> Iterator[sqlite3.Connection]:
    """Lay a ledger into an SQLite file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.db"
        sqlite.lay_ledger(ledger, file)
        with closing(sqlite3.connect(file)) as connection:
            yield connection


def assert_agree(
    one: pd.DataFrame, other: pd.DataFrame, ledger: Ledger, *, rates: float = _TOLERANCE
) -> None:
    """Compare to 1e-9; sums of money that cancel out, by the money that moved."""
    pd.testing.assert_index_equal(one.index, other.index, check_names=False)
    assert [*one.columns] == [*other.columns] == [*CATALOGUE]
    pd.testing.assert_frame_equal(one[_CLASSES], other[_CLASSES])
    pd.testing.assert_frame_equal(one[_WHOLE], other[_WHOLE], rtol=_TOLERANCE, atol=0)
    pd.testing.assert_frame_equal(one[_IN_DAYS], other[_IN_DAYS], rtol=rates, atol=rates)
    pd.testing.assert_frame_equal(one[_MONEY].isna(), other[_MONEY].isna())
    moved = _money_moved(ledger).reindex(one.index, fill_value=0.0)
    scaled = [signals[_MONEY].div(moved, axis=0).fillna(0.0) for signals in (one, other)]
    np.testing.assert_allclose(*scaled, rtol=_TOLERANCE, atol=_TOLERANCE)
    pd.testing.assert_frame_equal(one[_RATES], other[_RATES], rtol=rates, atol=rates)


def _money_moved(ledger: Ledger) -> pd.Series:
    money = {
        "order_lines": ["revenue", "cost"],
        "interactions": ["cost"],
        "invoices": ["amount"],
        "payments": ["amount"],
    }
    parts = [
        ledger.tables[name].select(["customer_id", *columns]).to_pandas()
        for name, columns in money.items()
    ]
    moved = pd.concat(parts).set_index("customer_id").abs().groupby(level=0).sum()
    return moved.sum(axis=1)


@pytest.fixture(scope="module")
def assert_engines_agree(postgres: psycopg.Connection, spark: SparkSession) -> Callable[..., None]:
    """Compute a ledger's signals on all four engines and compare."""

    def check(
        ledger: Ledger, as_of: int, *, rates: float = _TOLERANCE, with_spark: bool = True
    ) -> None:
        bulk = duckdb.compute_signals(ledger, as_of)
        with in_sqlite(ledger) as connection:
            assert_agree(bulk, sqlite.compute_signals(connection, as_of), ledger, rates=rates)
        on_postgres.lay_ledger(ledger, postgres)
        found = on_postgres.compute_signals(postgres, as_of)
        assert_agree(bulk, found, ledger, rates=rates)
        if with_spark:
            on_spark.lay_ledger(ledger, spark)
            found = as_typed(on_spark.compute_signals(spark, as_of).toArrow().to_pandas())
            assert_agree(bulk, found.sort_index(), ledger, rates=rates)

    return check


class TestRealData:
    @pytest.mark.parametrize("days_before_the_end", [0, 273])
    def test_cdnow(
        self, days_before_the_end: int, cdnow: Ledger, assert_engines_agree: Callable[..., None]
    ) -> None:
        as_of = cdnow.last_day - days_before_the_end
        assert_engines_agree(cdnow, as_of, with_spark=days_before_the_end == 0)

    def test_superstore(self, shared: Path, assert_engines_agree: Callable[..., None]) -> None:
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

    def test_online_retail_with_its_cancellations(
        self, shared: Path, assert_engines_agree: Callable[..., None]
    ) -> None:
        ledger = _ledger(
            shared / "online_retail" / "online_retail.parquet",
            {
                "order_id": "InvoiceNo", "customer_id": "CustomerID", "ordered_at": "InvoiceDate",
                "unit_price": "UnitPrice", "quantity": "Quantity", "product_id": "StockCode",
            },
            cancelled_prefix="C",
        )  # fmt: skip
        # Every ninth customer, the one with the largest cancellation among them, is enough.
        lines = ledger.order_lines
        ids = np.array(lines["customer_id"].to_numpy(zero_copy_only=False), dtype=int)
        ledger = Ledger({"order_lines": lines.filter(pa.array(ids % 9 == 16446 % 9))})
        assert ledger.n_customers > 400
        assert_engines_agree(ledger, ledger.last_day)


class TestCommand:
    """`worth signals --engine ...`, in a process of its own, as an analyst runs it."""

    @pytest.mark.parametrize("engine", ["postgres", "spark"])
    def test_gives_what_duckdb_gives(
        self, engine: str, postgres_url: str, spark: SparkSession, tmp_path: Path
    ) -> None:
        del spark  # So that the test is left out where there is no Java.
        write_company(tmp_path, 150, seed=2)
        files = {"orders": "order_lines", "invoices": "invoices", "payments": "payments"}
        options = [part for o, name in files.items() for part in (f"--{o}", f"{name}.parquet")]
        for name, more in (("duckdb", []), (engine, ["--url", postgres_url])):
            command = [sys.executable, "-m", "worth", "signals", *options, "--engine", name, *more]
            ran = subprocess.run(
                [*command, "--out", f"{name}.parquet"],
                cwd=tmp_path,
                env=os.environ | {"WORTH_HOME": str(tmp_path / "home")},
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, ran.stderr
            assert "101 signals of 150 customers" in ran.stdout
        one, other = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("duckdb", engine))
        pd.testing.assert_frame_equal(one, other, rtol=1e-9, atol=1e-9)


class TestOneCustomer:
    def test_is_its_row_of_the_bulk(self, cdnow: Ledger, postgres: psycopg.Connection) -> None:
        bulk = duckdb.compute_signals(cdnow, cdnow.last_day)
        on_postgres.lay_ledger(cdnow, postgres)
        on_postgres.prepare(postgres)
        with in_sqlite(cdnow) as connection:
            for customer in bulk.index[::400]:
                for row in (
                    sqlite.signals_of(connection, customer, cdnow.last_day),
                    on_postgres.signals_of(postgres, customer, cdnow.last_day),
                ):
                    single = pd.DataFrame([{"customer_id": customer, **(row or {})}])
                    assert_agree(bulk.loc[[customer]], as_typed(single), cdnow)

    def test_without_a_purchase_has_none(self) -> None:
        returned = {"customer_id": "C", "day": 5, "revenue": -4.0}
        ledger = _ledger_of(order_lines=[returned, returned | {"revenue": 9.0, "day": 8}])
        with in_sqlite(ledger) as connection:
            assert sqlite.signals_of(connection, "C", 7) is None
            assert sqlite.signals_of(connection, "nobody", 8) is None
            assert sqlite.signals_of(connection, "C", 8) is not None
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
        "channel": st.sampled_from(["shop", "web"]),
    },
)
_CONTACTS = st.fixed_dictionaries(
    {
        "customer_id": _CUSTOMERS,
        "day": _DAYS,
        "kind": st.sampled_from(
            ["complaint", "visit", "service", "campaign_contact", "campaign_response", "survey"]
        ),
    },
    optional={
        "topic": st.sampled_from(["quality", "contract", "transport", "service"]),
        "resolved_day": st.integers(0, 2_000),
        "satisfaction": st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0]),
        "cost": st.sampled_from([0.0, 2.5, 0.1]),
        "campaign_id": st.sampled_from(["G1", "G2"]),
    },
)
_INVOICES = st.fixed_dictionaries(
    {
        "customer_id": _CUSTOMERS,
        "invoice_id": st.sampled_from("123456"),
        "day": _DAYS,
        "due_day": st.integers(0, 1_600),
        "amount": _AMOUNTS,
    },
    optional={"disputed_day": st.integers(0, 2_000)},
)
_PAYMENTS = st.fixed_dictionaries(
    {
        "customer_id": _CUSTOMERS,
        "invoice_id": st.sampled_from("123456"),
        "day": _DAYS,
        "amount": _AMOUNTS,
    }
)
_ACQUIRED = st.fixed_dictionaries({"customer_id": _CUSTOMERS, "acquired_day": _DAYS})


@st.composite
def ledgers(draw: st.DrawFn) -> Ledger:
    """Draw a ledger with rows, or none, in every table."""
    return _ledger_of(
        order_lines=draw(st.lists(_LINES, min_size=1, max_size=60)),
        interactions=draw(st.lists(_CONTACTS, max_size=20)),
        invoices=draw(
            st.lists(
                _INVOICES, max_size=15, unique_by=lambda i: (i["customer_id"], i["invoice_id"])
            )
        ),
        payments=draw(st.lists(_PAYMENTS, max_size=15)),
        customers=draw(st.lists(_ACQUIRED, max_size=5, unique_by=lambda c: c["customer_id"])),
    )


_DAYS_KNOWN = st.sampled_from([0, 6, 365, 1_095, 1_500])


@settings(max_examples=25, deadline=None)
@given(ledger=ledgers(), as_of=_DAYS_KNOWN)
def test_engines_agree_on_any_ledger(
    assert_engines_agree: Callable[..., None], ledger: Ledger, as_of: int
) -> None:
    # The base of a rate may be what billions less billions leave: there fewer digits are certain.
    assert_engines_agree(ledger, as_of, rates=1e-6, with_spark=False)


@settings(max_examples=3, deadline=None, phases=[Phase.generate])
@given(ledger=ledgers(), as_of=_DAYS_KNOWN)
def test_spark_agrees_on_any_ledger(
    assert_engines_agree: Callable[..., None], ledger: Ledger, as_of: int
) -> None:
    """Three and not shrunk, because each takes Spark seconds, however small it is."""
    assert_engines_agree(ledger, as_of, rates=1e-6)


def _ledger(path: Path, columns: dict[str, str], **settings: str) -> Ledger:
    source = Source(path=path, columns=columns, **settings)
    raw = read(source, name=path.stem, fields=list(FIELDS["order_lines"]))
    return Ledger({"order_lines": clean(raw, source).rows})


def _ledger_of(**tables: Sequence[Row]) -> Ledger:
    ids = {"order_lines": "order_id", "interactions": "interaction_id", "payments": "payment_id"}
    rows = {
        name: [
            {ids.get(name, "row_key"): f"{n}", "row_key": b"%d" % n} | dict(row)
            for n, row in enumerate(some)
        ]
        for name, some in tables.items()
    }
    for some in rows.values():
        for n, row in enumerate(some):
            row["row_key"] = b"%d" % n
    return Ledger({n: pa.Table.from_pylist(r, TABLES[n].arrow_schema) for n, r in rows.items()})
