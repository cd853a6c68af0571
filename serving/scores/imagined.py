"""The rows of a ledger that was imagined: a customer's own, if there are any, and those given."""

from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from features.schema import KEY_COLUMN, TABLES
from serving.events.reading import day_of_moment
from serving.events.rows import rows_of
from serving.events.schemas import CustomerChange, Event

__all__ = ["imagine"]

_Row = dict[str, Any]


def imagine(
    own: dict[str, list[_Row]], events: Sequence[Event], customer_id: str, zone: ZoneInfo
) -> dict[str, list[_Row]]:
    """Add to a customer's rows what might happen, by the rules by which it would be taken in.

    Parameters
    ----------
    own : dict of str to list of dict
        The customer's rows by table; none for one who is not in the ledger.
    events : sequence of Event
        What might happen; whose it is and their ids are not looked at.
    customer_id : str
        Who.
    zone : ZoneInfo
        The company's.

    Returns
    -------
    dict of str to list of dict
        Rows by table.
    """
    rows = {name: {_key(name, row): row for row in own.get(name, ())} for name in TABLES}
    for n, event in enumerate(events):
        if isinstance(event, CustomerChange):
            _change(rows["customers"], event, customer_id, zone)
            continue
        named = event.model_copy(update={"event_id": f"preview-{n}", "customer_id": customer_id})
        table, made = rows_of(named, zone)
        for row in made:
            _put(rows[table], _key(table, row), row)
    _move_prepayments(rows["invoices"].values(), rows["payments"].values())
    return {name: list(found.values()) for name, found in rows.items()}


def _key(table: str, row: _Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in TABLES[table].key)


def _put(rows: dict[tuple[Any, ...], _Row], key: tuple[Any, ...], row: _Row) -> None:
    """Let what is told anew go before what is known; what is left out is known still."""
    told = {name: value for name, value in row.items() if value is not None}
    rows[key] = {**rows.get(key, row), **told}


def _change(
    rows: dict[tuple[Any, ...], _Row], event: CustomerChange, customer_id: str, zone: ZoneInfo
) -> None:
    """Take over what signals and scores look at: since when a customer is one, and the opt-out."""
    key = (customer_id,)
    row = rows.get(key) or {"customer_id": customer_id, KEY_COLUMN: b"preview"}
    if "acquired_at" in event.model_fields_set:
        won = event.acquired_at
        row = row | {"acquired_day": None if won is None else day_of_moment(won, zone)}
    if event.profiling_opt_out:
        row = row | {"profiling_opt_out": 1}
    rows[key] = row


def _move_prepayments(invoices: Iterable[_Row], payments: Iterable[_Row]) -> None:
    """Let no payment lie before its invoice."""
    issued = {row["invoice_id"]: row["day"] for row in invoices}
    for row in payments:
        row["day"] = max(row["day"], issued.get(row["invoice_id"], row["day"]))
