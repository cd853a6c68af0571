import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from features.ledger import EmptyLedgerError
from features.schema import TABLES
from serving.store import SQLiteStore, StoreError
from serving.store.tables import INGESTS, LEDGER, METADATA

_LINE = {
    "customer_id": "A",
    "day": 1,
    "row_key": b"1",
    "order_id": "1",
    "revenue": 2.5,
    "cost": None,
}
_LINES = pa.Table.from_pylist([_LINE], TABLES["order_lines"].arrow_schema)
_ALL_LINES = {"lines": (sa.select(LEDGER["order_lines"]), _LINES.schema)}


def _staging_files(store: SQLiteStore) -> list[Path]:
    return list(store.path.parent.glob("staging-*"))


def _insert_line(connection: sa.Connection, **changes: object) -> None:
    connection.execute(sa.insert(LEDGER["order_lines"]).values(_LINE | changes))


def _fail_after_inserting(connection: sa.Connection) -> None:
    _insert_line(connection)
    raise ZeroDivisionError


def _n_lines(connection: sa.Connection) -> int:
    table = LEDGER["order_lines"]
    return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


class TestOpen:
    def test_a_file_that_is_no_database_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "worth.db"
        path.write_text("orders of 2024\n" * 100)

        with pytest.raises(StoreError, match=r"worth\.db cannot be opened as a store: file is not"):
            SQLiteStore.open(path)

    def test_a_newer_programs_store_is_refused_and_left_alone(self, store: SQLiteStore) -> None:
        with store.writing() as connection:
            connection.exec_driver_sql("PRAGMA user_version = 99")

        with pytest.raises(StoreError, match=r"newer Worth \(its tables are version 99.*Update"):
            SQLiteStore.open(store.path)
        with store.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA user_version").scalar_one() == 99

    def test_an_older_programs_store_is_refused_and_left_alone(self, store: SQLiteStore) -> None:
        with store.writing() as connection:
            connection.exec_driver_sql("PRAGMA user_version = 1")

        with pytest.raises(StoreError, match=r"older Worth .* Choose another WORTH_HOME and load"):
            SQLiteStore.open(store.path)
        with store.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA user_version").scalar_one() == 1

    def test_a_file_where_the_folder_should_be_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "home").write_text("")

        with pytest.raises(StoreError, match="Point WORTH_HOME to a folder"):
            SQLiteStore.open(tmp_path / "home" / "worth.db")

    def test_a_new_store_has_every_table_and_writes_ahead(self, store: SQLiteStore) -> None:
        with store.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
            assert set(sa.inspect(connection).get_table_names()) >= set(METADATA.tables)

    def test_opening_twice_keeps_what_is_in_it(self, store: SQLiteStore) -> None:
        with store.writing() as connection:
            _insert_line(connection)

        with SQLiteStore.open(store.path).reading() as connection:
            assert _n_lines(connection) == 1

    def test_what_a_dead_process_left_staged_is_swept_and_no_more(self, store: SQLiteStore) -> None:
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        key = "0" * 32
        left = [f"staging-{dead.pid}-{key}.db", f"staging-{dead.pid}-{key}.db-journal"]
        others = [f"staging-{os.getpid()}-{key}.db", "staging-area.db"]
        for name in [*left, *others]:
            (store.path.parent / name).touch()

        SQLiteStore.open(store.path)

        assert sorted(file.name for file in _staging_files(store)) == sorted(others)


class TestTransactions:
    def test_a_reader_keeps_seeing_the_state_it_began_with(self, store: SQLiteStore) -> None:
        with store.reading() as reader:
            assert _n_lines(reader) == 0
            with store.writing() as writer:
                _insert_line(writer)
            assert _n_lines(reader) == 0
        with store.reading() as reader:
            assert _n_lines(reader) == 1

    def test_a_failed_block_leaves_nothing(self, store: SQLiteStore) -> None:
        with pytest.raises(ZeroDivisionError), store.writing() as connection:
            _fail_after_inserting(connection)

        with store.reading() as connection:
            assert _n_lines(connection) == 0

    def test_a_database_error_is_said_without_the_statements_values(
        self, store: SQLiteStore
    ) -> None:
        with (
            pytest.raises(StoreError, match="no such table: nowhere") as error,
            store.reading() as c,
        ):
            c.execute(sa.text("SELECT * FROM nowhere WHERE customer_id = :who"), {"who": "Ms Doe"})
        assert "Doe" not in str(error.value)


class TestStaged:
    def test_all_is_kept(self, store: SQLiteStore) -> None:
        with store.staged({"lines": _LINES}) as (connection, staged):
            rows = sa.select(*(staged["lines"].c[name] for name in _LINES.schema.names))
            connection.execute(
                sa.insert(LEDGER["order_lines"]).from_select(_LINES.schema.names, rows)
            )

        assert store.read_ledger().order_lines.to_pylist() == _LINES.to_pylist()
        assert not _staging_files(store)

    def test_or_nothing(self, store: SQLiteStore) -> None:
        with pytest.raises(ZeroDivisionError), store.staged({"lines": _LINES}) as (connection, _):
            _fail_after_inserting(connection)

        assert not len(store.read_ledger().order_lines)
        assert not _staging_files(store)

    def test_the_same_store_can_stage_again_after_a_failure(self, store: SQLiteStore) -> None:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError), store.staged({"lines": _LINES}):
                _ = 1 / 0
        with store.staged({"lines": _LINES}) as (connection, staged):
            assert connection.execute(sa.select(staged["lines"].c.customer_id)).scalar() == "A"


class TestReadTables:
    def test_empty_tables_have_their_types(self, store: SQLiteStore) -> None:
        tables = store.read_ledger().tables

        assert {name: table.schema for name, table in tables.items()} == {
            name: table.arrow_schema for name, table in TABLES.items()
        }

    def test_a_column_of_nulls_has_its_type(self, store: SQLiteStore) -> None:
        with store.writing() as connection:
            _insert_line(connection)
            _insert_line(connection, row_key=b"2")

        lines = store.read_tables(_ALL_LINES)["lines"]
        assert lines.schema == _LINES.schema
        assert lines["cost"].null_count == len(lines) == 2

    def test_all_come_from_one_state(self, store: SQLiteStore) -> None:
        # Another process, because two SQLite libraries in one must not have the same file open.
        write = "INSERT INTO ingests VALUES (1, 'x', 'x', 'x', 'x', 0, 0, 0, 0)"
        command = f"import sqlite3; c = sqlite3.connect({str(store.path)!r}); c.execute({write!r})"

        class WrittenMeanwhile(dict[str, Any]):
            def items(self) -> Any:
                first, second = super().items()
                yield first
                subprocess.run([sys.executable, "-c", f"{command}; c.commit()"], check=True)
                yield second

        statement = (sa.select(INGESTS.c.source), pa.schema([("source", pa.string())]))
        both = store.read_tables(WrittenMeanwhile(before=statement, after=statement))

        assert [len(table) for table in both.values()] == [0, 0]
        assert sqlite3.connect(store.path).execute("SELECT COUNT(*) FROM ingests").fetchone() == (
            1,
        )

    def test_a_store_without_orders_has_no_last_day(self, store: SQLiteStore) -> None:
        with pytest.raises(EmptyLedgerError):
            store.last_day()
