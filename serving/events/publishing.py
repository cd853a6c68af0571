"""Publish what events made of scores: durable events first, then the scores that know them."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from serving.events.among import among
from serving.live import LiveScore, NoScore
from serving.store import Store
from serving.store.statements import insert_rows, select_rows, write_rows
from serving.store.tables import EVENTS, LIVE_SCORES, SCORE_CHANGES, SHADOW_SCORES, UNSCORED
from serving.store.upsert import upsert

__all__ = ["Made", "is_newer", "publish_live", "unscored"]

Made = Mapping[str, LiveScore | NoScore]


def unscored(
    connection: sa.Connection,
    customers: Iterable[str] | None = None,
    *,
    at_most: int | None = None,
    after: int = -1,
) -> dict[str, int]:
    """Find the customers whose score does not know all of their events.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Of the store's `reading`.
    customers : iterable of str, optional
        Only these.
    at_most : int, optional
        So many, those who have waited longest.
    after : int, default -1
        Only those whose last event has a later position.

    Returns
    -------
    dict of str to int
        Position of the last event by customer.
    """
    if customers is not None:
        return dict(select_rows(connection, _UNSCORED_OF, customers=customers))
    later = _UNSCORED.where(UNSCORED.c.position > after)
    rows = connection.execute(later.order_by(UNSCORED.c.position).limit(at_most))
    return {row.customer_id: row.position for row in rows}


_UNSCORED = sa.select(UNSCORED.c.customer_id, UNSCORED.c.position)
_UNSCORED_OF = _UNSCORED.where(among(UNSCORED.c.customer_id, "customers"))


def publish_live(store: Store, made: Made, positions: Mapping[str, int]) -> frozenset[str]:
    """Publish scores, all at once.

    Tables are written in the order in which erasing a customer empties them, and customers in the
    order of their ids, so that no two writers wait for each other.

    Parameters
    ----------
    store : Store
        Of the company.
    made : mapping of str to LiveScore or NoScore
        By customer.
    positions : mapping of str to int
        Position of the last event that the scores know, by customer.

    Returns
    -------
    frozenset of str
        Those whose score was published; of the others another writer was faster, or they were
        erased.
    """
    with store.derived_writing() as connection, store.pipelined(connection):
        _answer_events(connection, made, positions)
        owed = _still_owed(connection, positions)
        scores = [made[who] for who in sorted(owed)]
        rows = [score.row for score in scores if isinstance(score, LiveScore)]
        shadows = [s.shadow for s in scores if isinstance(s, LiveScore) and s.shadow is not None]
        done = [
            {"whose": who, "upto": positions[who]}
            for who in sorted(owed)
            if not _is_for_now(made[who])
        ]
        if done:
            write_rows(connection, _FORGET, done)
        if rows:
            insert_rows(connection, upsert(connection, LIVE_SCORES, only_where=is_newer), rows)
            insert_rows(connection, upsert(connection, SCORE_CHANGES, _nothing), rows)
        if shadows:
            write_rows(connection, _COMPARE, shadows)
    return frozenset(owed)


_FORGET = sa.delete(UNSCORED).where(
    UNSCORED.c.customer_id == sa.bindparam("whose"), UNSCORED.c.position <= sa.bindparam("upto")
)
_COMPARE = sa.insert(SHADOW_SCORES)
_OWED = (
    sa.select(UNSCORED.c.customer_id)
    .where(among(UNSCORED.c.customer_id, "customers"))
    .order_by(UNSCORED.c.customer_id)
    .with_for_update()
)
_ANSWER = (
    sa.update(EVENTS)
    .where(
        EVENTS.c.customer_id == sa.bindparam("whose"),
        EVENTS.c.position <= sa.bindparam("upto"),
        EVENTS.c.scored_position.is_(None),
    )
    .values(scored_position=sa.bindparam("answer"))
)


def is_newer(new: Any, table: sa.Table) -> sa.ColumnElement[bool]:
    """Compare positions, for an upsert: what is older never goes before what is newer.

    Parameters
    ----------
    new : object
        The new row.
    table : sqlalchemy.Table
        With a column position.

    Returns
    -------
    sqlalchemy.ColumnElement
        The condition.
    """
    newer: sa.ColumnElement[bool] = new.position > table.c.position
    return newer


def _nothing(*_: object) -> dict[str, Any]:
    return {}


def _answer_events(connection: sa.Connection, made: Made, positions: Mapping[str, int]) -> None:
    """Note what their events are answered, so that a repeat is answered the same."""
    answers = []
    for who in sorted(positions):
        score = made[who]
        answer = int(score) if isinstance(score, NoScore) else positions[who]
        answers.append({"whose": who, "upto": positions[who], "answer": answer})
    write_rows(connection, _ANSWER, answers)


def _still_owed(connection: sa.Connection, positions: Mapping[str, int]) -> set[str]:
    return {who for (who,) in select_rows(connection, _OWED, customers=sorted(positions))}


def _is_for_now(score: LiveScore | NoScore) -> bool:
    return isinstance(score, NoScore) and score.is_for_now
