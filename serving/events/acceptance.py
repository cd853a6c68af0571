"""Accept events: each id once, its content in the ledger, all of it in one transaction."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa

from serving.events.among import among
from serving.events.ledger import write_ledger
from serving.events.publishing import is_newer
from serving.events.schemas import CustomerChange, Event
from serving.privacy.suppression import suppressed_among
from serving.state import Service
from serving.store.statements import insert_rows, select_rows
from serving.store.tables import EVENTS, UNSCORED
from serving.store.upsert import upsert

__all__ = ["Accepted", "Refusal", "accept"]


_NEW = sa.insert(EVENTS)
_KNOWN = sa.select(
    EVENTS.c.event_id, EVENTS.c.position, EVENTS.c.digest, EVENTS.c.scored_position
).where(among(EVENTS.c.event_id, "ids"))


class _Known(NamedTuple):
    position: int
    digest: str
    scored_position: int | None


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
    def kept(self) -> list[Event]:
        """The events of the request that were not refused."""
        return [event for n, event in enumerate(self.events) if n not in self.refusals]

    @property
    def owed(self) -> list[Event]:
        """Those of them that no score has answered yet."""
        return [event for event in self.kept if self.repeats.get(event.event_id) is None]

    @property
    def unscored(self) -> frozenset[str]:
        """The customers whose score is owed to an event of the request."""
        return frozenset(event.customer_id for event in self.owed)


def accept(service: Service, requests: Sequence[Sequence[Event]]) -> list[Accepted]:
    """Accept the events of requests, together; when this returns, they outlive the power.

    Parameters
    ----------
    service : Service
        Store and company.
    requests : sequence of sequence of Event
        Well-formed, and within the rules.

    Returns
    -------
    list of Accepted
        What came of each request, as if they had come one after the other.
    """
    taken = [Accepted(events) for events in requests]
    received_at = service.now()
    store = service.store
    with store.writing() as connection, store.pipelined(connection):
        # Positions must be given in the order in which they become visible.
        store.lock(connection, "events")
        new = _judged(connection, service, taken)
        if new:
            rows = [
                {
                    "event_id": event_id,
                    "kind": event.type,
                    "customer_id": event.customer_id,
                    "received_at": received_at,
                    "digest": digest,
                }
                for event_id, (event, digest) in new.items()
            ]
            insert_rows(connection, _NEW, rows)
            positions = {event_id: at for event_id, at, *_ in _known(connection, new)}
            for accepted in taken:
                accepted.positions |= {
                    event.event_id: positions[event.event_id]
                    for event in accepted.kept
                    if event.event_id in positions
                }
            write_ledger(connection, (event for event, _ in new.values()), service.company.zone)
        _owe_scores(connection, taken)
    return taken


def _digest(event: Event) -> str:
    """Name the content of an event; of a change of a customer a null says something, too."""
    is_change = isinstance(event, CustomerChange)
    text = event.model_dump_json(exclude_unset=is_change, exclude_none=not is_change)
    return hashlib.sha256(text.encode()).hexdigest()


def _judged(
    connection: sa.Connection, service: Service, taken: Sequence[Accepted]
) -> dict[str, tuple[Event, str]]:
    """Tell the new events from repeats and refused ones; give the new with their digests, by id."""
    events = [event for accepted in taken for event in accepted.events]
    found = _known(connection, [event.event_id for event in events])
    erased = suppressed_among(
        connection, service.company.home, {event.customer_id for event in events}
    )
    known = {event_id: _Known(*facts) for event_id, *facts in found}
    new: dict[str, tuple[Event, str]] = {}
    for accepted in taken:
        for n, event in enumerate(accepted.events):
            digest = _digest(event)
            row = known.get(event.event_id)
            if event.customer_id in erased:
                accepted.refusals[n] = _SUPPRESSED
            elif row is not None and row.digest != digest:
                accepted.refusals[n] = _CONFLICT
            elif row is not None:
                accepted.positions[event.event_id] = row.position
                accepted.repeats[event.event_id] = row.scored_position
                accepted.n_repeated += 1
            elif event.event_id not in new:
                new[event.event_id] = event, digest
            elif new[event.event_id][1] == digest:
                accepted.n_repeated += 1
            else:
                accepted.refusals[n] = _CONFLICT
    return new


def _known(connection: sa.Connection, event_ids: Collection[str]) -> Iterable[tuple[Any, ...]]:
    return select_rows(connection, _KNOWN, ids=event_ids)


def _owe_scores(connection: sa.Connection, taken: Sequence[Accepted]) -> None:
    """Note in the same transaction whose score is owed, for whoever comes after a crash."""
    last: dict[str, int] = {}
    for accepted in taken:
        for event in accepted.owed:
            position = accepted.positions[event.event_id]
            last[event.customer_id] = max(position, last.get(event.customer_id, 0))
    if last:
        statement = upsert(connection, UNSCORED, only_where=is_newer)
        rows = [{"customer_id": who, "position": last[who]} for who in sorted(last)]
        insert_rows(connection, statement, rows)
