"""INSERT that changes the row that is there already, in the words of either database."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["upsert"]

Changes = Callable[[Any, sa.Table], Mapping[str, Any]]
Condition = Callable[[Any, sa.Table], sa.ColumnElement[bool]]


def upsert(
    connection: sa.Connection,
    table: sa.Table,
    changes: Changes | None = None,
    *,
    only_where: Condition | None = None,
) -> sa.Insert:
    """Make the statement that inserts a row, or changes the one of the same key.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        It tells which database it is.
    table : sqlalchemy.Table
        Into which.
    changes : callable, optional
        A function of a module, from the new row and the table to what is set in the row that is
        there: all columns beside the key as in the new one where it is left out.
    only_where : callable, optional
        A function of a module, from the new row and the table to the condition under which it is
        changed at all.

    Returns
    -------
    sqlalchemy.Insert
        To execute with the rows.
    """
    return _made(connection.dialect.name, table, changes, only_where)


# To put a statement together takes longer than to run it; callers give functions of a module, so
# that there are as many statements as places that ask for one.
@cache
def _made(
    dialect: str, table: sa.Table, changes: Changes | None, only_where: Condition | None
) -> sa.Insert:
    make = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = make(table)
    new = statement.excluded
    key = [column.name for column in table.primary_key]
    values = (
        {column.name: new[column.name] for column in table.c if column.name not in key}
        if changes is None
        else dict(changes(new, table))
    )
    if not values:
        return statement.on_conflict_do_nothing(index_elements=key)
    condition = None if only_where is None else only_where(new, table)
    return statement.on_conflict_do_update(index_elements=key, set_=values, where=condition)
