"""From the bytes of a request to events that can be believed, or to all that is wrong with them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from features.cleaning.rules import EARLIEST
from features.ledger import date_of, day_of
from serving.events.schemas import MOST_EVENTS, Event, EventBatch
from serving.state import Service

__all__ = ["MOMENTS", "check_events", "day_of_moment", "read_json", "read_lines"]

# The field that says when an event of a type was, and the further days it may name.
MOMENTS: Mapping[str, tuple[str, ...]] = {
    "order": ("ordered_at",),
    "invoice": ("issued_at", "due_at", "disputed_at"),
    "payment": ("paid_at",),
    "interaction": ("contacted_at", "resolved_at"),
    "customer": ("acquired_at",),
}
# A payment is due in days to come.
_MAY_LIE_AHEAD = {"due_at"}
_EARLIEST_DAY = day_of(date.fromisoformat(EARLIEST))
_NO_CURRENCY = "XXX"
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def read_json(body: bytes) -> list[Event]:
    """Read events from a JSON object.

    Parameters
    ----------
    body : bytes
        {"events": [...]}.

    Returns
    -------
    list of Event
        In their order.

    Raises
    ------
    RequestValidationError
        If any of them is malformed; it points to every field that is wrong.
    """
    try:
        return EventBatch.model_validate_json(body).events
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False), _parsed(body)) from None


def read_lines(body: bytes) -> list[Event]:
    """Read events from NDJSON, one a line.

    Parameters
    ----------
    body : bytes
        JSON objects, each on a line of its own.

    Returns
    -------
    list of Event
        In their order.

    Raises
    ------
    RequestValidationError
        If any of them is malformed; it points to the fields as if they came in one JSON object.
    """
    lines = [line for line in body.split(b"\n") if line.strip()]
    if not 0 < len(lines) <= MOST_EVENTS:
        rule = f"There must be 1 to {MOST_EVENTS:,} events, one a line"
        raise _refusal([_fault(("events",), rule, len(lines))], {"events": []})
    events: list[Event] = []
    faults: list[Any] = []
    for n, line in enumerate(lines):
        try:
            events.append(_EVENT.validate_json(line))
        except ValidationError as error:
            faults += [
                {**fault, "type": _type(fault), "loc": ("events", n, *fault["loc"])}
                for fault in error.errors(include_url=False)
            ]
    if faults:
        raise _refusal(faults, {"events": [_parsed(line) for line in lines]})
    return events


def _type(fault: Mapping[str, Any]) -> str:
    # Of a whole body this would be said with its own pointer; of a line the line's is the better.
    return "value_error" if fault["type"] == "json_invalid" else str(fault["type"])


def check_events(events: Sequence[Event], service: Service) -> None:
    """Refuse events that cannot be believed, by the rules that hold for files too.

    Parameters
    ----------
    events : sequence of Event
        Well-formed.
    service : Service
        It knows the company's time zone and currency.

    Raises
    ------
    RequestValidationError
        If any of them cannot be believed; it points to every field that is wrong.
    """
    today, company = service.today(), service.company
    zone = company.zone
    faults = []
    for n, event in enumerate(events):
        if event.currency not in {None, company.currency}:
            faults.append(
                _fault(("events", n, "currency"), _currency_rule(company.currency), event.currency)
            )
        faults += [
            _fault(("events", n, field), rule, getattr(event, field).isoformat())
            for field, rule in _wrong_days(event, today, zone)
        ]
    if faults:
        raise _refusal(faults, {"events": [event.model_dump() for event in events]})


def _currency_rule(currency: str) -> str:
    if currency == _NO_CURRENCY:
        return "the company's currency is not set (worth.toml: currency), so leave this out"
    return f"must be the company's currency, {currency}: events are not converted"


def _wrong_days(event: Event, today: int, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    first: tuple[str, int] | None = None
    for field in MOMENTS[event.type]:
        moment = getattr(event, field)
        if moment is None:
            continue
        day = day_of_moment(moment, zone)
        if day < _EARLIEST_DAY:
            yield field, f"is before {EARLIEST}"
        elif day > today and field not in _MAY_LIE_AHEAD:
            yield field, f"is after {date_of(today).isoformat()}, which is today"
        elif first is not None and day < first[1]:
            yield field, f"is before {first[0]}"
        first = first or (field, day)


def day_of_moment(moment: date, zone: ZoneInfo) -> int:
    """Find the company's day of a moment.

    Parameters
    ----------
    moment : date or datetime
        A day, or a point in time with its offset.
    zone : ZoneInfo
        The company's time zone.

    Returns
    -------
    int
        Days since 1970-01-01.

    Examples
    --------
    >>> day_of_moment(datetime.fromisoformat("1970-01-01T23:30:00+00:00"), ZoneInfo("Asia/Tokyo"))
    1
    """
    if not isinstance(moment, datetime):
        return day_of(moment)
    try:
        return day_of(moment.astimezone(zone).date())
    except OverflowError:  # at either end of the calendar
        return day_of(moment.date())


def _fault(place: tuple[str | int, ...], rule: str, given: object) -> dict[str, Any]:
    return {"type": "value_error", "loc": place, "msg": rule, "input": given}


def _refusal(faults: Sequence[Any], body: object) -> RequestValidationError:
    # Where no byte is JSON, the parser says where it stopped.
    placed = [
        {**fault, "loc": ("body", *(fault["loc"] or (0,)))}
        if fault["type"] == "json_invalid"
        else {**fault, "loc": ("body", *fault["loc"])}
        for fault in faults
    ]
    return RequestValidationError(placed, body=body)


def _parsed(text: bytes) -> Any:
    """Read JSON once more, to tell what of a path is in it; never what is answered."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
