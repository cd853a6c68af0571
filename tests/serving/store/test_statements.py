"""Statements by the driver itself, on either database."""

from typing import Any

import pytest
import sqlalchemy as sa

from serving.events.among import among
from serving.events.publishing import is_newer
from serving.store import Store, StoreError, UnstorableError
from serving.store.statements import insert_rows, select_rows, write_rows
from serving.store.tables import EVENTS, LEDGER, UNSCORED
from serving.store.upsert import upsert

_NEW = sa.insert(UNSCORED)
_FOUND = (
    sa.select(UNSCORED.c.customer_id, UNSCORED.c.position)
    .where(among(UNSCORED.c.customer_id, "customers"), UNSCORED.c.position > 1)
    .order_by(UNSCORED.c.position)
)
_ROWS: list[dict[str, Any]] = [{"customer_id": f"C-{n}", "position": n} for n in range(4)]


def _fail_after_writing(connection: sa.Connection) -> None:
    write_rows(connection, _NEW, _ROWS)
    assert connection.execute(sa.select(sa.func.count()).select_from(UNSCORED)).scalar() == 4
    raise ZeroDivisionError


@pytest.mark.parametrize("n_rows", [1, 4])
def test_what_is_written_is_selected(store: Store, n_rows: int) -> None:
    with store.writing() as connection:
        write_rows(connection, _NEW, _ROWS[-n_rows:])
    with store.reading() as connection:
        found = list(select_rows(connection, _FOUND, customers=["C-0", "C-2", "C-3"]))
    assert found == [("C-2", 2), ("C-3", 3)][-n_rows:]


def test_rows_are_in_the_transaction_of_the_connection(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.writing() as connection:
        _fail_after_writing(connection)
    with store.reading() as connection:
        assert list(select_rows(connection, _FOUND, customers=["C-2"])) == []


def test_what_is_inserted_together_is_numbered_in_its_order(store: Store) -> None:
    ids = [f"e-{n}" for n in (3, 1, 2)]
    rest = {"kind": "order", "customer_id": 'a "C", {1}', "received_at": "now", "digest": ""}
    with store.writing() as connection:
        insert_rows(connection, sa.insert(EVENTS), [{"event_id": one} | rest for one in ids])
    with store.reading() as connection:
        rows = connection.execute(sa.select(EVENTS).order_by(EVENTS.c.position)).all()
    assert [(row.event_id, row.customer_id) for row in rows] == [
        (one, rest["customer_id"]) for one in ids
    ]


def test_nulls_and_bytes_are_inserted_as_they_are(store: Store) -> None:
    lines = LEDGER["order_lines"]
    row = dict.fromkeys(lines.c.keys()) | {"customer_id": "A", "day": 1, "revenue": 0.1 + 0.2}
    rows = [row | {"row_key": bytes([n, 92, 0]), "order_id": f"{n}"} for n in range(3)]
    rows[1] |= {"quantity": 3.0, "channel": "NULL"}
    with store.writing() as connection:
        insert_rows(connection, sa.insert(lines), rows)
    with store.reading() as connection:
        found = connection.execute(sa.select(lines).order_by(lines.c.order_id)).mappings()
        assert [dict(line) for line in found] == rows


def test_an_upsert_of_several_rows_changes_what_is_older(store: Store) -> None:
    later = [row | {"position": at} for row, at in zip(_ROWS, (9, 0, 9, 0), strict=True)]
    with store.writing() as connection:
        insert_rows(connection, upsert(connection, UNSCORED, only_where=is_newer), _ROWS)
        insert_rows(connection, upsert(connection, UNSCORED, only_where=is_newer), later)
        asked = [row["customer_id"] for row in _ROWS]
        found = dict(select_rows(connection, _FOUND, customers=asked))
    assert found == {"C-0": 9, "C-2": 9, "C-3": 3}


def test_what_the_driver_says_is_said_plainly(store: Store) -> None:
    gone = sa.select(sa.table("gone", sa.column("n")))
    is_sqlite = store.engine.dialect.name == "sqlite"
    driver: Any = store.engine.dialect.loaded_dbapi
    # As through SQLAlchemy: what was asked wrongly is the caller's to answer for.
    with (
        pytest.raises(StoreError if is_sqlite else driver.ProgrammingError, match="gone"),
        store.reading() as connection,
    ):
        select_rows(connection, gone)
    with pytest.raises(driver.IntegrityError), store.writing() as connection:
        write_rows(connection, _NEW, _ROWS[:1] * 2)


def test_a_pipeline_gives_the_rows_of_each_statement_and_its_failure(store: Store) -> None:
    driver: Any = store.engine.dialect.loaded_dbapi
    with store.writing() as connection, store.pipelined(connection):
        write_rows(connection, _NEW, _ROWS)
        some, others = (select_rows(connection, _FOUND, customers=[who]) for who in ("C-2", "C-3"))
        assert [*others, *some] == [("C-3", 3), ("C-2", 2)]
    with (
        pytest.raises(driver.IntegrityError),
        store.writing() as connection,
        store.pipelined(connection),
    ):
        write_rows(connection, _NEW, _ROWS[:1])


def test_a_value_that_cannot_be_held_is_refused(store: Store) -> None:
    if store.engine.dialect.name == "sqlite":  # It holds whatever it is given.
        return
    with pytest.raises(UnstorableError, match="NUL"), store.writing() as connection:
        write_rows(connection, _NEW, [{"customer_id": "a\0b", "position": 1}])
