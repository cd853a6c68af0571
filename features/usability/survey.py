"""What the checks look at: the ledger in DuckDB, and what several of them ask of it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from features.ledger import Ledger, date_of
from features.schema import TABLES
from features.signals.catalogue import CATALOGUE
from features.usability.finding import RejectedReason

__all__ = ["Survey", "as_percent", "on_day", "signals_without", "survey_of"]

# Ids that people would take for the same: case, blanks and leading zeros aside.
_PLAIN_ID = (
    r"COALESCE(NULLIF(LTRIM(LOWER(REGEXP_REPLACE(customer_id, '[\s\p{Z}]', '', 'g')), '0'), ''), "
    "'0')"
)


@dataclass(frozen=True)
class Survey:
    """A ledger that is being checked.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Holds the tables, and three more: `buyers` (one row a customer with an order line:
        `n_orders`, `n_purchase_days`, `first_purchase_day`), `ids` (one row a table and customer
        in it: `plain_id`) and `settled` (one row an invoice: `n_payments`, `paid`, and the days).
    rows : dict of str to int
        Rows a table.
    horizon_days : int
        How far forecasts are to reach.
    today : int
        The day of the check, in days since 1970-01-01.
    days : list of (int, int)
        Days with an order line, in order, and how many orders each has.
    n_customers : int
        Customers with an order line.
    rejected : tuple of RejectedReason
        What was not loaded.
    """

    connection: duckdb.DuckDBPyConnection
    rows: dict[str, int]
    horizon_days: int
    today: int
    days: list[tuple[int, int]]
    n_customers: int
    rejected: tuple[RejectedReason, ...]

    @property
    def first_day(self) -> int:
        """The first day with an order line."""
        return self.days[0][0]

    @property
    def as_of(self) -> int:
        """The last day with an order line; without any, today."""
        return self.days[-1][0] if self.days else self.today

    def row(self, statement: str, **parameters: object) -> dict[str, Any]:
        """Ask for one row.

        Parameters
        ----------
        statement : str
            SQL of DuckDB.
        **parameters : object
            Its parameters.

        Returns
        -------
        dict of str to object
            The first row by column; empty if there is none.
        """
        rows = self.table(statement, **parameters)
        return rows[0] if rows else {}

    def table(self, statement: str, **parameters: object) -> list[dict[str, Any]]:
        """Ask for rows.

        Parameters
        ----------
        statement : str
            SQL of DuckDB.
        **parameters : object
            Its parameters.

        Returns
        -------
        list of dict of str to object
            By column.
        """
        cursor = self.connection.execute(statement, parameters)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@contextmanager
def survey_of(
    ledger: Ledger, *, horizon_days: int, today: int, rejected: Iterable[RejectedReason]
) -> Iterator[Survey]:
    """Lay a ledger out for the checks.

    Parameters
    ----------
    ledger : Ledger
        The clean tables.
    horizon_days : int
        How far forecasts are to reach.
    today : int
        The day of the check, in days since 1970-01-01.
    rejected : iterable of RejectedReason
        What was not loaded.

    Yields
    ------
    Survey
        While its connection is open.
    """
    with duckdb.connect() as connection:
        for name, table in ledger.tables.items():
            connection.register(name, table)
        _prepare(connection)
        days = connection.execute(
            "SELECT day, COUNT(*) FROM orders GROUP BY day ORDER BY day"
        ).fetchall()
        buyers = connection.execute("SELECT COUNT(*) FROM buyers").fetchall()
        yield Survey(
            connection=connection,
            rows={name: len(table) for name, table in ledger.tables.items()},
            horizon_days=horizon_days,
            today=today,
            days=[(int(day), int(n_orders)) for day, n_orders in days],
            n_customers=int(buyers[0][0]),
            rejected=tuple(sorted(rejected, key=lambda r: (-r.count, r.source, r.reason))),
        )


def _prepare(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        """
        CREATE TEMP TABLE orders AS
        SELECT customer_id, order_id, day, MAX(revenue) >= 0 AS is_purchase
        FROM order_lines
        GROUP BY customer_id, order_id, day
        """
    )
    connection.execute(
        """
        CREATE TEMP TABLE buyers AS
        SELECT
            customer_id,
            COUNT(*) AS n_orders,
            COUNT(DISTINCT day) FILTER (is_purchase) AS n_purchase_days,
            MIN(day) FILTER (is_purchase) AS first_purchase_day
        FROM orders
        GROUP BY customer_id
        """
    )
    of_each_table = " UNION ALL ".join(
        f"SELECT '{name}' AS in_table, customer_id, {_PLAIN_ID} AS plain_id "
        f"FROM (SELECT DISTINCT customer_id FROM {'buyers' if name == 'order_lines' else name})"
        for name in TABLES
    )
    connection.execute(f"CREATE TEMP TABLE ids AS {of_each_table}")
    connection.execute(
        """
        CREATE TEMP TABLE settled AS
        WITH paid AS (
            SELECT
                customer_id,
                invoice_id,
                COUNT(*) AS n_payments,
                SUM(amount) AS paid,
                MAX(day) AS last_payment_day
            FROM payments
            GROUP BY customer_id, invoice_id
        )
        SELECT
            invoices.* EXCLUDE (row_key),
            COALESCE(paid.n_payments, 0) AS n_payments,
            COALESCE(paid.paid, 0) AS paid,
            paid.last_payment_day
        FROM invoices
        LEFT JOIN paid USING (customer_id, invoice_id)
        """
    )


def as_percent(count: int, of: int) -> str:
    """Write a share for people.

    Parameters
    ----------
    count : int
        How many.
    of : int
        Of how many, more than none.

    Returns
    -------
    str
        Whole percent; never 0 or 100 unless it is none or all.

    Examples
    --------
    >>> as_percent(1, 3), as_percent(1, 1000), as_percent(999, 1000), as_percent(2, 2)
    ('33 %', '<1 %', '>99 %', '100 %')
    """
    percent = round(100 * count / of)
    if percent == 0 and count > 0:
        return "<1 %"
    return ">99 %" if percent == 100 and count < of else f"{percent} %"


def on_day(day: int) -> str:
    """Write a day of the ledger for people.

    Parameters
    ----------
    day : int
        Days since 1970-01-01.

    Returns
    -------
    str
        Year, month and day.

    Examples
    --------
    >>> on_day(0)
    '1970-01-01'
    """
    return date_of(day).isoformat()


def signals_without(table: str, column: str | None = None) -> str:
    """Name the signals that are null without a column, or without any column of a table.

    Parameters
    ----------
    table : str
        The table.
    column : str, optional
        The column; any of the table where it is not given.

    Returns
    -------
    str
        The first three names and how many more; empty if no signal needs it.

    Examples
    --------
    >>> signals_without("order_lines", "discount").split(",")[0]
    'discount_rate'
    """
    names = [
        name
        for name, signal in CATALOGUE.items()
        if any(_is_of(need, table, column) for need in signal.needs)
    ]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _is_of(need: str, table: str, column: str | None) -> bool:
    needed_table, _, needed_column = need.rpartition(".")
    return (needed_table or "order_lines") == table and column in {None, needed_column}
