"""Accept events: each id once, its content in the ledger, all of it in one transaction."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from serving.events.ledger import write_ledger
from serving.events.publishing import is_newer
from serving.events.schemas import CustomerChange, Event
from serving.privacy.suppression import suppressed_among
from serving.state import Service
from serving.store.tables import EVENTS, UNSCORED
from serving.store.upsert import upsert

__all__ = ["Accepted", "Refusal", "accept"]


_NEW = sa.insert(EVENTS).returning(EVENTS.c.event_id, EVENTS.c.position)
_KNOWN = sa.select(
    EVENTS.c.event_id, EVENTS.c.position, EVENTS.c.digest, EVENTS.c.scored_position
).where(EVENTS.c.event_id.in_(sa.bindparam("ids", expanding=True)))


@dataclass(frozen=True)
class Refusal:
    """Why an event was not accepted.

    Parameters
    ----------
    status : {"conflict", "suppressed"}
        For programs.
    detail : str
        For people.
    """

    status: str
    detail: str


_SUPPRESSED = Refusal("suppressed", "The customer was erased, and nothing is kept of them.")
_CONFLICT = Refusal(
    "conflict",
    "This event_id was given to an event of another content before. Send a correction under an id "
    "of its own.",
)


@dataclass
class Accepted:
    """What came of the events of a request.

    Parameters
    ----------
    events : sequence of Event
        All of the request.
    positions : dict of str to int
        Place in the order of all events, by event id; of those in the ledger now, new or not.
    refusals : dict of int to Refusal
        By their place in the request.
    repeats : dict of str to int or None
        By event id, of those that were known before: where their score is, None where it is owed.
    n_repeated : int
        How many events of the request are repeats.
    """

    events: Sequence[Event]
    positions: dict[str, int] = field(default_factory=dict)
    refusals: dict[int, Refusal] = field(default_factory=dict)
    repeats: dict[str, int | None] = field(default_factory=dict)
    n_repeated: int = 0

    @property
    def unscored(self) -> set[str]:
        """The customers whose score is owed to an event of the request."""
        return {
            event.customer_id
            for n, event in enumerate(self.events)
            if n not in self.refusals and self.repeats.get(event.event_id) is None
        }


def accept(service: Service, events: Sequence[Event]) -> Accepted:
    """Accept events; when this returns, they outlive the power.

    Parameters
    ----------
    service : Service
        Store and company.
    events : sequence of Event
        Well-formed, and within the rules.

    Returns
    -------
    Accepted
        What came of them.
    """
    accepted = Accepted(events)
    digests = [_digest(event) for event in events]
    received_at = service.now()
    with service.store.writing() as connection:
        # Positions must be given in the order in which they become visible.
        service.store.lock(connection, "events")
        new = _judged(connection, service, accepted, digests)
        if new:
            rows = [
                {
                    "event_id": events[n].event_id,
                    "kind": events[n].type,
                    "customer_id": events[n].customer_id,
                    "received_at": received_at,
                    "digest": digests[n],
                }
                for n in new
            ]
            found = connection.execute(_NEW, rows)
            accepted.positions |= {event_id: position for event_id, position in found}
            write_ledger(connection, (events[n] for n in new), service.company.zone)
        _owe_scores(connection, accepted)
    return accepted


def _digest(event: Event) -> str:
    """Name the content of an event; of a change of a customer a null says something, too."""
    is_change = isinstance(event, CustomerChange)
    text = event.model_dump_json(exclude_unset=is_change, exclude_none=not is_change)
    return hashlib.sha256(text.encode()).hexdigest()


def _judged(
    connection: sa.Connection, service: Service, accepted: Accepted, digests: Sequence[str]
) -> list[int]:
    """Tell the new events from repeats and refused ones; give the places of the new."""
    known = _known(connection, accepted.events)
    erased = suppressed_among(
        connection, service.company.home, {event.customer_id for event in accepted.events}
    )
    new: dict[str, int] = {}
    for n, event in enumerate(accepted.events):
        row = known.get(event.event_id)
        if event.customer_id in erased:
            accepted.refusals[n] = _SUPPRESSED
        elif row is not None and row.digest != digests[n]:
            accepted.refusals[n] = _CONFLICT
        elif row is not None:
            accepted.positions[event.event_id] = row.position
            accepted.repeats[event.event_id] = row.scored_position
            accepted.n_repeated += 1
        elif event.event_id not in new:
            new[event.event_id] = n
        elif digests[new[event.event_id]] == digests[n]:
            accepted.n_repeated += 1
        else:
            accepted.refusals[n] = _CONFLICT
    return list(new.values())


def _known(connection: sa.Connection, events: Sequence[Event]) -> dict[str, Any]:
    ids = [event.event_id for event in events]
    return {row.event_id: row for row in connection.execute(_KNOWN, {"ids": ids})}


def _owe_scores(connection: sa.Connection, accepted: Accepted) -> None:
    """Note in the same transaction whose score is owed, for whoever comes after a crash."""
    last: dict[str, int] = {}
    for n, event in enumerate(accepted.events):
        if n not in accepted.refusals and accepted.repeats.get(event.event_id) is None:
            position = accepted.positions[event.event_id]
            last[event.customer_id] = max(position, last.get(event.customer_id, 0))
    if last:
        statement = upsert(connection, UNSCORED, only_where=is_newer)
        rows = [{"customer_id": who, "position": last[who]} for who in sorted(last)]
        connection.execute(statement, rows)
