from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from features.engines.duckdb import compute_signals
from features.ledger import Ledger, day_of
from features.pipeline import (
    DIALECTS,
    Dialect,
    known_rows_statements,
    outcomes_statement,
    signals_digest,
    signals_statement,
)
from features.schema import TABLES
from features.signals.catalogue import CATALOGUE

Row = Mapping[str, object]


class TestStatement:
    @pytest.mark.parametrize("one_customer", [False, True])
    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_parses_in_every_dialect_and_reads_nothing_but_the_ledger_and_its_parameters(
        self, dialect: Dialect, one_customer: bool
    ) -> None:
        text = signals_statement(dialect, one_customer=one_customer)
        statement = sqlglot.parse_one(text, dialect=dialect)
        assert isinstance(statement, exp.Select)
        selected = [name for name in statement.named_selects if name != "*"]
        assert selected == [n for n, s in CATALOGUE.items() if s.family != "purchase"]
        own = {part.alias for part in statement.find_all(exp.CTE)}
        assert {table.name for table in statement.find_all(exp.Table)} - own <= set(TABLES)
        named = {p.name or str(p.this) for p in statement.find_all(exp.Placeholder, exp.Parameter)}
        assert named == {"as_of"} | ({"customer_id"} if one_customer else set())

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_of_outcomes_parses_in_every_dialect(self, dialect: Dialect) -> None:
        statement = sqlglot.parse_one(outcomes_statement(dialect), dialect=dialect)
        assert statement.named_selects == [*("customer_id", "purchases", "revenue", "gross_margin")]

    def test_reads_every_table_up_to_as_of_only(self) -> None:
        """The one place where a table is read cuts it off; no family reads it by itself."""
        statement = sqlglot.parse_one(signals_statement("duckdb"), dialect="duckdb")
        read = [table for table in statement.find_all(exp.Table) if table.name in TABLES]
        assert sorted(table.name for table in read) == sorted(TABLES)
        for table in read:
            where = table.find_ancestor(exp.Select).args.get("where")
            is_dated = "day" in TABLES[table.name].names
            assert (where and where.sql("duckdb")) == ("WHERE day <= $as_of" if is_dated else None)

    def test_reads_days_that_are_learnt_later_up_to_as_of_only(self) -> None:
        statement = sqlglot.parse_one(signals_statement("duckdb"), dialect="duckdb")
        later = {c.name for t in TABLES.values() for c in t.columns if c.is_learnt_later}
        for part in statement.find_all(exp.CTE):
            if part.alias.removeprefix("known_") in TABLES:
                for column in part.this.expressions:
                    assert (column.name in later) <= isinstance(column.this, exp.Case)

    def test_digest_is_stable(self) -> None:
        assert signals_digest() == signals_digest()
        assert len(signals_digest()) == len("sha256:") + 64

    def test_pretty_says_the_same(self) -> None:
        plain, pretty = (signals_statement("sqlite", pretty=pretty) for pretty in (False, True))
        assert sqlglot.parse_one(pretty, dialect="sqlite") == sqlglot.parse_one(
            plain, dialect="sqlite"
        )


# Few customers and mostly a few weeks, so that much of it is known and much is yet to come.
_CUSTOMERS = st.sampled_from("AB")
_DAYS = st.sampled_from([*range(60), *range(60), *range(60, 1_500, 60)])
_MONEY = st.sampled_from([-20.0, -0.1, 0.0, 0.1, 10.0, 33.3])
_LATER = st.one_of(st.none(), _DAYS)


