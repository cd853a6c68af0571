"""A purge leaves no copy of deleted rows in an SQLite file, and every other row."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from serving.store import SQLiteStore
from serving.store.tables import EVENTS, LEDGER

_LINES = LEDGER["order_lines"]


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
