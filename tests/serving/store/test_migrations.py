"""Stores of earlier versions become one of today's, whole or not at all."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from serving.audit import record, verify
from serving.store import Store, StoreError, open_store
from serving.store.tables import AUDIT_LOG, METADATA, SCHEMA_VERSION
from serving.store.versions import VERSION_TABLE

_Rows = dict[str, list[dict[str, Any]]]

# Opens a store and is killed at its nth statement that lays or changes a table.
_KILLED = """
import os, signal, sys
import sqlalchemy as sa
from serving.store import open_store
left = [int(sys.argv[2])]
@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def count(connection, cursor, statement, *_):
    begin = ("CREATE", "ALTER", "INSERT", "UPDATE", "PRAGMA user_version =")
    if statement.lstrip().startswith(begin):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
open_store(sys.argv[1])
"""
_OPENED = "import sys; from serving.store import open_store; open_store(sys.argv[1]).close()"


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "postgres":
        return str(request.getfixturevalue("new_database")())
    return f"sqlite:///{tmp_path / 'worth.db'}"


@pytest.fixture
def version_2(tmp_path: Path) -> Path:
    """A store of version 2, which was before there were migrations."""
    path = tmp_path / "worth.db"
    laid = Path(__file__).with_name("version_2.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(laid)
        connection.execute("PRAGMA journal_mode = WAL")
    return path


def _address(path: Path) -> str:
    return f"sqlite:///{path}"


def _rows(path: Path) -> _Rows:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        return {
            name: sorted(map(dict, connection.execute(f"SELECT * FROM {name}")), key=repr)
            for (name,) in names.fetchall()
        }


def _version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _differences(store: Store) -> list[Any]:
    with store.reading() as connection:
        options = {"version_table": VERSION_TABLE, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, METADATA))


def _kept(rows: _Rows, before: _Rows) -> _Rows:
    """Take what was there before: the columns and tables of then."""
    return {
        name: sorted(({c: row[c] for c in then[0]} for row in rows[name]), key=repr)
        for name, then in before.items()
    }


def test_migrated_tables_are_those_of_the_program(place: str) -> None:
    with closing(open_store(place)) as store:
        assert _differences(store) == []


def test_version_2_is_upgraded_and_keeps_every_row(version_2: Path) -> None:
    before = _rows(version_2)
    assert len(before) == 11
    assert all(before.values())

    with closing(open_store(version_2)) as store:
        assert _differences(store) == []

    after = _rows(version_2)
    assert _kept(after, before) == before
    assert [row["events_upto"] for row in after["score_sets"]] == [0, 0]
    assert after[VERSION_TABLE] == [{"version_num": str(SCHEMA_VERSION)}]
    assert _version(version_2) == SCHEMA_VERSION


def test_a_new_file_is_laid_out_as_an_upgraded_one(version_2: Path, tmp_path: Path) -> None:
    def is_without_rowid(path: Path) -> dict[str, bool]:
        with closing(sqlite3.connect(path)) as connection:
            listed = connection.execute("PRAGMA table_list").fetchall()
        return {name: bool(without) for _, name, _, _, without, _ in listed}

    new = tmp_path / "new.db"
    for path in (version_2, new):
        open_store(path).close()

    assert is_without_rowid(version_2) == is_without_rowid(new)
    assert is_without_rowid(new) == is_without_rowid(new) | {
        table.name: table.dialect_options["sqlite"]["with_rowid"] is False
        for table in METADATA.sorted_tables
    }


def test_version_3_is_upgraded_and_its_audit_log_is_kept_from_then_on(
    place: str, unguard_audit_log: Callable[[Store], None]
) -> None:
    with closing(open_store(place)) as store:
        unguard_audit_log(store)
        with store.writing() as connection:
            record(connection, actor="a", action="key.created")
            connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '3'")
            if place.startswith("sqlite"):
                connection.exec_driver_sql("PRAGMA user_version = 3")
            else:
                connection.exec_driver_sql("DROP FUNCTION audit_log_kept CASCADE")

    with closing(open_store(place)) as store:
        with pytest.raises(sa.exc.IntegrityError, match="append-only"), store.writing() as again:
            again.execute(sa.delete(AUDIT_LOG))
        with store.reading() as connection:
            assert verify(connection).n == 1


@pytest.mark.parametrize("nth", [2, 7, "last"])
def test_an_upgrade_that_is_killed_leaves_version_2(version_2: Path, nth: int | str) -> None:
    before = _rows(version_2)
    moment = nth if isinstance(nth, int) else _n_steps(version_2)

    killed = subprocess.run([sys.executable, "-c", _KILLED, _address(version_2), str(moment)])

    assert killed.returncode == -signal.SIGKILL
    assert _version(version_2) == 2
    assert _rows(version_2) == before
    open_store(version_2).close()
    assert _kept(_rows(version_2), before) == before


def _n_steps(version_2: Path) -> int:
    """Count the statements of an upgrade, on a copy."""
    copy = version_2.with_name("copy.db")
    copy.write_bytes(version_2.read_bytes())
    steps = 0

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal steps
        begin = ("CREATE", "ALTER", "INSERT", "UPDATE", "PRAGMA user_version =")
        steps += statement.lstrip().startswith(begin)

    sa.event.listen(sa.Engine, "before_cursor_execute", count)
    open_store(copy).close()
    sa.event.remove(sa.Engine, "before_cursor_execute", count)
    return steps


def test_several_processes_may_open_a_new_store_at_once(place: str) -> None:
    command = [sys.executable, "-c", _OPENED, place]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]

    said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    with closing(open_store(place)) as store:
        assert _differences(store) == []


def test_several_processes_may_upgrade_at_once(version_2: Path) -> None:
    before = _rows(version_2)
    command = [sys.executable, "-c", _OPENED, _address(version_2)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]

    said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    assert _kept(_rows(version_2), before) == before


def test_a_current_store_opens_without_alembic(place: str) -> None:
    open_store(place).close()
    look = f"{_OPENED}; print('alembic' in sys.modules)"

    ran = subprocess.run(
        [sys.executable, "-c", look, place], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "False\n"


def test_a_newer_programs_database_is_refused_and_left_alone(postgres_place: str) -> None:
    with closing(open_store(postgres_place)) as store, store.writing() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '99'")

    with pytest.raises(StoreError, match=r"newer Worth \(its tables are version 99.*Update"):
        open_store(postgres_place)
    engine = sa.create_engine(sa.make_url(postgres_place).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        said = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar_one()
    engine.dispose()
    assert said == "99"
