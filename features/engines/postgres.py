"""The same text on PostgreSQL: one customer inside a request, or all of them."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from features.engines import fetched
from features.ledger import Ledger
from features.pipeline import known_rows_statements, signals_statement
from features.schema import TABLES
from features.signals.catalogue import as_typed, as_values

if TYPE_CHECKING:  # An optional group: whoever has a connection has the driver.
    import psycopg

__all__ = ["compute_signals", "lay_ledger", "prepare", "signals_of", "signals_of_many"]

_SQL_TYPES = {
    pa.string(): "text",
    pa.int32(): "integer",
    pa.int8(): "smallint",
    pa.float64(): "double precision",
}
_FOR_MANY = "SELECT " + ", ".join(
    f"set_config('{name}', '{value}', true)"
    for name, value in {
        "plan_cache_mode": "force_custom_plan",
        "enable_hashjoin": "on",
        "enable_mergejoin": "on",
    }.items()
)


def prepare(connection: "psycopg.Connection[Any]") -> None:
    """Make a connection ready to answer for one customer quickly.

    Planning the statement takes longer than running it, so it is planned once for all customers;
    compiling it (JIT) would take longer still. What is joined is one row or a few, for which loops
    are faster than the hash tables and sorts that the planner likes better.

    Parameters
    ----------
    connection : psycopg.Connection
        On which `signals_of` will be asked many times.
    """
    for setting in (
        "plan_cache_mode = force_generic_plan",
        "jit = off",
        "enable_hashjoin = off",
        "enable_mergejoin = off",
    ):
        connection.execute(f"SET {setting}")


def compute_signals(connection: "psycopg.Connection[Any]", as_of: int) -> pd.DataFrame:
    """Compute every signal of every customer, as known on `as_of`.

    Parameters
    ----------
    connection : psycopg.Connection
        To a database that holds the canonical tables.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.

    Returns
    -------
    DataFrame of shape (n_customers, n_signals), indexed by customer_id
        As the bulk engine returns it.
    """
    statement = signals_statement("postgres")
    cursor = connection.execute(statement, {"as_of": int(as_of)})
    names = [column.name for column in cursor.description or ()]
    return as_typed(pd.DataFrame(cursor.fetchall(), columns=names)).sort_index()


def signals_of(
    connection: "psycopg.Connection[Any]",
    customer_id: str,
    as_of: int,
    names: tuple[str, ...] | None = None,
) -> dict[str, float | str | None] | None:
    """Compute every signal of one customer, as known on `as_of`.

    Parameters
    ----------
    connection : psycopg.Connection
        To a database that holds the canonical tables, best after `prepare`.
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
    statement = signals_statement("postgres", names=names, one_customer=True)
    parameters = {"as_of": int(as_of), "customer_id": customer_id}
    row = connection.execute(statement, parameters, prepare=True, binary=True).fetchone()
    return None if row is None else as_values(row, names)


def signals_of_many(
    connection: "psycopg.Connection[Any]",
    customer_ids: Sequence[str],
    as_of: int,
    names: tuple[str, ...] | None = None,
) -> dict[str, dict[str, float | str | None]]:
    """Compute every signal of some customers at once, as known on `as_of`.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction, to a database that holds the canonical tables.
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
    # What `prepare` sets for one customer would take minutes for a thousand.
    connection.execute(_FOR_MANY)
    parameters = {"as_of": int(as_of), "customers": list(customer_ids)}
    if len(customer_ids) >= fetched.WORTH_FETCHING:
        rows = {
            name: _known_rows(connection, name, statement, parameters)
            for name, statement in known_rows_statements("postgres", names).items()
        }
        return fetched.signals_of_rows(rows, as_of, names)
    statement = signals_statement("postgres", names=names, some_customers=True)
    found = connection.execute(statement, parameters, prepare=False, binary=True)
    return {row[0]: as_values(row, names) for row in found}


def _known_rows(
    connection: "psycopg.Connection[Any]", name: str, statement: str, parameters: Mapping[str, Any]
) -> pa.Table:
    """Fetch rows as CSV, which takes a fraction of the time of rows of Python objects."""
    text = io.BytesIO()
    with connection.cursor().copy(
        f"COPY ({statement}) TO STDOUT (FORMAT csv, HEADER)", parameters
    ) as stream:
        for part in stream:
            text.write(part)
    text.seek(0)
    return pa_csv.read_csv(
        text,
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=TABLES[name].arrow_schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def lay_ledger(ledger: Ledger, connection: "psycopg.Connection[Any]") -> None:
    """Write a ledger into tables of this connection alone; they are gone with it.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Their row_key, which no signal reads, is left out.
    connection : psycopg.Connection
        To a database in which its user may make temporary tables.
    """
    for name, table in ledger.tables.items():
        # Names and types are those of our own schema, never a user's.
        columns = [field for field in table.schema if field.type in _SQL_TYPES]
        listed = ", ".join(f"{field.name} {_SQL_TYPES[field.type]}" for field in columns)
        names = [field.name for field in columns]
        connection.execute(f"DROP TABLE IF EXISTS pg_temp.{name}")
        connection.execute(f"CREATE TEMPORARY TABLE {name} ({listed})")
        copy = f"COPY pg_temp.{name} ({', '.join(names)}) FROM STDIN (FORMAT csv)"
        with connection.cursor().copy(copy) as stream:
            for batch in table.select(names).to_batches(max_chunksize=50_000):
                stream.write(_as_csv(batch))
        connection.execute(f"ANALYZE pg_temp.{name}")


def _as_csv(batch: pa.RecordBatch) -> bytes:
    """Write rows so that an empty text is quoted and a null is nothing."""
    buffer = io.BytesIO()
    options = pa_csv.WriteOptions(include_header=False, quoting_style="needed")
    pa_csv.write_csv(pa.Table.from_batches([batch]), buffer, options)
    return buffer.getvalue()
