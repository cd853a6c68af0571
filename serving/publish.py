"""Score everyone and publish at once: readers see the old set or the new one, never a mix."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd
import sqlalchemy as sa

from features.engines.duckdb import compute_signals
from features.ledger import date_of, day_of
from features.pipeline import signals_digest
from features.totals import totals_of
from models.tier import POLICIES, Policy, cuts_of
from models.tier.scorecard import DIMENSIONS, Scorecard
from serving.champion import Champion
from serving.comparison import Company
from serving.privacy.suppression import erased_subjects
from serving.score_sets import remove_old_sets, write_set
from serving.scoring import score_customers, tier_values
from serving.store import Store
from serving.store.tables import EVENTS

__all__ = ["Publication", "PublishError", "publish"]


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
    set_id, gone = write_set(store, scores, facts, actor=actor, erased=erased)
    remove_old_sets(store)
    return Publication(set_id, day, scores.drop(index=gone))


def _company_of(signals: pd.DataFrame, scores: pd.DataFrame, policy: Policy) -> Company:
    rated = [name for dimension in DIMENSIONS.values() for name in dimension if name in signals]
    card = Scorecard().fit(signals[rated].assign(expected_value=scores["clv_expected"]))
    cuts = cuts_of(tier_values(signals, scores, policy), scores["tier"])
    return Company(totals_of(signals), card, cuts)


def _erased(store: Store) -> frozenset[str]:
    with store.reading() as connection:
        return erased_subjects(connection)


def _last_position(store: Store) -> int:
    """Find the position of the last event accepted; 0 before the first."""
    with store.reading() as connection:
        last = connection.execute(sa.select(sa.func.max(EVENTS.c.position))).scalar()
    return int(last or 0)
