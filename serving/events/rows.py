"""The rows of the ledger that an event makes, by the rules that make them of a file's rows."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from features.cleaning import source_mark
from serving.events.reading import day_of_moment
from serving.events.schemas import Event, Interaction, Invoice, Order, Payment

__all__ = ["ROW_KEY_OF_SOURCE", "Row", "customer_key", "rows_of"]

Row = dict[str, Any]
ROW_KEY_OF_SOURCE = source_mark("events")
_ROW_BYTES = 12
_NUMBER_BYTES = 2


def rows_of(event: Event, zone: ZoneInfo) -> tuple[str, list[Row]]:
    """Make the rows of an event.

    Parameters
    ----------
    event : Event
        Any but a change of a customer, whose row is made of what is known already.
    zone : ZoneInfo
        The company's.

    Returns
    -------
    tuple of (str, list of dict)
        The table, and its rows with every column.
    """
    table, make = _MAKERS[event.type]
    return table, make(event, zone)


def _row_key(event: Event) -> bytes:
    return ROW_KEY_OF_SOURCE + hashlib.sha256(str(event.event_id).encode()).digest()[:_ROW_BYTES]


def customer_key(customer_id: str) -> bytes:
    """Name the row of a customer.

    Parameters
    ----------
    customer_id : str
        Who.

    Returns
    -------
    bytes
        Behind the mark of the source it is what cleaning makes of the same id, which tells whether
        a consent was said under this id or under another of the customer's.
    """
    digest = hashlib.md5(f"key\x1f{customer_id}".encode(), usedforsecurity=False).digest()
    return ROW_KEY_OF_SOURCE + digest[:_ROW_BYTES]


def _order_lines(event: Order, zone: ZoneInfo) -> list[Row]:
    common = {
        "customer_id": event.customer_id,
        "order_id": event.order_id,
        "day": day_of_moment(event.ordered_at, zone),
    }
    key = _row_key(event)
    rows = []
    for number, line in enumerate(event.lines):
        is_return = line.revenue < 0 or (line.quantity is not None and line.quantity < 0)
        rows.append(
            {
                **common,
                "row_key": key + number.to_bytes(_NUMBER_BYTES),
                "revenue": _signed(line.revenue, is_return),
                "product_id": line.product_id,
                "category": line.category,
                "quantity": _signed(line.quantity, is_return),
                "cost": _signed(line.cost, is_return),
                "discount": None if line.discount is None else abs(line.discount),
                "channel": line.channel,
            }
        )
    return rows


def _signed(number: float | None, is_return: bool) -> float | None:
    # A return is negative throughout, whatever sign its source writes.
    return -abs(number) if is_return and number is not None else number


def _invoices(event: Invoice, zone: ZoneInfo) -> list[Row]:
    day = day_of_moment(event.issued_at, zone)
    disputed = event.disputed_at
    return [
        {
            "customer_id": event.customer_id,
            "row_key": _row_key(event),
            "invoice_id": event.invoice_id,
            "day": day,
            "due_day": day + event.terms_days
            if event.terms_days is not None
            else day_of_moment(event.due_at or event.issued_at, zone),
            "amount": event.amount,
            "disputed_day": None if disputed is None else day_of_moment(disputed, zone),
        }
    ]


def _payments(event: Payment, zone: ZoneInfo) -> list[Row]:
    key = _row_key(event)
    return [
        {
            "customer_id": event.customer_id,
            "row_key": key,
            "payment_id": event.payment_id or key.hex(),
            "invoice_id": event.invoice_id,
            "day": day_of_moment(event.paid_at, zone),
            "amount": event.amount,
        }
    ]


def _interactions(event: Interaction, zone: ZoneInfo) -> list[Row]:
    key, resolved = _row_key(event), event.resolved_at
    topic = event.topic.lower() if event.topic and event.kind == "complaint" else event.topic
    return [
        {
            "customer_id": event.customer_id,
            "row_key": key,
            "interaction_id": event.interaction_id or key.hex(),
            "day": day_of_moment(event.contacted_at, zone),
            "kind": event.kind,
            "topic": topic,
            "resolved_day": None if resolved is None else day_of_moment(resolved, zone),
            "satisfaction": event.satisfaction,
            "cost": event.cost,
            "campaign_id": event.campaign_id,
        }
    ]


_MAKERS: Mapping[str, tuple[str, Callable[[Any, ZoneInfo], list[Row]]]] = {
    "order": ("order_lines", _order_lines),
    "invoice": ("invoices", _invoices),
    "payment": ("payments", _payments),
    "interaction": ("interactions", _interactions),
}
