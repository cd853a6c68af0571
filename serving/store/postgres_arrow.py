"""Arrow in and out of PostgreSQL: staging tables, statements as text, errors as sentences."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from serving.store.base import StoreError, UnstorableError

__all__ = ["STAGING", "as_text", "drop", "lay", "lock_of", "said_plainly"]

STAGING = "worth_staging"
_TEXT = 'text COLLATE "C"'
_SQL_TYPES = {
    pa.string(): _TEXT,
    pa.large_string(): _TEXT,
    pa.bool_(): "boolean",
    pa.int8(): "smallint",
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.float32(): "real",
    pa.float64(): "double precision",
    pa.binary(): "bytea",
    pa.large_binary(): "bytea",
}


def lock_of(mark: str) -> int:
    """Name the lock that is held while the tables of a mark are in use.

    Parameters
    ----------
    mark : str
        Sixteen hexadecimal digits.

    Returns
    -------
    int
        For an advisory lock.
    """
    return int.from_bytes(bytes.fromhex(mark), signed=True)


def lay(connection: Any, tables: Mapping[str, pa.Table], mark: str) -> None:
    """Lay Arrow tables in the schema of their own, and hold the lock of their mark.

    Parameters
    ----------
    connection : adbc_driver_postgresql.dbapi.Connection
        The lock is gone with it.
    tables : mapping of str to pyarrow.Table
        By name, which begins with the mark.
    mark : str
        Sixteen hexadecimal digits.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_try_advisory_lock({lock_of(mark)})")
        cursor.fetchall()
        for name, table in tables.items():
            columns = ", ".join(
                f'"{field.name}" {_SQL_TYPES[field.type]}' for field in table.schema
            )
            place = f'{STAGING}."{name}"'
            cursor.execute(f"CREATE UNLOGGED TABLE {place} ({columns})")
            if len(table):
                cursor.adbc_ingest(name, table, mode="append", db_schema_name=STAGING)
            cursor.execute(f"ANALYZE {place}")
    connection.commit()


def drop(connection: Any, names: Iterable[str]) -> None:
    """Drop what was laid.

    Parameters
    ----------
    connection : adbc_driver_postgresql.dbapi.Connection
        That laid it.
    names : iterable of str
        Of the tables.
    """
    connection.rollback()
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f'DROP TABLE IF EXISTS {STAGING}."{name}"')
    connection.commit()


def as_text(statement: sa.Select[tuple[object, ...]]) -> str:
    """Write a statement with its values in it, as ADBC takes it.

    Parameters
    ----------
    statement : sqlalchemy.Select
        With or without values.

    Returns
    -------
    str
        In PostgreSQL's words.
    """
    # The default style of parameters would double every % of a literal.
    dialect: sa.Dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


@contextmanager
def said_plainly() -> Iterator[None]:
    """Turn ADBC's errors into the store's.

    Raises
    ------
    UnstorableError
        If a value cannot be held, such as a text with a NUL.
    StoreError
        If the server did not answer.
    """
    try:
        yield
    except adbc.DataError as error:
        column = re.search(r"column (\w+)", str(error))
        where = f" in the column {column[1]}" if column else ""
        raise UnstorableError(
            f"PostgreSQL cannot hold a value{where}: {_words(error)}. A text with a NUL (\\0) in "
            "it is one; take it out of the source."
        ) from None
    except adbc.Error as error:
        raise StoreError(f"The store did not answer: {_words(error)}.") from None


def _words(error: Exception) -> str:
    """Give what the server says, without the statement and its values."""
    said = re.search(r"(?:ERROR|FATAL):\s*(.*)", str(error))
    return (said[1] if said else str(error).splitlines()[0]).rstrip(". ")
