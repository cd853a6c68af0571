import os
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from features.schema import TABLES
from serving.store import SQLiteStore, StoreError
from serving.store.tables import LEDGER, METADATA

_LINE = {
    "customer_id": "A",
    "day": 1,
    "row_key": b"1",
    "order_id": "1",
    "revenue": 2.5,
    "cost": None,
}
_LINES = pa.Table.from_pylist([_LINE], TABLES["order_lines"].arrow_schema)


def _staging_files(store: SQLiteStore) -> list[Path]:
    return list(store.path.parent.glob("staging-*"))


def _insert_line(connection: sa.Connection, **changes: object) -> None:
    connection.execute(sa.insert(LEDGER["order_lines"]).values(_LINE | changes))


def _fill(connection: sa.Connection) -> None:
    connection.exec_driver_sql("PRAGMA max_page_count = 1")
    for n in range(10_000):
        _insert_line(connection, customer_id=f"C{n}", row_key=b"%d" % n)


def _files_with(store: SQLiteStore, text: str) -> list[str]:
    files = store.path.parent.glob("*")
    return [file.name for file in files if text.encode() in file.read_bytes()]


def _n_lines(connection: sa.Connection) -> int:
    table = LEDGER["order_lines"]
    return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


class TestOpen:
    def test_a_file_that_is_no_database_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "worth.db"
        for text in ("o", "orders of 2024\n", "orders of 2024\n" * 100):
            path.write_text(text)
            with pytest.raises(StoreError, match=r"file is not a database\. ") as error:
                SQLiteStore.open(path)
            assert str(path) in str(error.value)
            assert path.read_text() == text

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

    def test_opening_twice_leaves_the_first_ones_locks_alone(self, store: SQLiteStore) -> None:
        # Leaving the write-ahead mode needs the file for itself alone.
        leave = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=0)\n"
        leave += "c.execute('PRAGMA journal_mode = DELETE')"
        with closing(SQLiteStore.open(store.path, is_pooled=True)) as pooled:
            with pooled.reading() as connection:
                _n_lines(connection)
            SQLiteStore.open(store.path)

            command = [sys.executable, "-c", leave, str(store.path)]
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "database is locked" in ran.stderr

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


def test_a_database_error_is_said_without_the_statements_values(store: SQLiteStore) -> None:
    with (
        pytest.raises(StoreError, match="no such table: nowhere") as error,
        store.reading() as c,
    ):
        c.execute(sa.text("SELECT * FROM nowhere WHERE customer_id = :who"), {"who": "Ms Doe"})
    assert "Doe" not in str(error.value)


@pytest.mark.parametrize("is_kept", [True, False])
def test_no_staged_file_stays(store: SQLiteStore, is_kept: bool) -> None:
    with suppress(ZeroDivisionError), store.staged({"lines": _LINES}):
        assert _staging_files(store)
        _ = 1 / is_kept
    assert not _staging_files(store)


def test_a_pooled_store_neither_reads_nor_stages_whole_tables(store: SQLiteStore) -> None:
    with closing(SQLiteStore.open(store.path, is_pooled=True)) as pooled:
        with pytest.raises(TypeError, match="is_pooled=True cannot read or stage"):
            pooled.read_ledger()
        with pytest.raises(TypeError, match="is_pooled=True"), pooled.staged({"lines": _LINES}):
            pass


class TestIsWritable:
    def test_not_while_another_writes(self, store: SQLiteStore) -> None:
        with store.writing():
            assert not store.is_writable()
        assert store.is_writable()

    def test_not_where_the_file_is_gone(self, store: SQLiteStore) -> None:
        store.path.unlink()
        assert not store.is_writable()

    def test_not_where_it_is_no_store_any_more(self, store: SQLiteStore) -> None:
        for file in store.path.parent.glob("worth.db*"):
            file.unlink()
        store.path.write_text("orders of 2024\n" * 100)
        assert not store.is_writable()


def test_a_full_disk_is_said_and_leaves_nothing(store: SQLiteStore) -> None:
    with (
        pytest.raises(StoreError, match="did not answer: database or disk is full"),
        store.writing() as c,
    ):
        _fill(c)
    assert not len(store.read_ledger().order_lines)


class TestPurge:
    def test_an_erased_name_is_in_no_file(self, store: SQLiteStore) -> None:
        secret = "Constance-Abernathy"
        with store.writing() as connection:
            for n in range(1_000):
                _insert_line(connection, customer_id=f"C{n}", row_key=b"%d" % n)
            _insert_line(connection, customer_id=secret, row_key=b"secret")
        assert _files_with(store, secret)
        with store.writing() as connection:
            table = LEDGER["order_lines"]
            connection.execute(sa.delete(table).where(table.c.customer_id == secret))

        store.purge(["order_lines"])
        assert not _files_with(store, secret)

    def test_a_reader_that_holds_on_is_said(
        self, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("serving.store.sqlite._BUSY_TIMEOUT", 0.1)
        with closing(SQLiteStore.open(store.path, is_pooled=True)) as impatient:
            with impatient.writing() as connection:
                _insert_line(connection)
            with impatient.reading() as reader:
                _n_lines(reader)
                with pytest.raises(StoreError, match=r"a reader holds on to it\. Purge again"):
                    impatient.purge(["order_lines"])
            impatient.purge(["order_lines"])
