"""What no row of an SQLite file needs is zeroed, and every row stays."""

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from serving.store import SQLiteStore, slack
from serving.store.tables import EVENTS, LEDGER

_LINES = LEDGER["order_lines"]
_PAGE = 4_096
# Nobody's: what lies in a file of which no row speaks.
_TRACE = b"left of Erika"


def _who(number: int) -> str:
    return f"<{number:04}>"


def _line(chance: random.Random, number: int) -> dict[str, object]:
    is_long = chance.random() < 0.02
    return {
        "customer_id": _who(number),
        "day": chance.randrange(1_000),
        "row_key": chance.randbytes(16) + _who(number).encode(),
        "order_id": f"order of {_who(number)}",
        "revenue": 1.0,
        "category": _who(number) * (chance.randrange(800, 3_000) if is_long else 3),
    }


def _event(number: int, position: int) -> dict[str, object]:
    texts = dict.fromkeys(("kind", "received_at", "digest"), _who(number))
    return {"event_id": f"{position} {_who(number)}", "customer_id": _who(number), **texts}


def _live(store: SQLiteStore, chance: random.Random, *, n_customers: int) -> None:
    """Insert, change and delete at random, so that pages are divided and joined."""
    with closing(SQLiteStore.open(store.path, is_pooled=True)) as own:
        for step in range(300):
            with own.derived_writing() as connection:
                numbers = [chance.randrange(n_customers) for _ in range(30)]
                _change(connection, chance, numbers, first_position=30 * step)


def _change(
    connection: sa.Connection, chance: random.Random, numbers: list[int], *, first_position: int
) -> None:
    lines = [_line(chance, number) for number in numbers]
    connection.execute(sa.insert(_LINES), lines)
    events = [_event(number, first_position + n) for n, number in enumerate(numbers)]
    connection.execute(sa.insert(EVENTS), events)
    changed, removed = _who(numbers[0]), _who(numbers[1])
    is_late = _LINES.c.day > chance.randrange(1_000)
    longer = changed * chance.randrange(60)
    update = sa.update(_LINES).where(_LINES.c.customer_id == changed, is_late)
    connection.execute(update.values(category=longer))
    connection.execute(sa.delete(_LINES).where(_LINES.c.customer_id == removed, is_late))


def _erase(store: SQLiteStore, number: int) -> None:
    with store.writing() as connection:
        for table in (_LINES, EVENTS):
            connection.execute(sa.delete(table).where(table.c.customer_id == _who(number)))


def _bytes_of(path: Path) -> bytes:
    """Read all files of a store that nobody has open."""
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def _rows(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = (_LINES.name, EVENTS.name)
        return [row for name in tables for row in connection.execute(f"SELECT * FROM {name}")]


@pytest.mark.parametrize("seed", [1, 2])
def test_of_erased_customers_no_copy_is_left_in_pages_that_were_divided(
    store: SQLiteStore, seed: int
) -> None:
    chance = random.Random(seed)
    _live(store, chance, n_customers=300)
    erased = chance.sample(range(300), 60)
    for number in erased:
        _erase(store, number)
    before = _rows(store.path)

    store.purge([_LINES.name])

    content = _bytes_of(store.path)
    assert [number for number in erased if _who(number).encode() in content] == []
    assert _rows(store.path) == before
    assert sum(_who(number).encode() in content for number in range(300)) > 200


@pytest.fixture
def lived(store: SQLiteStore) -> SQLiteStore:
    """A store whose pages have gaps, free blocks and free pages."""
    _live(store, random.Random(3), n_customers=100)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("CREATE TABLE former (text)")
        connection.execute("INSERT INTO former VALUES (?)", (b"former" * 10_000,))
        connection.execute("DROP TABLE former")
        assert connection.execute("PRAGMA freelist_count").fetchone()[0] > 10
        connection.execute("DELETE FROM order_lines WHERE day % 5 = 0")
    return store


def _gaps(path: Path) -> Iterator[int]:
    """Find where in the file a page of rows has room for the trace."""
    content = path.read_bytes()
    for place in range(_PAGE, len(content), _PAGE):
        if content[place] in (10, 13):
            gap = place + 8 + 2 * int.from_bytes(content[place + 3 : place + 5], "big")
            if place + int.from_bytes(content[place + 5 : place + 7], "big") > gap + len(_TRACE):
                yield gap


def _plant_trace(path: Path) -> int:
    """Leave the trace wherever there is room for it, and tell in how many places."""
    gaps = list(_gaps(path))
    with path.open("r+b") as file:
        for gap in gaps:
            os.pwrite(file.fileno(), _TRACE, gap)
    return len(gaps)


def test_gaps_free_blocks_and_free_pages_are_zeroed_and_rows_are_not(lived: SQLiteStore) -> None:
    before = _rows(lived.path)
    assert _plant_trace(lived.path) > 20
    assert b"former" in lived.path.read_bytes()
    assert _rows(lived.path) == before

    assert slack.zero_slack(lived.path, patience=1) == 0

    content = _bytes_of(lived.path)
    assert _TRACE not in content
    assert content.count(b"former") == 0
    assert _rows(lived.path) == before
    # Nothing is left to do: a second time writes nothing but the mark that it was there.
    assert slack.zero_slack(lived.path, patience=1) == 0
    assert lived.path.read_bytes()[_PAGE:] == content[_PAGE:]


def test_a_file_of_another_layout_is_left_alone_and_written_anew(lived: SQLiteStore) -> None:
    with closing(sqlite3.connect(lived.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = FULL")
        connection.execute("VACUUM")
    assert _plant_trace(lived.path) > 20

    assert slack.zero_slack(lived.path, patience=1) == slack.UNFIT
    assert _TRACE in lived.path.read_bytes()
    lived.purge([_LINES.name])
    assert _TRACE not in _bytes_of(lived.path)


def test_where_no_process_can_be_started_the_file_is_written_anew(
    lived: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _plant_trace(lived.path) > 20
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    lived.purge([_LINES.name])
    assert _TRACE not in _bytes_of(lived.path)


def test_a_writer_who_does_not_end_is_waited_for_and_then_told(lived: SQLiteStore) -> None:
    command = [sys.executable, "-I", slack.__file__, str(lived.path), "0.1"]
    with lived.writing():
        assert subprocess.run(command, check=False).returncode == slack.BUSY
    assert subprocess.run(command, check=False).returncode == 0


def test_others_read_and_write_meanwhile_and_nothing_is_lost(lived: SQLiteStore) -> None:
    written, is_over = [0] * 3, threading.Event()

    def write(nth: int, chance: random.Random) -> None:
        with closing(SQLiteStore.open(lived.path, is_pooled=True)) as own:
            while not is_over.is_set():
                with own.writing() as connection:
                    connection.execute(sa.insert(_LINES), _line(chance, 500 + nth))
                written[nth] += 1
                with own.reading() as connection:
                    connection.execute(sa.select(sa.func.count()).select_from(_LINES)).scalar()

    before = len(_rows(lived.path))
    threads = [threading.Thread(target=write, args=(n, random.Random(n))) for n in range(3)]
    with contextlib.ExitStack() as until:
        until.callback(lambda: [thread.join() for thread in threads])
        until.callback(is_over.set)
        for thread in threads:
            thread.start()
        for _ in range(8):
            lived.purge([_LINES.name])

    assert min(written) > 0
    assert len(_rows(lived.path)) == before + sum(written)
