"""Join the families into one statement: one row per customer and `as_of`, in any engine's dialect.

The family files read `known_<table>` only. What those hold is decided here, once: the rows of the
table up to `:as_of`, and nothing that was learnt later. So no signal can see the future.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, Self

import sqlglot
from sqlglot import exp

from features.schema import TABLES, Column, Table
from features.signals.catalogue import CATALOGUE, FAMILIES
from features.signals.signal import Family

__all__ = [
    "DIALECTS",
    "Dialect",
    "known_rows_statements",
    "known_statement",
    "mix_statement",
    "outcomes_statement",
    "signals_digest",
    "signals_statement",
]

# Whose SQL can say whether a part is to be copied before it is read.
_MATERIALIZING = {"duckdb", "sqlite", "postgres"}
# What several families read, by the file that defines it; a later one may read an earlier one.
_SHARED = {"known_purchases": "purchases", "known_purchase_days": "purchase_days"}

# Whose rows are read where some customers are asked for, and how a store is told who they are.
_ASKED = "customer_id IN (SELECT customer_id FROM asked_customers)"
_ASKED_CUSTOMERS: Mapping[str, str] = {
    "sqlite": "SELECT value AS customer_id FROM json_each(:customers)",
    "postgres": "SELECT unnest(CAST(%(customers)s AS TEXT[])) AS customer_id",
}

Dialect = Literal["duckdb", "sqlite", "postgres", "spark", "snowflake", "bigquery"]
DIALECTS: tuple[Dialect, ...] = ("duckdb", "sqlite", "postgres", "spark", "snowflake", "bigquery")


@cache
def signals_statement(
    dialect: Dialect,
    *,
    names: tuple[str, ...] | None = None,
    one_customer: bool = False,
    some_customers: bool = False,
    pretty: bool = False,
) -> str:
    """Write the statement that computes the signals.

    Parameters
    ----------
    dialect : str
        Whose SQL to write.
    names : tuple of str, optional
        The signals to compute, in the order of the catalogue whatever theirs; all where not given.
        What they do not need is left out of the text.
    one_customer : bool, default False
        Whether to compute the signals of `:customer_id` alone, by the very same text.
    some_customers : bool, default False
        Whether to compute those of `:customers` alone, which the dialects of stores can: for SQLite
        a JSON array of ids, for PostgreSQL an array of texts.
    pretty : bool, default False
        Whether to lay it out for people.

    Returns
    -------
    str
        SQL with the parameter `as_of` (days since 1970-01-01) and, for one customer,
        `customer_id`, for some `customers`, marked as the dialect marks parameters.

    Raises
    ------
    KeyError
        If there is no signal of a name.

    Examples
    --------
    >>> ":customer_id" in signals_statement("sqlite", one_customer=True)
    True
    >>> "known_invoices" in signals_statement("duckdb", names=("frequency", "revenue"))
    False
    """
    return known_statement(
        _signals(names),
        dialect,
        one_customer=one_customer,
        some_customers=some_customers,
        pretty=pretty,
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
    return known_statement(_parse("outcomes"), dialect)


@cache
def mix_statement(dialect: Dialect) -> str:
    """Write the statement of the category mix: each category's share in each customer's purchases.

    Parameters
    ----------
    dialect : str
        Whose SQL to write.

    Returns
    -------
    str
        SQL with the parameter `as_of`, in days since 1970-01-01.
    """
    return known_statement(_parse("mix"), dialect)


@cache
def signals_digest() -> str:
    """Name the definition of all signals, so that a model can tell whether it was changed.

    Returns
    -------
    str
        "sha256:" and 64 hexadecimal digits.
    """
    return f"sha256:{hashlib.sha256(signals_statement('duckdb').encode()).hexdigest()}"


@cache
def known_rows_statements(
    dialect: Dialect, names: tuple[str, ...] | None = None
) -> Mapping[str, str]:
    """Write the statements that read the rows of which some customers' signals are made.

    Parameters
    ----------
    dialect : str
        Of a store.
    names : tuple of str, optional
        The signals; all where not given.

    Returns
    -------
    mapping of str to str
        By canonical table, those that the signals read: SQL with the parameters `as_of` and
        `customers`, as `signals_statement` has them. It gives the columns that they read, named as
        in the table.
    """
    read = _Read.by(_signals(names))
    return {
        name: _with_asked(_known(table, read.columns, _ASKED), dialect).sql(dialect=dialect)
        for name, table in TABLES.items()
        if f"known_{name}" in read.tables
    }


def known_statement(
    statement: exp.Select,
    dialect: Dialect,
    *,
    one_customer: bool = False,
    some_customers: bool = False,
    pretty: bool = False,
) -> str:
    """Put what a statement reads in front of it: the known rows, and the purchases among them.

    Parameters
    ----------
    statement : sqlglot.exp.Select
        It reads `known_<table>`, `known_purchases` and `known_purchase_days`, and no table itself.
    dialect : str
        Whose SQL to write.
    one_customer : bool, default False
        Whether to read the rows of `:customer_id` alone.
    some_customers : bool, default False
        Whether to read the rows of `:customers` alone.
    pretty : bool, default False
        Whether to lay it out for people.

    Returns
    -------
    str
        SQL with the parameters of the statement, `as_of` and, for one customer, `customer_id`, for
        some `customers`.
    """
    read = _Read.by(statement)
    # An engine must not copy a table before it knows which columns and rows are wanted of it.
    # DuckDB knows, and reads it once; PostgreSQL finds the rows of few customers faster in a copy.
    is_few = one_customer or some_customers
    is_copied = None
    if dialect in _MATERIALIZING:
        is_copied = dialect == "duckdb" or (dialect == "postgres" and is_few)
    whose = "customer_id = :customer_id" if one_customer else _ASKED if some_customers else None
    own = statement.args.pop("with_", None)
    if some_customers:
        _with_asked(statement, dialect)
    for name, table in TABLES.items():
        if f"known_{name}" in read.tables:
            known = _known(table, read.columns, whose)
            statement.with_(f"known_{name}", as_=known, materialized=is_copied, copy=False)
    for name, part in read.shared.items():
        statement.with_(name, as_=part, materialized=dialect == "duckdb" or None, copy=False)
    for part in own.expressions if own else ():
        statement.with_(part.alias, as_=part.this, copy=False)
    return statement.sql(dialect=dialect, pretty=pretty, comments=pretty)


@dataclass(frozen=True)
class _Read:
    """What a statement reads, itself and through the parts that several families read.

    Parameters
    ----------
    tables, columns : set of str
        Names.
    shared : mapping of str to sqlglot.exp.Select
        Those parts, in their order.
    """

    tables: set[str]
    columns: set[str]
    shared: Mapping[str, exp.Select]

    @classmethod
    def by(cls, statement: exp.Select) -> Self:
        """Look into a statement; of the parts, only what is read of them stays."""
        tables, columns = _tables_of(statement), _columns_of(statement)
        shared: dict[str, exp.Select] = {}
        for name, file in reversed(_SHARED.items()):
            if name in tables:
                part = _parse(file)
                _keep(part, columns)
                shared = {name: part} | shared
                tables |= _tables_of(part)
                columns |= _columns_of(part)
        return cls(tables, columns, shared)


def _signals(names: tuple[str, ...] | None) -> exp.Select:
    """Join the families, without what the named signals do not need."""
    leading, *others = FAMILIES
    parts = {family: _part(family, names) for family in FAMILIES}
    statement = exp.select(f"{leading}.*").from_(parts[leading].subquery(leading, copy=False))
    for family in others:
        part = parts[family]
        columns = [name for name in part.named_selects if name != "customer_id"]
        if not columns:
            continue
        statement.select(*(exp.column(name, table=family) for name in columns), copy=False)
        statement.join(
            part.subquery(family, copy=False),
            on=f"{family}.customer_id = {leading}.customer_id",
            join_type="left",
            copy=False,
        )
    return statement


def _with_asked(statement: exp.Select, dialect: Dialect) -> exp.Select:
    asked = sqlglot.parse_one(_ASKED_CUSTOMERS[dialect], dialect=dialect)
    return statement.with_("asked_customers", as_=asked, materialized=True, copy=False)


def _columns_of(statement: exp.Select) -> set[str]:
    return {column.name for column in statement.find_all(exp.Column)}


def _keep(statement: exp.Select, wanted: Collection[str]) -> None:
    """Let a statement select what is wanted of it alone."""
    kept = [column for column in statement.expressions if column.alias_or_name in wanted]
    statement.set("expressions", kept)


def _tables_of(statement: exp.Select) -> set[str]:
    return {table.name for table in statement.find_all(exp.Table)}


def _parse(name: str) -> exp.Select:
    text = files("features.signals").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    statement = sqlglot.parse_one(text, dialect="duckdb")
    assert isinstance(statement, exp.Select)
    return statement


def _part(family: Family, names: tuple[str, ...] | None) -> exp.Select:
    """Read the text of a family, without what the named signals do not need."""
    part = _parse(family)
    if names is None:
        return part
    _keep(part, {"customer_id", *(name for name in names if CATALOGUE[name].family == family)})
    # What is joined from the left is one row a customer, so nobody misses what is not read.
    read = {column.table for found in part.expressions for column in found.find_all(exp.Column)}
    joins = part.args.get("joins") or []
    part.set("joins", [join for join in joins if join.side != "LEFT" or join.alias_or_name in read])
    own = part.args.pop("with_")
    needed, kept = _tables_of(part), []
    for step in reversed(own.expressions):
        if step.alias in needed:
            kept.append(step)
            needed |= _tables_of(step.this)
    own.set("expressions", kept[::-1])
    part.set("with_", own)
    return part


def _known(table: Table, wanted: set[str], whose: str | None) -> exp.Select:
    columns = (_as_known(column) for column in table.columns if column.name in wanted)
    statement = exp.select(*columns).from_(table.name)
    if "day" in table.names:
        statement.where("day <= :as_of", copy=False)
    if whose:
        statement.where(whose, copy=False)
    return statement


def _as_known(column: Column) -> str:
    if column.is_learnt_later:
        return f"CASE WHEN {column.name} <= :as_of THEN {column.name} END AS {column.name}"
    return column.name
