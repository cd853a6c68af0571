"""Run what is run often by the driver itself: SQLAlchemy takes longer over it than the database.

SQLAlchemy puts a statement into words once. What fails is said in the driver's own exceptions,
which `Store.reading` and `Store.writing` know.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

__all__ = ["insert_rows", "select_rows", "write_rows"]

_Written = sa.Insert | sa.Update | sa.Delete


@dataclass(frozen=True)
class _Words:
    """A statement as a driver takes it.

    Parameters
    ----------
    text : str
        With the driver's marks of parameters.
    order : tuple of str or None
        Of its parameters, where the driver knows no names.
    constants : mapping of str to object
        Parameters that the statement itself has a value for.
    processors : mapping of str to callable
        What makes of a parameter of a type of our own what the driver knows.
    """

    text: str
    order: tuple[str, ...] | None
    constants: Mapping[str, Any]
    processors: Mapping[str, Callable[[Any], Any]]

    def bound(self, values: Mapping[str, Any]) -> Any:
        if self.constants or self.processors:
            processed = {name: make(values[name]) for name, make in self.processors.items()}
            values = {**self.constants, **values, **processed}
        return values if self.order is None else tuple(map(values.__getitem__, self.order))


def select_rows(
    connection: sa.Connection, statement: sa.Select[Any] | sa.CompoundSelect[Any], **values: Any
) -> Iterable[tuple[Any, ...]]:
    """Select rows.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Of the store.
    statement : sqlalchemy.Select
        A constant of its module: it is put into words once.
    **values : object
        Its parameters.

    Returns
    -------
    iterable of tuple
        To be read once, and before the transaction ends.
    """
    rows: Iterable[tuple[Any, ...]] = _executed(connection, statement, values)
    return rows


def _executed(connection: sa.Connection, statement: Any, values: Mapping[str, Any]) -> Any:
    words = _in_words(connection.dialect, statement, tuple(values))
    driver: Any = connection.connection.driver_connection
    return driver.execute(words.text, words.bound(values))


def insert_rows(
    connection: sa.Connection, statement: sa.Insert, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows no two of which have the same key.

    PostgreSQL takes them as one statement, which costs it and the driver a fraction.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Of the store's `writing` or `derived_writing`.
    statement : sqlalchemy.Insert
        A constant of its module, or one of `upsert`: it is put into words once.
    rows : sequence of mapping
        At least one, in the order in which they are numbered; each with the same names.
    """
    if len(rows) == 1 or connection.dialect.name != "postgresql":
        write_rows(connection, statement, rows)
        return
    names = tuple(rows[0])
    columns = {name: [row[name] for row in rows] for name in names}
    _executed(connection, _from_columns(statement, names), columns)


@cache
def _from_columns(statement: sa.Insert, names: tuple[str, ...]) -> sa.Insert:
    types = {name: postgresql.ARRAY(statement.table.c[name].type) for name in names}
    given = (
        sa.func.unnest(*(sa.bindparam(name, type_=types[name]) for name in names))
        .table_valued(*names, with_ordinality="place")
        .render_derived("given")
    )
    columns = sa.select(*(given.c[name] for name in names)).order_by(given.c.place)
    return statement.from_select(names, columns)


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
        At least one; each with the same names.
    """
    if len(rows) == 1:
        _executed(connection, statement, rows[0])
    else:
        words = _in_words(connection.dialect, statement, tuple(rows[0]))
        driver: Any = connection.connection.driver_connection
        driver.cursor().executemany(words.text, list(map(words.bound, rows)))


@cache
def _in_words(dialect: sa.Dialect, statement: sa.ClauseElement, names: tuple[str, ...]) -> _Words:
    compiled: Any = statement.compile(dialect=dialect, column_keys=list(names))
    order = tuple(compiled.positiontup) if compiled.positional else None
    processors: dict[str, Any] = {
        name: bind.type.dialect_impl(dialect).bind_processor(dialect)
        for name, bind in compiled.binds.items()
        if isinstance(bind.type, sa.types.TypeDecorator)
    }
    constants = {name: value for name, value in compiled.params.items() if name not in names}
    return _Words(str(compiled), order, constants, processors)
