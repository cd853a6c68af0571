"""Write many rows by the driver itself: SQLAlchemy takes longer over each row than the database."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

__all__ = ["write_rows"]

_Written = sa.Insert | sa.Update | sa.Delete


def write_rows(
    connection: sa.Connection, statement: _Written, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Execute a statement with each of some rows.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Of the store's `writing` or `derived_writing`.
    statement : sqlalchemy.Insert, Update or Delete
        A constant of its module, or one of `upsert`: it is put into words once.
    rows : sequence of mapping
        At least one; each with the same names. Their values are such as the driver knows.
    """
    text, order = _in_words(connection.dialect, statement, tuple(rows[0]))
    values: Any = (
        list(rows) if order is None else [tuple(map(row.__getitem__, order)) for row in rows]
    )
    connection.exec_driver_sql(text, values[0] if len(values) == 1 else values)


@cache
def _in_words(
    dialect: sa.Dialect, statement: _Written, names: tuple[str, ...]
) -> tuple[str, tuple[str, ...] | None]:
    """Give the text, and the order of its parameters where the driver knows no names."""
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(names))
    order = tuple(compiled.positiontup) if compiled.positional else None
    return str(compiled), order
