"""Changes of customers: what is given is new, all else stays, and consent is never loosened."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from features.cleaning import source_mark
from serving.aliases import STRICTEST
from serving.events.among import among
from serving.events.reading import day_of_moment
from serving.events.rows import Row, customer_key
from serving.events.schemas import CustomerChange
from serving.store.statements import select_rows
from serving.store.tables import LEDGER

__all__ = ["changed_customers"]

_MARK_BYTES = len(source_mark(""))
_KNOWN = sa.select(LEDGER["customers"]).where(among(LEDGER["customers"].c.customer_id, "who"))
_PLAIN = ("name", "kind", "region", "owner", "planned_revenue")


def changed_customers(
    connection: sa.Connection, changes: Iterable[CustomerChange], zone: ZoneInfo
) -> list[Row]:
    """Make the rows of customers who changed, of what is known of them and what is new.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        A writing transaction.
    changes : iterable of CustomerChange
        In the order in which they came.
    zone : ZoneInfo
        The company's.

    Returns
    -------
    list of dict
        One row a customer, sorted by id.
    """
    given = list(changes)
    names = LEDGER["customers"].c.keys()
    who = {change.customer_id for change in given}
    known = [dict(zip(names, row, strict=True)) for row in select_rows(connection, _KNOWN, who=who)]
    rows: dict[str, Row] = {row["customer_id"]: row for row in known}
    for change in given:
        before = rows.get(change.customer_id) or dict.fromkeys(names)
        rows[change.customer_id] = _changed(before, change, zone)
    return [rows[customer] for customer in sorted(rows)]


def _changed(before: Mapping[str, Any], change: CustomerChange, zone: ZoneInfo) -> Row:
    said = change.model_fields_set
    row = dict(before)
    row |= {name: getattr(change, name) for name in _PLAIN if name in said}
    if "acquired_at" in said:
        won = change.acquired_at
        row["acquired_day"] = None if won is None else day_of_moment(won, zone)
    for name, strictest in STRICTEST.items():
        if name in said and not _is_held(before, name, strictest, change.customer_id):
            flag = getattr(change, name)
            row[name] = None if flag is None else int(flag)
    if "attributes" in said:
        row["attributes"] = _merged(before["attributes"], change.attributes)
    return row | {
        "customer_id": change.customer_id,
        "row_key": before["row_key"]
        if _is_of_another_id(before, change.customer_id)
        else customer_key(change.customer_id),
    }


def _is_held(before: Mapping[str, Any], name: str, strictest: int, customer_id: str) -> bool:
    """Tell whether the strictest was said under another of the customer's ids, as ingest does."""
    return before[name] == strictest and _is_of_another_id(before, customer_id)


def _is_of_another_id(before: Mapping[str, Any], customer_id: str) -> bool:
    key = before["row_key"]
    return key is not None and key[_MARK_BYTES:] != customer_key(customer_id)[_MARK_BYTES:]


def _merged(before: str | None, new: Mapping[str, float | str | None] | None) -> str | None:
    if new is None:
        return None
    merged = {**(json.loads(before) if before else {}), **new}
    known = {name: value for name, value in merged.items() if value is not None}
    if not known:
        return None
    return json.dumps(known, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
