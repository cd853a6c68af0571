"""Give rows of the ledger to the customer who counts, where they stand under an alias."""

from collections.abc import Mapping

import pyarrow as pa
import sqlalchemy as sa

from features.schema import TABLES
from serving.store import Store
from serving.store.tables import LEDGER

__all__ = ["STRICTEST", "keep_strictest_consent", "unify_ledger"]

_SCHEMA = pa.schema([("alias", pa.string()), ("customer_id", pa.string())])
# What one of several that are the same customer says holds for all: 0 = may not be contacted,
# 1 = must not be scored.
STRICTEST = {"marketing_consent": 0, "profiling_opt_out": 1}


def unify_ledger(store: Store, aliases: Mapping[str, str]) -> int:
    """Give rows that stand under an alias to the customer it belongs to, all or none.

    Of rows that become the same invoice, payment, contact or customer one stays: that of the
    customer who counts, with the strictest consent of all.

    Parameters
    ----------
    store : Store
        Where the ledger is.
    aliases : mapping of str to str
        From each alias to the id that counts.

    Returns
    -------
    int
        How many rows stood under an alias.
    """
    if not aliases:
        return 0
    pairs = pa.table([list(aliases), list(aliases.values())], schema=_SCHEMA)
    with store.staged({"aliases": pairs}) as (connection, staged):
        known = _indexed(connection, staged["aliases"])
        return sum(
            _unify(connection, table, known, TABLES[name].key) for name, table in LEDGER.items()
        )


def _indexed(connection: sa.Connection, staged: sa.TableClause) -> sa.Table:
    """Let each row find its alias without reading all of them."""
    columns = [sa.Column(name, sa.Text) for name in _SCHEMA.names]
    aliases = sa.Table(staged.name, sa.MetaData(), *columns, schema=staged.schema)
    sa.Index(f"{staged.name}_by_alias", aliases.c.alias).create(connection)
    return aliases


def _unify(
    connection: sa.Connection, table: sa.Table, aliases: sa.Table, key: tuple[str, ...]
) -> int:
    under_alias = table.c.customer_id.in_(sa.select(aliases.c.alias))
    count = sa.select(sa.func.count()).select_from(table).where(under_alias)
    n_rows = int(connection.execute(count).scalar_one())
    if not n_rows:
        return 0
    if "row_key" not in key:
        if table is LEDGER["customers"]:
            _pass_on_consent(connection, table, aliases)
        _leave_one_of_each(connection, table, aliases, key)
    new_id = (
        sa.select(aliases.c.customer_id)
        .where(aliases.c.alias == table.c.customer_id)
        .scalar_subquery()
    )
    connection.execute(sa.update(table).where(under_alias).values(customer_id=new_id))
    return n_rows


def _unified(table: sa.FromClause, aliases: sa.Table) -> sa.ColumnElement[str]:
    """Name the customer who counts, of a row of the table."""
    own = aliases.alias()
    known = sa.select(own.c.customer_id).where(own.c.alias == table.c.customer_id)
    return sa.func.coalesce(known.scalar_subquery(), table.c.customer_id)


def _is_affected(table: sa.Table, aliases: sa.Table) -> sa.ColumnElement[bool]:
    """Tell the rows of customers who go by several ids."""
    ids = sa.union_all(sa.select(aliases.c.alias), sa.select(aliases.c.customer_id))
    return table.c.customer_id.in_(ids)


def _leave_one_of_each(
    connection: sa.Connection, table: sa.Table, aliases: sa.Table, key: tuple[str, ...]
) -> None:
    is_alias = table.c.customer_id.in_(sa.select(aliases.c.alias))
    same = [_unified(table, aliases), *(table.c[name] for name in key if name != "customer_id")]
    nth = sa.func.row_number().over(partition_by=same, order_by=[is_alias, table.c.customer_id])
    affected = _is_affected(table, aliases)
    ranked = sa.select(table.c.row_key, nth.label("nth")).where(affected).subquery()
    further = sa.select(ranked.c.row_key).where(ranked.c.nth > 1)
    connection.execute(sa.delete(table).where(table.c.row_key.in_(further)))


def _pass_on_consent(connection: sa.Connection, table: sa.Table, aliases: sa.Table) -> None:
    for column, strictest in STRICTEST.items():
        strict = table.alias()
        who = sa.select(_unified(strict, aliases)).where(strict.c[column] == strictest)
        is_same = sa.and_(_is_affected(table, aliases), _unified(table, aliases).in_(who))
        connection.execute(sa.update(table).where(is_same).values({column: strictest}))


def keep_strictest_consent(connection: sa.Connection, staged: sa.TableClause) -> None:
    """Let new rows of customers not loosen what was said under another of their ids.

    Rows of the very same id are its own to change.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        A writing transaction.
    staged : sqlalchemy.TableClause
        The new rows; they are changed.
    """
    table = LEDGER["customers"]
    # The first four bytes of a key name the source, the others the id.
    mark = 4
    for column, strictest in STRICTEST.items():
        of_another_id = sa.exists().where(
            table.c.customer_id == staged.c.customer_id,
            table.c[column] == strictest,
            sa.func.substr(table.c.row_key, mark + 1) != sa.func.substr(staged.c.row_key, mark + 1),
        )
        connection.execute(sa.update(staged).where(of_another_id).values({column: strictest}))
