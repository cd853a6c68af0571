"""One of these: a condition whose statement is the same for any number of them.

A list of parameters makes another statement for each length, which no database has prepared, and
a long one takes the driver of PostgreSQL longer to read than the database to answer.
"""

import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

__all__ = ["among"]


class _Texts(sa.types.TypeDecorator[Iterable[str]]):
    """Texts as one parameter: an array for PostgreSQL, JSON for SQLite."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        is_postgres = dialect.name == "postgresql"
        return dialect.type_descriptor(postgresql.ARRAY(sa.Text()) if is_postgres else sa.Text())

    def process_bind_param(self, value: Iterable[str] | None, dialect: sa.Dialect) -> Any:
        texts = list(value or ())
        return texts if dialect.name == "postgresql" else json.dumps(texts)


class _Among(FunctionElement[bool]):
    inherit_cache = True
    type = sa.Boolean()

    def self_group(self, against: Any = None) -> Any:
        """Stay as it is: compared with 1, as SQLite's truth values are, no index would find it."""
        del against
        return self


@compiles(_Among, "sqlite")
def _in_json(element: _Among, compiler: Any, **options: Any) -> str:
    column, texts = (compiler.process(part, **options) for part in element.clauses)
    return f"({column} IN (SELECT value FROM json_each({texts})))"


@compiles(_Among, "postgresql")
def _in_array(element: _Among, compiler: Any, **options: Any) -> str:
    column, texts = (compiler.process(part, **options) for part in element.clauses)
    return f"({column} = ANY ({texts}))"


def among(column: sa.ColumnElement[str], name: str) -> sa.ColumnElement[bool]:
    """Tell whether a text is one of some.

    Parameters
    ----------
    column : sqlalchemy.ColumnElement
        Of texts.
    name : str
        Of the parameter that holds the others, any number of them.

    Returns
    -------
    sqlalchemy.ColumnElement
        The condition.
    """
    return _Among(column, sa.bindparam(name, type_=_Texts()))
