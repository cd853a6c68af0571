"""Score everyone and publish at once: readers see the old set or the new one, never a mix."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from features.engines.duckdb import compute_signals
from features.ledger import date_of, day_of
from features.pipeline import signals_digest
from features.totals import totals_of
from models.tier import POLICIES, Policy, cuts_of
from models.tier.scorecard import DIMENSIONS, Scorecard
from serving.audit import record
from serving.champion import Champion
from serving.comparison import Company
from serving.privacy.suppression import erased_subjects, hold_erasures
from serving.published import POINTER
from serving.scoring import score_customers, tier_values
from serving.store import Store
from serving.store.tables import EVENTS, LEDGER, LIVE_SCORES, PUBLISHED, SCORE_SETS, SCORES

__all__ = ["Publication", "PublishError", "publish"]

# The one readers see, and the one before it: they may still be turning its pages.
_SETS_KEPT = 2
# So long after its horizon has passed is the first set of a month kept: a year of monthly forecasts
# can be held against what came, and one month more for the comparison to be made in.
_MONTHS_KEPT = 13


class PublishError(ValueError):
    """Raised where nothing can be scored."""


@dataclass(frozen=True)
class Publication:
    """What was published.

    Parameters
    ----------
    set_id : int
        The score set.
    as_of : int
        Its last day known, in days since 1970-01-01.
    scores : DataFrame of shape (n_customers, n_columns), indexed by customer_id
        What readers see.
    """

    set_id: int
    as_of: int
    scores: pd.DataFrame


def publish(
    store: Store,
    champion: Champion,
    *,
    currency: str,
    discount_rate: float,
    policy: str,
    as_of: int | None = None,
    actor: str = "worth",
    report: Callable[[str], None] = lambda _: None,
) -> Publication:
    """Score every customer of the ledger and publish the set.

    Parameters
    ----------
    store : Store
        The ledger, and the place of the scores.
    champion : Champion
        The model.
    currency : str
        Of the ledger's money.
    discount_rate : float
        Annual, for what is to come.
    policy : str
        The tier policy's name.
    as_of : int, optional
        The last day known; the ledger's last day where it is not given.
    actor : str, default "worth"
        Who publishes, for the audit log.
    report : callable, optional
        Told what is being done.

    Returns
    -------
    Publication
        The set's number and content.

    Raises
    ------
    PublishError
        If the ledger holds nobody to score on that day.
    """
    report("reading the ledger")
    # Before the ledger, so that it holds every event up to here.
    events_upto, erased = _last_position(store), _erased(store)
    ledger = store.read_ledger()
    day = ledger.last_day if as_of is None else as_of
    today = day_of(datetime.now(UTC).date())
    if as_of is not None and day > max(today, ledger.last_day):
        raise PublishError(
            f"as_of is {date_of(day)}, which is after today, {date_of(today)}: what is not known "
            "yet cannot be scored. Leave --as-of out for the ledger's last day."
        )
    report("computing signals and scores")
    signals = compute_signals(ledger, day)
    may_be_scored = signals[~signals.index.isin(ledger.opted_out)]
    if may_be_scored.empty:
        raise PublishError(
            f"Nobody bought on or before {date_of(day)}, so there is nobody to score. The first "
            f"order is of {date_of(ledger.first_day)}; choose a later as_of."
        )
    scores = score_customers(
        may_be_scored,
        champion,
        discount_rate=discount_rate,
        policy=POLICIES[policy],
    )
    company = _company_of(may_be_scored, scores, POLICIES[policy])
    facts = {
        "as_of": day,
        "scored_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "horizon_days": champion.bundle.facts["horizon_days"],
        "currency": currency,
        "value_basis": champion.bundle.facts["value_basis"],
        "discount_rate": discount_rate,
        "policy": policy,
        "model_name": champion.name,
        "model_version": champion.version,
        "model_digest": champion.bundle.digest,
        "ledger_fingerprint": ledger.fingerprint(),
        "n_customers": len(scores),
        "company": company.to_json(),
        "signals_digest": signals_digest(),
        "events_upto": events_upto,
    }
    report(f"publishing {len(scores):,} scores")
    set_id, gone = _write(store, scores, facts, actor=actor, erased=erased)
    return Publication(set_id, day, scores.drop(index=gone))


def _company_of(signals: pd.DataFrame, scores: pd.DataFrame, policy: Policy) -> Company:
    rated = [name for dimension in DIMENSIONS.values() for name in dimension if name in signals]
    card = Scorecard().fit(signals[rated].assign(expected_value=scores["clv_expected"]))
    cuts = cuts_of(tier_values(signals, scores, policy), scores["tier"])
    return Company(totals_of(signals), card, cuts)


def _write(
    store: Store,
    scores: pd.DataFrame,
    facts: dict[str, object],
    *,
    actor: str,
    erased: frozenset[str],
) -> tuple[int, list[str]]:
    """Write and publish a set; tell who was left out of it, because they were erased meanwhile."""
    table = pa.Table.from_pandas(scores.reset_index(), preserve_index=False)
    table = table.sort_by("customer_id")
    with store.staged({"scores": table}) as (connection, staged):
        new_set = sa.insert(SCORE_SETS).values(**facts).returning(SCORE_SETS.c.id)
        set_id = int(connection.execute(new_set).scalar_one())
        connection.execute(_insert_scores(staged["scores"], set_id, facts))
        is_as_before = hold_erasures(store, connection) == erased
        gone = [] if is_as_before else _leave_out_erased(connection, set_id, len(scores))
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
    _remove_old_sets(store)
    return set_id, gone


def _leave_out_erased(connection: sa.Connection, set_id: int, n_scores: int) -> list[str]:
    """Take those out of a new set who are no longer in the ledger that it was made of."""
    lines = LEDGER["order_lines"].c
    is_gone = ~sa.exists().where(lines.customer_id == SCORES.c.customer_id)
    taken_out = sa.delete(SCORES).where(SCORES.c.set_id == set_id, is_gone)
    gone = list(connection.scalars(taken_out.returning(SCORES.c.customer_id)))
    facts = sa.update(SCORE_SETS).where(SCORE_SETS.c.id == set_id)
    connection.execute(facts.values(n_customers=n_scores - len(gone)))
    return gone


def _insert_scores(staged: sa.TableClause, set_id: int, facts: dict[str, object]) -> sa.Insert:
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


def _erased(store: Store) -> frozenset[str]:
    with store.reading() as connection:
        return erased_subjects(connection)


def _last_position(store: Store) -> int:
    """Find the position of the last event accepted; 0 before the first."""
    with store.reading() as connection:
        last = connection.execute(sa.select(sa.func.max(EVENTS.c.position))).scalar()
    return int(last or 0)


def _remove_old_sets(store: Store) -> None:
    """Remove the scores of sets that nobody reads and that are not kept to be judged."""
    # An order dated into the future must not end the time of a set.
    last_day = min(store.last_day(), day_of(datetime.now(UTC).date()))
    sets = sa.select(SCORE_SETS.c.id, SCORE_SETS.c.as_of, SCORE_SETS.c.horizon_days)
    has_scores = sa.exists().where(SCORES.c.set_id == SCORE_SETS.c.id)
    with store.writing() as connection:
        found = connection.execute(sets.where(has_scores).order_by(SCORE_SETS.c.id)).all()
        newest = [row.id for row in found[-_SETS_KEPT:]]
        kept = [*newest, *_firsts_of_months(found, last_day)]
        connection.execute(sa.delete(SCORES).where(SCORES.c.set_id.not_in(kept)))


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
