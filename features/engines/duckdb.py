"""Signals in bulk: DuckDB over a ledger in memory."""

import duckdb
import pandas as pd

from features.ledger import Ledger
from features.pipeline import outcomes_statement, signals_statement
from features.signals.catalogue import as_typed

__all__ = ["compute_outcomes", "compute_signals"]


def compute_signals(ledger: Ledger, as_of: int) -> pd.DataFrame:
    """Compute every signal of every customer, as known on `as_of`.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are ignored.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.

    Returns
    -------
    DataFrame of shape (n_customers, n_signals), indexed by customer_id
        One column a signal of the catalogue, customers in the order of their ids.

    Examples
    --------
    >>> import pyarrow as pa
    >>> line = {"customer_id": "C1", "order_id": "1", "row_key": b"1", "day": 10, "revenue": 5.0}
    >>> lines = pa.Table.from_pylist([line, line | {"day": 17, "row_key": b"2", "revenue": 9.0}])
    >>> for name in ("product_id", "category", "quantity", "cost", "discount", "channel"):
    ...     lines = lines.append_column(name, pa.nulls(2))
    >>> signals = compute_signals(Ledger({"order_lines": lines}), as_of=20)
    >>> signals.loc["C1", ["frequency", "recency", "T"]].tolist()
    [1.0, 7.0, 10.0]
    """
    return as_typed(_run(signals_statement("duckdb"), ledger, as_of=as_of))


def compute_outcomes(ledger: Ledger, origin: int, horizon_days: int) -> pd.DataFrame:
    """Sum up what each customer did in the `horizon_days` after `origin`.

    Parameters
    ----------
    ledger : Ledger
        The clean tables.
    origin : int
        The last day before the window, in days since 1970-01-01.
    horizon_days : int
        Length of the window.

    Returns
    -------
    DataFrame of shape (n_customers_seen, 3), indexed by customer_id
        Columns purchases (days with a purchase), revenue (net of returns) and gross_margin (over
        the lines whose cost is known; NaN where none is).
    """
    end = origin + horizon_days
    rows = _run(outcomes_statement("duckdb"), ledger, as_of=end, origin=origin)
    outcomes = rows.set_index("customer_id").astype("float64")
    return outcomes.fillna({"purchases": 0.0})


def _run(statement: str, ledger: Ledger, **days: int) -> pd.DataFrame:
    with duckdb.connect() as connection:
        for name, table in ledger.tables.items():
            connection.register(name, table)
        # Sorting makes the result the same, row for row, however many threads computed it.
        parameters = {name: int(day) for name, day in days.items()}
        return connection.execute(f"{statement} ORDER BY customer_id", parameters).df()
