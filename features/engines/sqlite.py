"""Signals of one customer inside a request: the same text on the store's SQLite."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import adbc_driver_sqlite.dbapi as adbc
import pandas as pd

from features.ledger import Ledger
from features.pipeline import signals_statement
from features.signals.catalogue import as_typed, as_values

__all__ = ["compute_signals", "lay_ledger", "signals_of", "signals_of_many"]


def compute_signals(connection: sqlite3.Connection, as_of: int) -> pd.DataFrame:
    """Compute every signal of every customer, as known on `as_of`.

    Parameters
    ----------
    connection : sqlite3.Connection
        To a database that holds the canonical tables.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.

    Returns
    -------
    DataFrame of shape (n_customers, n_signals), indexed by customer_id
        As the bulk engine returns it.
    """
    cursor = connection.execute(signals_statement("sqlite"), {"as_of": int(as_of)})
    names = [column[0] for column in cursor.description]
    return as_typed(pd.DataFrame(cursor.fetchall(), columns=names)).sort_index()


def signals_of(
    connection: sqlite3.Connection, customer_id: str, as_of: int
) -> dict[str, float | str | None] | None:
    """Compute every signal of one customer, as known on `as_of`.

    Parameters
    ----------
    connection : sqlite3.Connection
        To a database that holds the canonical tables, sorted by customer. It keeps the statement
        it has prepared, so asking it again is faster.
    customer_id : str
        The customer.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.

    Returns
    -------
    dict of str to float, str or None, or None
        By the signals' names; None for a customer without a purchase.
    """
    statement = signals_statement("sqlite", one_customer=True)
    parameters = {"as_of": int(as_of), "customer_id": customer_id}
    row = connection.execute(statement, parameters).fetchone()
    return None if row is None else as_values(row)


def signals_of_many(
    connection: sqlite3.Connection, customer_ids: Sequence[str], as_of: int
) -> dict[str, dict[str, float | str | None]]:
    """Compute every signal of some customers at once, as known on `as_of`.

    Parameters
    ----------
    connection : sqlite3.Connection
        To a database that holds the canonical tables, sorted by customer.
    customer_ids : sequence of str
        The customers.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.

    Returns
    -------
    dict of str to dict of str to float, str or None
        By customer and signal, as `signals_of` gives them one by one; who has bought nothing is
        not in it.
    """
    statement = signals_statement("sqlite", some_customers=True)
    parameters = {"as_of": int(as_of), "customers": json.dumps(list(customer_ids))}
    rows = connection.execute(statement, parameters)
    return {row[0]: as_values(row) for row in rows}


def lay_ledger(ledger: Ledger, path: Path) -> None:
    """Write a ledger into a new SQLite file.

    Parameters
    ----------
    ledger : Ledger
        The clean tables.
    path : Path
        The file, which must not be there yet.
    """
    with closing(adbc.connect(str(path))) as connection, connection.cursor() as cursor:
        for name, table in ledger.tables.items():
            cursor.adbc_ingest(name, table, mode="create")
        connection.commit()
