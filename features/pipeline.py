"""Join the families into one statement: one row per customer and `as_of`, in any engine's dialect.

The family files read `known_<table>` only. What those hold is decided here, once: the rows of the
table up to `:as_of`, and nothing that was learnt later. So no signal can see the future.
"""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Literal

import sqlglot
from sqlglot import exp

from features.schema import TABLES, Column, Table
from features.signals.catalogue import FAMILIES

__all__ = ["DIALECTS", "Dialect", "outcomes_statement", "signals_digest", "signals_statement"]

_PURCHASES = "known_purchases"

Dialect = Literal["duckdb", "sqlite", "postgres", "spark", "snowflake", "bigquery"]
DIALECTS: tuple[Dialect, ...] = ("duckdb", "sqlite", "postgres", "spark", "snowflake", "bigquery")


@cache
def signals_statement(dialect: Dialect, *, one_customer: bool = False, pretty: bool = False) -> str:
    """Write the statement that computes all signals.

    Parameters
    ----------
    dialect : str
        Whose SQL to write.
    one_customer : bool, default False
        Whether to compute the signals of `:customer_id` alone, by the very same text.
    pretty : bool, default False
        Whether to lay it out for people.

    Returns
    -------
    str
        SQL with the parameter `as_of` (days since 1970-01-01) and, for one customer,
        `customer_id`, marked as the dialect marks parameters.

    Examples
    --------
    >>> ":customer_id" in signals_statement("sqlite", one_customer=True)
    True
    """
    families = {family: _parse(family) for family in FAMILIES}
    leading, *others = FAMILIES
    statement = exp.select(f"{leading}.*").from_(families[leading].subquery(leading))
    for family in others:
        for name in families[family].named_selects:
            if name != "customer_id":
                statement = statement.select(exp.column(name, table=family))
        statement = statement.join(
            families[family].subquery(family),
            on=f"{family}.customer_id = {leading}.customer_id",
            join_type="left",
        )
    return _with_known(statement, one_customer=one_customer).sql(
        dialect=dialect, pretty=pretty, comments=pretty
    )


@cache
def outcomes_statement(dialect: Dialect) -> str:
    """Write the statement that sums up what customers did after `:origin`, up to `:as_of`.

    Parameters
    ----------
    dialect : str
        Whose SQL to write.

    Returns
    -------
    str
        SQL with the parameters `origin` and `as_of`, both in days since 1970-01-01.
    """
    return _with_known(_parse("outcomes"), one_customer=False).sql(dialect=dialect, comments=False)


@cache
def signals_digest() -> str:
    """Name the definition of all signals, so that a model can tell whether it was changed.

    Returns
    -------
    str
        "sha256:" and 64 hexadecimal digits.
    """
    return f"sha256:{hashlib.sha256(signals_statement('duckdb').encode()).hexdigest()}"


def _with_known(statement: exp.Select, *, one_customer: bool) -> exp.Select:
    """Put what the files read in front of them: the known rows, and the purchases among them."""
    shared = {_PURCHASES: _parse("purchases")}
    read = _tables_of(statement)
    read |= {name for table in read & set(shared) for name in _tables_of(shared[table])}
    known = {f"known_{name}": _known(t, one_customer=one_customer) for name, t in TABLES.items()}
    parts = {name: part for name, part in (known | shared).items() if name in read}
    own = statement.args.pop("with_", None)
    for name, part in parts.items():
        statement = statement.with_(name, as_=part)
    for part in own.expressions if own else ():
        statement = statement.with_(part.alias, as_=part.this)
    return statement


def _tables_of(statement: exp.Select) -> set[str]:
    return {table.name for table in statement.find_all(exp.Table)}


def _parse(name: str) -> exp.Select:
    text = files("features.signals").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    statement = sqlglot.parse_one(text, dialect="duckdb")
    assert isinstance(statement, exp.Select)
    return statement


def _known(table: Table, *, one_customer: bool) -> exp.Select:
    statement = exp.select(*(_as_known(column) for column in table.columns)).from_(table.name)
    if "day" in table.names:
        statement = statement.where("day <= :as_of")
    if one_customer:
        statement = statement.where("customer_id = :customer_id")
    return statement


def _as_known(column: Column) -> str:
    if column.is_learnt_later:
        return f"CASE WHEN {column.name} <= :as_of THEN {column.name} END AS {column.name}"
    return column.name