def _rows(most: int, **columns: st.SearchStrategy[object]) -> st.SearchStrategy[list[Row]]:
    named = {"customer_id": _CUSTOMERS, "day": _DAYS} | columns
    return st.lists(st.fixed_dictionaries(named), min_size=most // 2, max_size=most)


_TABLES = st.fixed_dictionaries(
    {
        "order_lines": _rows(
            30,
            order_id=st.sampled_from("123"),
            revenue=_MONEY,
            quantity=st.sampled_from([None, -1.0, 1.0, 2.0]),
            cost=st.sampled_from([None, -5.0, 0.2, 8.0]),
            discount=st.sampled_from([None, 0.0, 2.5]),
            product_id=st.sampled_from([None, "p", "q"]),
            category=st.sampled_from([None, "x", "y"]),
            channel=st.sampled_from([None, "shop", "web"]),
        ),
        "invoices": _rows(
            10,
            invoice_id=st.sampled_from("1234"),
            due_day=_DAYS,
            amount=_MONEY,
            disputed_day=_LATER,
        ),
        "payments": _rows(10, invoice_id=st.sampled_from("1234"), amount=_MONEY),
        "interactions": _rows(
            15,
            kind=st.sampled_from(
                ["complaint", "visit", "campaign_contact", "campaign_response", "survey"]
            ),
            topic=st.sampled_from([None, "quality", "service"]),
            resolved_day=_LATER,
            satisfaction=st.sampled_from([None, 0.2, 0.7, 1.0]),
            cost=st.sampled_from([None, 1.5]),
            campaign_id=st.sampled_from([None, "G"]),
        ),
        "customers": st.lists(
            st.fixed_dictionaries({"customer_id": _CUSTOMERS, "acquired_day": _LATER}),
            max_size=4,
            unique_by=lambda customer: customer["customer_id"],
        ),
    }
)


def _ledger(tables: Mapping[str, Sequence[Row]]) -> Ledger:
    ids = {"order_lines": "order_id", "payments": "payment_id", "interactions": "interaction_id"}
    return Ledger(
        {
            name: pa.Table.from_pylist(
                [
                    {"row_key": b"%d" % n, ids.get(name, "customer_id"): f"{n}"} | dict(row)
                    for n, row in enumerate(rows)
                ],
                TABLES[name].arrow_schema,
            )
            for name, rows in tables.items()
        }
    )


def _known_then(ledger: Ledger, as_of: int) -> Ledger:
    """What a company had written down by the evening of a day, told here a second time."""
    known: dict[str, list[Row]] = {}
    for name, rows in ledger.tables.items():
        known[name] = []
        for row in rows.to_pylist():
            if name == "customers" or row["day"] <= as_of:
                later = {"disputed_day", "resolved_day"} & {*row}
                learnt = {day: None for day in later if row[day] is None or row[day] > as_of}
                known[name].append({**row, **learnt})
    return _ledger(known)


@pytest.fixture(scope="module")
def superstore_on_credit(shared: Path) -> Ledger:
    """Superstore's order lines; its customers are given IBM's invoices, a few years later."""
    orders = pd.read_parquet(shared / "superstore" / "superstore_orders_9994.parquet")
    lines = pd.DataFrame(
        {
            "customer_id": orders["Customer ID"], "order_id": orders["Order ID"],
            "day": _day_numbers(orders["Order Date"]), "revenue": orders["Sales"],
            "cost": orders["Sales"] - orders["Profit"], "quantity": orders["Quantity"] * 1.0,
            "product_id": orders["Product ID"], "category": orders["Category"],
        }
    )  # fmt: skip
    given = pd.read_parquet(shared / "ibm_accounts_receivable" / "accounts_receivable.parquet")
    buyers = sorted(lines["customer_id"].unique())
    ids = {payer: buyers[n] for n, payer in enumerate(given["customerID"].unique())}
    shift = int(lines["day"].max() - _day_numbers(given["InvoiceDate"]).max())
    due, settled = (_day_numbers(given[name]) + shift for name in ("DueDate", "SettledDate"))
    invoices = pd.DataFrame(
        {
            "customer_id": given["customerID"].map(ids),
            "invoice_id": given["invoiceNumber"].astype(str),
            "day": _day_numbers(given["InvoiceDate"]) + shift,
            "due_day": due,
            "amount": given["InvoiceAmount"],
            "disputed_day": [
                day if said == "Yes" else None
                for day, said in zip(settled.tolist(), given["Disputed"], strict=True)
            ],
        },
        dtype=object,
    )
    payments = invoices.drop(columns=["due_day", "disputed_day"]).assign(day=settled)
    tables = {"order_lines": lines, "invoices": invoices, "payments": payments}
    return _ledger({name: rows.to_dict("records") for name, rows in tables.items()})


def _day_numbers(dates: pd.Series) -> pd.Series:
    return (pd.to_datetime(dates) - pd.Timestamp("1970-01-01")).dt.days


class TestPointInTime:
    @settings(max_examples=30, deadline=None)
    @given(tables=_TABLES, as_of=st.sampled_from([0, 20, 30, 40, 60, 800]))
    def test_what_happens_or_is_learnt_later_changes_nothing(
        self, tables: dict[str, list[Row]], as_of: int
    ) -> None:
        whole = _ledger(tables)
        known = _known_then(whole, as_of)
        signals = compute_signals(whole, as_of)
        pd.testing.assert_frame_equal(signals, compute_signals(known, as_of))
        assert all(rows.equals(known.tables[n]) for n, rows in whole.up_to(as_of).tables.items())

    @pytest.mark.parametrize("day", [date(1997, 1, 1), date(1997, 6, 30), date(1998, 3, 31)])
    def test_of_cdnow_holds(self, day: date, cdnow: Ledger) -> None:
        as_of = day_of(day)
        known = cdnow.up_to(as_of)
        signals = compute_signals(cdnow, as_of)
        pd.testing.assert_frame_equal(signals, compute_signals(known, as_of))
        assert len(signals) == known.n_customers

    @pytest.mark.parametrize("days_before_the_end", [0, 45, 400])
    def test_of_invoices_and_payments_holds(
        self, days_before_the_end: int, superstore_on_credit: Ledger
    ) -> None:
        as_of = superstore_on_credit.last_day - days_before_the_end
        known = _known_then(superstore_on_credit, as_of)
        signals = compute_signals(superstore_on_credit, as_of)
        pd.testing.assert_frame_equal(signals, compute_signals(known, as_of))
        assert signals["receivables"].gt(0).sum() > 40
        assert signals["disputed_share"].gt(0).any()

    def test_a_day_later_all_of_it_counts(self) -> None:
        tables: dict[str, list[Row]] = {
            "order_lines": [
                {"customer_id": "C", "day": day, "revenue": 5.0, "cost": 1.0} for day in (1, 9)
            ],
            "invoices": [
                {
                    "customer_id": "C", "invoice_id": "1", "day": 1, "due_day": 8, "amount": 5.0,
                    "disputed_day": 9,
                }
            ],
            "payments": [{"customer_id": "C", "invoice_id": "1", "day": 9, "amount": 5.0}],
            "interactions": [
                {"customer_id": "C", "day": 1, "kind": "complaint", "resolved_day": 9},
                {"customer_id": "C", "day": 9, "kind": "visit", "cost": 2.0},
            ],
        }  # fmt: skip
        names = [
            "frequency", "gross_margin", "receivables", "disputed_share", "n_complaints_open",
            "n_visits",
        ]  # fmt: skip
        (eve,), (day,) = (
            compute_signals(_ledger(tables), as_of)[names].to_numpy().tolist() for as_of in (8, 9)
        )
        assert eve == [0, 4, 5, 0, 1, 0]
        assert day == [1, 8, 0, 1, 0, 1]


def test_rows_are_read_of_the_tables_and_columns_that_the_signals_need() -> None:
    few = known_rows_statements("sqlite", ("frequency", "recency"))
    assert list(few) == ["order_lines"]
    assert "product_id" not in few["order_lines"]
    assert set(known_rows_statements("sqlite")) == set(TABLES)
    assert "product_id" in known_rows_statements("sqlite")["order_lines"]
