"""What a store does on either database."""

import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from features.ledger import EmptyLedgerError
from features.schema import TABLES
from serving.store import Store, StoreError
from serving.store.tables import INGESTS, LEDGER, METADATA

_LINE = {
    "customer_id": "A",
    "day": 1,
    "row_key": b"1",
    "order_id": "1",
    "revenue": 2.5,
    "cost": None,
}
_SCHEMA = TABLES["order_lines"].arrow_schema
_LINES = pa.Table.from_pylist([_LINE], _SCHEMA)
_TABLE = LEDGER["order_lines"]


def _insert_line(connection: sa.Connection, **changes: object) -> None:
    connection.execute(sa.insert(_TABLE).values(_LINE | changes))


def _fail_after_inserting(connection: sa.Connection) -> None:
    _insert_line(connection)
    raise ZeroDivisionError


def _n_lines(connection: sa.Connection) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(_TABLE)).scalar_one()


def _keep(store: Store, lines: pa.Table) -> None:
    with store.staged({"lines": lines}) as (connection, staged):
        rows = sa.select(*(staged["lines"].c[name] for name in _SCHEMA.names))
        connection.execute(sa.insert(_TABLE).from_select(_SCHEMA.names, rows))


def _address(store: Store) -> str:
    return store.engine.url.render_as_string(hide_password=False)


def test_a_new_store_has_every_table(store: Store) -> None:
    with store.reading() as connection:
        assert set(sa.inspect(connection).get_table_names()) >= set(METADATA.tables)


class TestTransactions:
    def test_a_reader_keeps_seeing_the_state_it_began_with(self, store: Store) -> None:
        with store.reading() as reader:
            assert _n_lines(reader) == 0
            with store.writing() as writer:
                _insert_line(writer)
            assert _n_lines(reader) == 0
        with store.reading() as reader:
            assert _n_lines(reader) == 1

    def test_a_failed_block_leaves_nothing(self, store: Store) -> None:
        with pytest.raises(ZeroDivisionError), store.writing() as connection:
            _fail_after_inserting(connection)

        with store.reading() as connection:
            assert _n_lines(connection) == 0

    def test_what_is_there_already_stays_the_callers_to_answer(self, store: Store) -> None:
        with store.writing() as connection:
            _insert_line(connection)

        with pytest.raises(sa.exc.IntegrityError), store.writing() as connection:
            _insert_line(connection)

    def test_text_is_sorted_by_its_bytes(self, store: Store) -> None:
        ids = ["Z", "a", "É", "10", "9", "a b", "aa", "中"]
        with store.writing() as connection:
            for n, who in enumerate(ids):
                _insert_line(connection, customer_id=who, row_key=b"%d" % n)
        who = _TABLE.c.customer_id

        with store.reading() as connection:
            found = list(connection.execute(sa.select(who).order_by(who)).scalars())
            after = connection.execute(sa.select(who).where(who > "a").order_by(who)).scalars()
            assert found == sorted(ids, key=str.encode)
            assert list(after) == found[found.index("a") + 1 :]

    def test_the_drivers_connection_is_in_the_same_transaction(self, store: Store) -> None:
        with store.writing() as connection:
            _insert_line(connection)
            count = store.driver(connection).execute("SELECT COUNT(*) FROM order_lines")
            assert count.fetchone() == (1,)

    def test_a_lock_is_held_as_often_as_one_likes(self, store: Store) -> None:
        with store.writing() as connection:
            store.lock(connection, "events", is_shared=True)
            store.lock(connection, "events")
            _insert_line(connection)

    def test_a_store_is_writable(self, store: Store) -> None:
        assert store.is_writable()
        with store.reading() as connection:
            assert _n_lines(connection) == 0


def test_what_is_deleted_can_be_purged(store: Store) -> None:
    with store.writing() as connection:
        _insert_line(connection)
        _insert_line(connection, customer_id="B", row_key=b"2")
    with store.writing() as connection:
        connection.execute(sa.delete(_TABLE).where(_TABLE.c.customer_id == "B"))

    store.purge(["order_lines", "scores"])
    assert store.read_ledger().order_lines.to_pylist() == _LINES.to_pylist()


