"""Signals of one customer inside a request, or of a few: the same text on the store's SQLite."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import adbc_driver_sqlite.dbapi as adbc
import pandas as pd
import pyarrow as pa

from features.engines import fetched
from features.ledger import Ledger
from features.pipeline import known_rows_statements, signals_statement
from features.schema import TABLES
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
    connection: sqlite3.Connection,
    customer_id: str,
    as_of: int,
    names: tuple[str, ...] | None = None,
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
    names : tuple of str, optional
        Which signals; all where not given.

    Returns
    -------
    dict of str to float, str or None, or None
        By the signals' names; None for a customer without a purchase.
    """
    statement = signals_statement("sqlite", names=names, one_customer=True)
    parameters = {"as_of": int(as_of), "customer_id": customer_id}
    row = connection.execute(statement, parameters).fetchone()
    return None if row is None else as_values(row, names)


def signals_of_many(
    connection: sqlite3.Connection,
    customer_ids: Sequence[str],
    as_of: int,
    names: tuple[str, ...] | None = None,
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
    names : tuple of str, optional
        Which signals; all where not given.

    Returns
    -------
    dict of str to dict of str to float, str or None
        By customer and signal, as `signals_of` gives them one by one; who has bought nothing is
        not in it.
    """
    parameters = {"as_of": int(as_of), "customers": json.dumps(list(customer_ids))}
    if len(customer_ids) >= fetched.WORTH_FETCHING:
        rows = {
            name: _known_rows(connection, name, statement, parameters)
            for name, statement in known_rows_statements("sqlite", names).items()
        }
        return fetched.signals_of_rows(rows, as_of, names)
    found = connection.execute(
        signals_statement("sqlite", names=names, some_customers=True), parameters
    )
    return {row[0]: as_values(row, names) for row in found}


def _known_rows(
    connection: sqlite3.Connection, name: str, statement: str, parameters: Mapping[str, Any]
) -> pa.Table:
    cursor = connection.execute(statement, parameters)
    types = TABLES[name].arrow_schema
    schema = pa.schema([types.field(column[0]) for column in cursor.description])
    columns = list(zip(*cursor, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(*pair) for pair in zip(columns, schema.types, strict=True)], schema)


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
