"""Signals of one customer inside a request: the same text on the store's SQLite."""

import sqlite3

import pandas as pd

from features.pipeline import signals_statement
from features.signals.catalogue import as_typed

__all__ = ["compute_signals"]


def compute_signals(
    connection: sqlite3.Connection, as_of: int, customer_id: str | None = None
) -> pd.DataFrame:
    """Compute every signal of one customer, or of all, as known on `as_of`.

    Parameters
    ----------
    connection : sqlite3.Connection
        To a database that holds the canonical tables.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.
    customer_id : str, optional
        The customer; all of them where it is not given.

    Returns
    -------
    DataFrame of shape (n_customers, n_signals), indexed by customer_id
        As the bulk engine returns it; no row for a customer without a purchase.
    """
    statement = signals_statement("sqlite", one_customer=customer_id is not None)
    parameters: dict[str, int | str] = {"as_of": int(as_of)}
    if customer_id is not None:
        parameters |= {"customer_id": customer_id}
    cursor = connection.execute(statement, parameters)
    names = [column[0] for column in cursor.description]
    return as_typed(pd.DataFrame(cursor.fetchall(), columns=names)).sort_index()