class TestStaged:
    def test_all_is_kept(self, store: Store) -> None:
        _keep(store, _LINES)
        assert store.read_ledger().order_lines.to_pylist() == _LINES.to_pylist()

    def test_or_nothing(self, store: Store) -> None:
        with pytest.raises(ZeroDivisionError), store.staged({"lines": _LINES}) as (connection, _):
            _fail_after_inserting(connection)

        assert not len(store.read_ledger().order_lines)

    def test_the_same_store_can_stage_again_after_a_failure(self, store: Store) -> None:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError), store.staged({"lines": _LINES}):
                _ = 1 / 0
        with store.staged({"lines": _LINES}) as (connection, staged):
            assert connection.execute(sa.select(staged["lines"].c.customer_id)).scalar() == "A"

    def test_a_table_without_rows_is_laid_too(self, store: Store) -> None:
        with store.staged({"lines": _SCHEMA.empty_table()}) as (connection, staged):
            assert connection.execute(sa.select(staged["lines"].c.customer_id)).all() == []

    def test_every_type_comes_back_as_it_went(self, store: Store) -> None:
        row = _LINE | {"row_key": b"\x00\xff'", "product_id": "50 %, 'quoted' \\ \n\t, 中文 🙂"}
        lines = pa.Table.from_pylist([row, _LINE | {"product_id": "", "revenue": -0.1}], _SCHEMA)

        _keep(store, lines)
        assert store.read_ledger().order_lines.sort_by("product_id").to_pylist() == (
            lines.sort_by("product_id").to_pylist()
        )


class TestReadTables:
    def test_empty_tables_have_their_types(self, store: Store) -> None:
        tables = store.read_ledger().tables

        assert {name: table.schema for name, table in tables.items()} == {
            name: table.arrow_schema for name, table in TABLES.items()
        }

    def test_a_column_of_nulls_has_its_type(self, store: Store) -> None:
        with store.writing() as connection:
            _insert_line(connection)
            _insert_line(connection, row_key=b"2")

        lines = store.read_ledger().order_lines
        assert lines.schema == _LINES.schema
        assert lines["cost"].null_count == len(lines) == 2

    def test_a_statement_may_name_any_text(self, store: Store) -> None:
        odd = "100 % of 'a:b' \\"
        with store.writing() as connection:
            _insert_line(connection, customer_id=odd)
            _insert_line(connection, row_key=b"2")

        statement = sa.select(_TABLE.c.order_id).where(_TABLE.c.customer_id == odd)
        schema = pa.schema([("order_id", pa.string())])
        assert len(store.read_tables({"found": (statement, schema)})["found"]) == 1

    def test_all_come_from_one_state(self, store: Store) -> None:
        # Another process, because two SQLite libraries in one must not have the same file open.
        write = (
            "import sys, sqlalchemy as sa; from serving.store import open_store\n"
            "from serving.store.tables import INGESTS\n"
            "with open_store(sys.argv[1]).writing() as connection:\n"
            "    texts = dict.fromkeys(('source', 'table_name', 'loaded_at', 'reading'), 'x')\n"
            "    counts = dict.fromkeys(('n_read', 'n_rejected', 'n_new', 'n_changed'), 0)\n"
            "    connection.execute(sa.insert(INGESTS).values(**texts, **counts))\n"
        )

        class WrittenMeanwhile(dict[str, Any]):
            def items(self) -> Any:
                first, second = super().items()
                yield first
                subprocess.run([sys.executable, "-c", write, _address(store)], check=True)
                yield second

        statement = (sa.select(INGESTS.c.source), pa.schema([("source", pa.string())]))
        both = store.read_tables(WrittenMeanwhile(before=statement, after=statement))

        assert [len(table) for table in both.values()] == [0, 0]
        assert len(store.read_tables({"now": statement})["now"]) == 1

    def test_a_failing_statement_is_said_without_its_values(self, store: Store) -> None:
        nowhere = sa.select(sa.column("x")).select_from(sa.table("nowhere"))
        statement = nowhere.where(sa.column("x") == "Ms Doe")

        with pytest.raises(StoreError, match="nowhere") as error:
            store.read_tables({"lost": (statement, pa.schema([("x", pa.string())]))})
        assert "Doe" not in str(error.value)

    def test_a_store_without_orders_has_no_last_day(self, store: Store) -> None:
        with pytest.raises(EmptyLedgerError):
            store.last_day()
