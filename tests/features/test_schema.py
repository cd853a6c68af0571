import pyarrow as pa
import pytest

from features.schema import KEY_COLUMN, TABLES, Table

ALL = [pytest.param(table, id=name) for name, table in TABLES.items()]


def test_the_ledger_has_five_tables() -> None:
    assert [*TABLES] == ["order_lines", "invoices", "payments", "interactions", "customers"]
    assert all(table.name == name for name, table in TABLES.items())


@pytest.mark.parametrize("table", ALL)
def test_every_table_belongs_to_a_customer_and_says_what_a_row_is(table: Table) -> None:
    assert table.names[0] == table.key[0] == "customer_id"
    assert table.grain.startswith("one row a")
    assert len(set(table.names)) == len(table.names)


@pytest.mark.parametrize("table", ALL)
def test_a_key_is_of_required_columns(table: Table) -> None:
    required = {column.name for column in table.columns if column.required}
    assert set(table.key) <= required


@pytest.mark.parametrize("table", ALL)
def test_every_column_has_a_meaning_and_required_ones_allow_no_null(table: Table) -> None:
    assert table.arrow_schema.names == [*table.names]
    for column in table.columns:
        assert column.meaning
        assert table.arrow_schema.field(column.name).nullable != column.required


@pytest.mark.parametrize("table", ALL)
def test_a_day_is_a_date_or_is_marked_as_learnt_later(table: Table) -> None:
    """A day that may lie after the row's own would show the future."""
    days = {c.name for c in table.columns if c.name.endswith("_day") and not c.is_learnt_later}
    assert days <= {"due_day", "acquired_day"}
    assert all(c.dtype == pa.int32() for c in table.columns if c.name.endswith("day"))


def test_every_row_says_where_it_came_from() -> None:
    assert all(KEY_COLUMN in table.names for table in TABLES.values())
