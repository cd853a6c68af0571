from collections.abc import Callable
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.ledger import EmptyLedgerError, Ledger, date_of, day_of
from features.schema import TABLES

LedgerAt = Callable[..., Ledger]


@given(st.dates())
def test_days_and_dates_are_two_names_for_the_same(day: date) -> None:
    assert date_of(day_of(day)) == day


def test_days_are_counted_from_1970() -> None:
    assert day_of(date(1970, 1, 1)) == 0
    assert day_of(date(1969, 12, 31)) == -1


def test_a_table_that_is_not_given_is_empty() -> None:
    ledger = Ledger({})
    assert [*ledger.tables] == [*TABLES]
    assert all(len(table) == 0 for table in ledger.tables.values())


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(ValueError, match=r"holds order_lines, .*customers\. Got 'orders' as well"):
        Ledger({"orders": pa.table({})})


def test_a_table_without_one_of_its_columns_is_refused() -> None:
    lines = TABLES["order_lines"].arrow_schema.empty_table().drop(["cost"])
    with pytest.raises(ValueError, match="order_lines of a ledger lacks the column 'cost'"):
        Ledger({"order_lines": lines})


def test_columns_are_put_in_order_and_others_left_out(ledger_at: LedgerAt) -> None:
    lines = ledger_at([{"day": 1}]).order_lines
    mixed = lines.select(lines.schema.names[::-1]).append_column("more", pa.array([1]))
    assert Ledger({"order_lines": mixed}).order_lines.equals(lines)


def test_facts_of_a_ledger(ledger_at: LedgerAt) -> None:
    ledger = ledger_at([{"day": 9}, {"day": 3}, {"day": 5, "customer_id": "D"}])
    assert (ledger.first_day, ledger.last_day, ledger.n_customers) == (3, 9, 2)


def test_one_cost_makes_a_ledger_with_costs(ledger_at: LedgerAt) -> None:
    assert not Ledger({}).has_cost
    assert not ledger_at([{"day": 1}]).has_cost
    assert ledger_at([{"day": 1}, {"day": 1, "cost": 0.0}]).has_cost


@pytest.mark.parametrize("fact", ["first_day", "last_day"])
def test_an_empty_ledger_has_no_days(fact: str) -> None:
    with pytest.raises(EmptyLedgerError, match="no order lines"):
        getattr(Ledger({}), fact)


def test_up_to_keeps_the_day_itself_and_cuts_what_came_after(ledger_at: LedgerAt) -> None:
    days = [{"day": day} for day in (1, 2, 3)]
    known = ledger_at(days, days).up_to(2)
    assert known.order_lines["day"].to_pylist() == [1, 2]
    assert known.tables["interactions"]["day"].to_pylist() == [1, 2]


@pytest.mark.parametrize(
    ("name", "column"), [("invoices", "disputed_day"), ("interactions", "resolved_day")]
)
def test_up_to_forgets_days_that_were_learnt_later(name: str, column: str) -> None:
    required = {c.name: 1 if c.dtype == pa.int32() else b"1" for c in TABLES[name].columns}
    required |= {c.name: 0.5 for c in TABLES[name].columns if c.dtype == pa.float64()}
    rows = [required | {column: day} for day in (None, 5, 6)]
    ledger = Ledger({name: pa.Table.from_pylist(rows, TABLES[name].arrow_schema)})
    assert ledger.up_to(5).tables[name][column].to_pylist() == [None, 5, None]
    assert ledger.up_to(6).tables[name].equals(ledger.tables[name])


def test_up_to_leaves_the_customers_whole() -> None:
    customers = pa.Table.from_pylist(
        [{"customer_id": "C", "row_key": b"1"}], TABLES["customers"].arrow_schema
    )
    assert len(Ledger({"customers": customers}).up_to(0).tables["customers"]) == 1


def test_fingerprint_does_not_depend_on_the_order_of_rows(cdnow: Ledger) -> None:
    lines = cdnow.order_lines
    turned = lines.take(
        pc.sort_indices(lines, [("revenue", "descending"), ("row_key", "ascending")])
    )
    assert Ledger({"order_lines": turned}).fingerprint() == cdnow.fingerprint()


@pytest.mark.parametrize(
    "change", [{"revenue": 10.000000000000002}, {"day": 2}, {"cost": 0.0}, {"product_id": ""}]
)
def test_fingerprint_tells_any_other_content(
    change: dict[str, object], ledger_at: LedgerAt
) -> None:
    other, last = {"day": 4}, {"day": 1}
    assert ledger_at([other, last]).fingerprint() != ledger_at([other, last | change]).fingerprint()


def test_fingerprint_tells_one_row_less_and_one_table_more(ledger_at: LedgerAt) -> None:
    one = {"day": 1}
    ledgers = [Ledger({}), ledger_at([one]), ledger_at([one, one]), ledger_at([one], [one])]
    prints = {ledger.fingerprint() for ledger in ledgers}
    assert len(prints) == 4
    assert all(len(name) == len("sha256:") + 64 for name in prints)
