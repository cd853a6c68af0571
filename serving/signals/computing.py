"""One customer's signals inside a request: the one SQL text, in the store or on rows in memory."""

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from features.engines import postgres, sqlite
from features.schema import TABLES, Table
from serving.store import Store
from serving.store.tables import LEDGER

__all__ = [
    "Rows",
    "SignalValues",
    "ledger_in_memory",
    "rows_in_store",
    "signals_in_store",
    "signals_of_some",
]

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows of the ledger's tables by the table's name, each with every column."""

SignalValues = dict[str, float | str | None]

_TYPES = {
    pa.string(): "TEXT",
    pa.int32(): "INTEGER",
    pa.int8(): "INTEGER",
    pa.float64(): "REAL",
    pa.binary(): "BLOB",
}
_mine = threading.local()


def signals_in_store(
    store: Store,
    connection: sa.Connection,
    customer_id: str,
    as_of: int,
    names: tuple[str, ...] | None = None,
) -> SignalValues | None:
    """Compute the signals of one customer of the store.

    Parameters
    ----------
    store : Store
        With the ledger.
    connection : sqlalchemy.Connection
        Of its `reading` or `writing`.
    customer_id : str
        Who.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.
    names : tuple of str, optional
        Which signals; all where not given.

    Returns
    -------
    dict of str to float, str or None, or None
        By the signals' names; None for a customer without a purchase.
    """
    driver = store.driver(connection)
    if connection.dialect.name == "sqlite":
        return sqlite.signals_of(driver, customer_id, as_of, names)
    return postgres.signals_of(driver, customer_id, as_of, names)


def signals_of_some(
    store: Store,
    connection: sa.Connection,
    customer_ids: Sequence[str],
    as_of: int,
    names: tuple[str, ...] | None = None,
) -> dict[str, SignalValues]:
    """Compute the signals of some customers of the store at once.

    Parameters
    ----------
    store : Store
        With the ledger.
    connection : sqlalchemy.Connection
        Of its `reading` or `writing`.
    customer_ids : sequence of str
        Who.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.
    names : tuple of str, optional
        Which signals; all where not given.

    Returns
    -------
    dict of str to dict of str to float, str or None
        Of those with a purchase, by customer and by the signals' names.
    """
    driver = store.driver(connection)
    if connection.dialect.name == "sqlite":
        return sqlite.signals_of_many(driver, customer_ids, as_of, names)
    return postgres.signals_of_many(driver, customer_ids, as_of, names)


def rows_in_store(connection: sa.Connection, customer_id: str) -> dict[str, list[dict[str, Any]]]:
    """Read what the ledger holds of one customer.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        To the store.
    customer_id : str
        Who.

    Returns
    -------
    dict of str to list of dict
        Rows by table, in the order of its key.
    """
    return {
        name: [
            dict(row._mapping)
            for row in connection.execute(
                sa.select(table)
                .where(table.c.customer_id == customer_id)
                .order_by(*(table.c[key] for key in TABLES[name].key))
            )
        ]
        for name, table in LEDGER.items()
    }


@contextmanager
def ledger_in_memory(rows: Rows) -> Iterator[sqlite3.Connection]:
    """Lay a small ledger in memory, for `features.engines.sqlite` to compute with.

    Each thread keeps one such database and the statements it has prepared, and forgets the rows.

    Parameters
    ----------
    rows : mapping of str to sequence of mapping
        Of one customer, or of a few. Of two rows with the same key the later one counts.

    Yields
    ------
    sqlite3.Connection
        To the canonical tables.
    """
    connection = _connection()
    connection.execute("BEGIN")
    try:
        for name, found in rows.items():
            if found:
                connection.executemany(_INSERT_INTO[name], map(_VALUES_OF[name], found))
        yield connection
    finally:
        connection.execute("ROLLBACK")


class _Memory(sqlite3.Connection):
    """A database that ends with the thread that keeps it, whichever thread clears that away."""

    def __del__(self) -> None:
        self.close()


def _connection() -> sqlite3.Connection:
    if not hasattr(_mine, "connection"):
        connection = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False, factory=_Memory
        )
        for table in TABLES.values():
            connection.execute(_create(table))
        _mine.connection = connection
    found: sqlite3.Connection = _mine.connection
    return found


def _create(table: Table) -> str:
    """Lay a table as the store does: sums over rows come out alike only in the same order."""
    columns = ", ".join(f"{column.name} {_TYPES[column.dtype]}" for column in table.columns)
    return (
        f"CREATE TABLE {table.name} ({columns}, PRIMARY KEY ({', '.join(table.key)})) WITHOUT ROWID"
    )


def _insert_into(table: Table) -> str:
    marks = ", ".join("?" * len(table.columns))
    return f"INSERT OR REPLACE INTO {table.name} VALUES ({marks})"


_VALUES_OF = {name: itemgetter(*table.names) for name, table in TABLES.items()}
_INSERT_INTO = {name: _insert_into(table) for name, table in TABLES.items()}
