"""Room for DuckDB to work in: one database in memory a process, one session a task."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import duckdb

from features.sources.source import SourceError, first_sentence

__all__ = ["scratch"]

_BEYOND_DUCKDB = (
    duckdb.DataError,
    duckdb.FatalException,
    duckdb.InternalError,
    duckdb.NotSupportedError,
)


@contextmanager
def scratch(place: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a session of its own: temporary tables, registered tables and settings end with it.

    Parameters
    ----------
    place : str
        What is worked on, to name it in an error.

    Yields
    ------
    duckdb.DuckDBPyConnection
        Open to the end of the block.

    Raises
    ------
    SourceError
        If a value is beyond what DuckDB can hold.
    """
    try:
        with _database(os.getpid()).cursor() as session:
            yield session
    except _BEYOND_DUCKDB as error:
        # After some errors it takes no further statement; what comes next should not suffer.
        _database.cache_clear()
        raise SourceError(
            f"{place} holds a value that cannot be read ({first_sentence(error)}). Write its "
            "columns as text, or as other types."
        ) from error


@cache
def _database(process: int) -> duckdb.DuckDBPyConnection:
    """Make the database: that takes 45 ms, a session 1. A forked process must have its own."""
    del process
    # Left to the interpreter's end, DuckDB says on standard error what it has not freed.
    atexit.register(_database.cache_clear)
    return duckdb.connect()
