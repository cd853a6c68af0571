"""The rows of a ledger that was imagined: a customer's own, if there are any, and those given."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

from features.schema import KEY_COLUMN, TABLES
from serving.events.reading import day_of_moment
from serving.events.rows import rows_of
from serving.events.schemas import CustomerChange, Event

__all__ = ["imagine"]

_Row = dict[str, Any]
# What tells the rows of a table apart; made once, as it is asked for every row.
_KEY_OF: Mapping[str, Callable[[_Row], Any]] = {
    name: itemgetter(*table.key) for name, table in TABLES.items()
}
_NOBODY: _Row = dict.fromkeys(TABLES["customers"].names)


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
        Rows by table, each with every column.
    """
    rows = {
        name: {key_of(row): row for row in own.get(name, ())} for name, key_of in _KEY_OF.items()
    }
    for n, event in enumerate(events):
        if isinstance(event, CustomerChange):
            _change(rows["customers"], event, customer_id, zone)
            continue
        named = event.model_copy(update={"event_id": f"preview-{n}", "customer_id": customer_id})
        table, made = rows_of(named, zone)
        for row in made:
            _put(rows[table], _KEY_OF[table](row), row)
    _move_prepayments(rows["invoices"].values(), rows["payments"].values())
    return {name: list(found.values()) for name, found in rows.items()}


def _put(rows: dict[Any, _Row], key: Any, row: _Row) -> None:
    """Let what is told anew go before what is known; what is left out is known still."""
    known = rows.get(key)
    if known is not None:
        row = known | {name: value for name, value in row.items() if value is not None}
    rows[key] = row


def _change(rows: dict[Any, _Row], event: CustomerChange, customer_id: str, zone: ZoneInfo) -> None:
    """Take over what signals and scores look at: since when a customer is one, and the opt-out."""
    row = rows.get(customer_id) or _NOBODY | {"customer_id": customer_id, KEY_COLUMN: b"preview"}
    if "acquired_at" in event.model_fields_set:
        won = event.acquired_at
        row = row | {"acquired_day": None if won is None else day_of_moment(won, zone)}
    if event.profiling_opt_out:
        row = row | {"profiling_opt_out": 1}
    rows[customer_id] = row


def _move_prepayments(invoices: Iterable[_Row], payments: Iterable[_Row]) -> None:
    """Let no payment lie before its invoice."""
    issued = {row["invoice_id"]: row["day"] for row in invoices}
    for row in payments:
        row["day"] = max(row["day"], issued.get(row["invoice_id"], row["day"]))
