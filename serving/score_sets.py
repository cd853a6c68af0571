"""Write score sets piece by piece, publish them at once, and remove them piece by piece.

The rows of a set are written in transactions of a blink each, so that events, erasures and the
checkpoints of SQLite come in between. Nobody sees them: a set is there once its row in `score_sets`
is, which comes last, together with the pointer. What a publication that was killed leaves behind
are scores of no set, which are removed with the old ones.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from features.ledger import date_of, day_of
from serving.audit import record
from serving.privacy.suppression import hold_erasures
from serving.published import POINTER
from serving.store import Store
from serving.store.tables import LEDGER, LIVE_SCORES, PUBLISHED, SCORE_SETS, SCORES

__all__ = ["remove_old_sets", "write_set"]

# Half a second's work at most: as long may an event wait for it.
_PIECE_ROWS = 50_000
# The one readers see, and the one before it: they may still be turning its pages.
_SETS_KEPT = 2
# So long after its horizon has passed is the first set of a month kept: a year of monthly forecasts
# can be held against what came, and one month more for the comparison to be made in.
_MONTHS_KEPT = 13


def write_set(
    store: Store,
    scores: pd.DataFrame,
    facts: Mapping[str, object],
    *,
    actor: str,
    erased: frozenset[str],
) -> tuple[int, list[str]]:
    """Write and publish a set.

    Parameters
    ----------
    store : Store
        Where to.
    scores : DataFrame of shape (n_customers, n_columns), indexed by customer_id
        The scores.
    facts : mapping of str to object
        What the set carries, by column of `score_sets`.
    actor : str
        Who publishes, for the audit log.
    erased : frozenset of str
        Who was erased before the ledger was read, by pseudonym.

    Returns
    -------
    (int, list of str)
        The set's number, and who was left out of it because they were erased meanwhile.
    """
    table = pa.Table.from_pandas(scores.reset_index(), preserve_index=False)
    table = table.sort_by("customer_id")
    set_id = _reserved(store, facts)
    for start in range(0, len(table), _PIECE_ROWS):
        piece = table.slice(start, _PIECE_ROWS)
        with store.staged({"scores": piece}) as (connection, staged):
            connection.execute(_insert_scores(staged["scores"], set_id, facts))
            if hold_erasures(store, connection) != erased:
                _leave_out_erased(connection, set_id)
    with store.writing() as connection:
        is_as_before = hold_erasures(store, connection) == erased
        gone = [] if is_as_before else _missing(connection, set_id, scores.index)
        kept = {"id": set_id, "n_customers": len(scores) - len(gone)}
        connection.execute(sa.insert(SCORE_SETS).values({**facts, **kept}))
        in_the_set = LIVE_SCORES.c.position <= facts["events_upto"]
        connection.execute(sa.delete(LIVE_SCORES).where(in_the_set))
        connection.execute(sa.delete(PUBLISHED).where(PUBLISHED.c.what == POINTER))
        connection.execute(sa.insert(PUBLISHED).values(what=POINTER, set_id=set_id))
        record(
            connection,
            actor=actor,
            action="scores.published",
            object=str(set_id),
            n=len(scores) - len(gone),
        )
    return set_id, gone


def _reserved(store: Store, facts: Mapping[str, object]) -> int:
    """Take a number that no set had or will have: it is not given out twice."""
    with store.writing() as connection:
        new = sa.insert(SCORE_SETS).values(**facts).returning(SCORE_SETS.c.id)
        set_id = int(connection.execute(new).scalar_one())
        connection.execute(sa.delete(SCORE_SETS).where(SCORE_SETS.c.id == set_id))
    return set_id


def _leave_out_erased(connection: sa.Connection, set_id: int) -> None:
    """Take those out of a new set who are no longer in the ledger that it was made of."""
    lines = LEDGER["order_lines"].c
    is_gone = ~sa.exists().where(lines.customer_id == SCORES.c.customer_id)
    connection.execute(sa.delete(SCORES).where(SCORES.c.set_id == set_id, is_gone))


def _missing(connection: sa.Connection, set_id: int, customers: pd.Index) -> list[str]:
    """Tell who has no score in a set: left out, or erased after it was written."""
    there = connection.scalars(sa.select(SCORES.c.customer_id).where(SCORES.c.set_id == set_id))
    return [str(customer) for customer in customers.difference(pd.Index(there.all()))]


def _insert_scores(staged: sa.TableClause, set_id: int, facts: Mapping[str, object]) -> sa.Insert:
    """Insert the staged scores; a tier that has not changed keeps the day it began."""
    before, before_set, live = SCORES.alias("before"), SCORE_SETS.alias("before_set"), LIVE_SCORES
    published_set = sa.select(PUBLISHED.c.set_id).where(PUBLISHED.c.what == POINTER)
    policy_before = sa.select(before_set.c.policy).where(before_set.c.id == before.c.set_id)
    is_same_tier = sa.and_(
        before.c.set_id == published_set.scalar_subquery(),
        before.c.customer_id == staged.c.customer_id,
        before.c.tier == staged.c.tier,
        before.c.tier_since <= facts["as_of"],
        policy_before.scalar_subquery() == facts["policy"],
    )
    is_same_live = sa.and_(
        live.c.tier == staged.c.tier,
        live.c.tier_since <= facts["as_of"],
        live.c.policy == facts["policy"],
    )
    # What an event made of a tier is newer than the set before.
    since = sa.case(
        (live.c.customer_id.is_(None), sa.func.coalesce(before.c.tier_since, facts["as_of"])),
        (is_same_live, live.c.tier_since),
        else_=facts["as_of"],
    )
    names = [name for name in SCORES.c.keys() if name in staged.c]  # noqa: SIM118 - not a dict
    rows = sa.select(sa.literal(set_id), *(staged.c[name] for name in names), since).select_from(
        staged.outerjoin(before, is_same_tier).outerjoin(
            live, live.c.customer_id == staged.c.customer_id
        )
    )
    return sa.insert(SCORES).from_select(["set_id", *names, "tier_since"], rows)


def remove_old_sets(store: Store) -> None:
    """Remove the scores of sets that nobody reads and that are not kept to be judged.

    Parameters
    ----------
    store : Store
        Where they are.
    """
    for set_id in _not_kept(store):
        some = sa.select(SCORES.c.customer_id).where(SCORES.c.set_id == set_id).limit(_PIECE_ROWS)
        piece = sa.delete(SCORES).where(SCORES.c.set_id == set_id, SCORES.c.customer_id.in_(some))
        n_removed = _PIECE_ROWS
        while n_removed == _PIECE_ROWS:
            with store.writing() as connection:
                n_removed = connection.execute(piece).rowcount


def _not_kept(store: Store) -> list[int]:
    # An order dated into the future must not end the time of a set.
    last_day = min(store.last_day(), day_of(datetime.now(UTC).date()))
    sets = sa.select(SCORE_SETS.c.id, SCORE_SETS.c.as_of, SCORE_SETS.c.horizon_days)
    with store.reading() as connection:
        there = _sets_with_scores(connection)
        found = [
            row for row in connection.execute(sets.order_by(SCORE_SETS.c.id)) if row.id in there
        ]
    newest = [row.id for row in found[-_SETS_KEPT:]]
    kept = {*newest, *_firsts_of_months(found, last_day)}
    # A later one that is no set yet may be another publication's, which is at work.
    return [set_id for set_id in sorted(there - kept) if set_id < min(newest)]


def _sets_with_scores(connection: sa.Connection) -> set[int]:
    """List the sets that have scores, by one look at the key for each."""
    found: set[int] = set()
    last = 0
    after = sa.select(sa.func.min(SCORES.c.set_id))
    while (set_id := connection.execute(after.where(SCORES.c.set_id > last)).scalar()) is not None:
        found.add(last := int(set_id))
    return found


def _firsts_of_months(sets: Sequence[Any], last_day: int) -> list[int]:
    """Find the set published first for each month, until its time to be judged is over.

    The one published first, because a later one of the same month may know more than its day did.
    """
    firsts: dict[tuple[int, int], Any] = {}
    for row in sets:
        day = date_of(row.as_of)
        firsts.setdefault((day.year, day.month), row)
    return [
        row.id for row in firsts.values() if last_day <= _last_day_kept(row.as_of, row.horizon_days)
    ]


def _last_day_kept(as_of: int, horizon_days: int) -> int:
    end = pd.Timestamp(date_of(as_of + horizon_days)) + pd.DateOffset(months=_MONTHS_KEPT)
    return day_of(end.date())
