"""Write what events say into the ledger, within the transaction that accepts them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from features.schema import TABLES
from serving.events.customers import changed_customers
from serving.events.rows import Row, rows_of
from serving.events.schemas import CustomerChange, Event
from serving.store.statements import insert_rows, write_rows
from serving.store.tables import LEDGER
from serving.store.upsert import upsert

__all__ = ["write_ledger"]

_NEW_LINES = sa.insert(LEDGER["order_lines"])


def write_ledger(connection: sa.Connection, events: Iterable[Event], zone: ZoneInfo) -> None:
    """Write the rows of events.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        A writing transaction.
    events : iterable of Event
        In the order in which they came.
    zone : ZoneInfo
        The company's.
    """
    rows: dict[str, list[Row]] = {}
    changes: list[CustomerChange] = []
    for event in events:
        if isinstance(event, CustomerChange):
            changes.append(event)
            continue
        table, made = rows_of(event, zone)
        rows.setdefault(table, []).extend(made)
    if changes:
        rows["customers"] = changed_customers(connection, changes, zone)
    for name, made in rows.items():
        if name == "order_lines":
            insert_rows(connection, _NEW_LINES, made)
        else:
            write_rows(connection, _statement(connection, name), made)
    _move_prepayments(connection, [*rows.get("invoices", ()), *rows.get("payments", ())])


def _statement(connection: sa.Connection, name: str) -> sa.Insert:
    table = LEDGER[name]
    if name == "customers":  # what stays of them is in the new row already
        return upsert(connection, table)
    return upsert(connection, table, _told_anew)


def _told_anew(new: Any, table: sa.Table) -> Mapping[str, Any]:
    """Let what is told anew go before what is known; what is left out is known still."""
    columns = TABLES[table.name]
    return {
        column.name: new[column.name]
        if column.required
        else sa.func.coalesce(new[column.name], table.c[column.name])
        for column in columns.columns
        if column.name not in columns.key
    }


def _move_prepayments(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Let no payment lie before its invoice, whichever of them came in first."""
    pairs = {(row["customer_id"], row["invoice_id"]) for row in rows}
    if not pairs:
        return
    which = [{"whose": customer, "which": invoice} for customer, invoice in sorted(pairs)]
    write_rows(connection, _MOVE, which)


def _of_invoice(table: sa.Table) -> sa.ColumnElement[bool]:
    is_theirs: sa.ColumnElement[bool] = table.c.customer_id == sa.bindparam("whose")
    return sa.and_(is_theirs, table.c.invoice_id == sa.bindparam("which"))


_INVOICED_DAY = (
    sa.select(LEDGER["invoices"].c.day).where(_of_invoice(LEDGER["invoices"])).scalar_subquery()
)
_MOVE = (
    sa.update(LEDGER["payments"])
    .where(_of_invoice(LEDGER["payments"]), LEDGER["payments"].c.day < _INVOICED_DAY)
    .values(day=_INVOICED_DAY)
)
