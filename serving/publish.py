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
from models.tier import POLICIES, Policy
from models.tier.scorecard import Scorecard
from models.value.discounting import discount_factor
from serving.comparison import Company
from serving.published import POINTER
from serving.registry import Champion
from serving.store import Store
from serving.store.tables import PUBLISHED, SCORE_SETS, SCORES

__all__ = ["Publication", "PublishError", "publish", "score_customers"]

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
        "company": _company_of(signals, scores).to_json(),
    }
    report(f"publishing {len(scores):,} scores")
    return Publication(_write(store, scores, facts), day, scores)


def score_customers(
    signals: pd.DataFrame,
    champion: Champion,
    *,
    discount_rate: float,
    policy: Policy,
) -> pd.DataFrame:
    """Score customers by their signals.

    Parameters
    ----------
    signals : DataFrame of shape (n_customers, n_signals), indexed by customer_id
        Of those who may be scored.
    champion : Champion
        The model.
    discount_rate : float
        Annual, for what is to come.
    policy : Policy
        What makes a tier.

    Returns
    -------
    DataFrame of shape (n_customers, n_columns), indexed by customer_id
        The columns of the table `scores`, without set_id and tier_since.

    Raises
    ------
    PublishError
        If the model learned from other definitions of the signals.
    """
    facts = champion.bundle.facts
    if facts["signals_digest"] != signals_digest():
        raise PublishError(
            f"Version {champion.version} of the model learned from other definitions of the "
            "signals than this program computes. 'worth train' makes one that fits."
        )
    forecast = champion.bundle.forecast(signals)
    factor = discount_factor(facts["horizon_days"], discount_rate)
    return pd.DataFrame(
        {
            "historic_value": signals[facts["value_basis"]],
            "expected_purchases": forecast["expected_purchases"],
            "p_alive": forecast["p_alive"],
            "churn_probability": forecast["churn_probability"],
            "clv_expected": forecast["expected_value"] * factor,
            "clv_lower": forecast["value_lower"] * factor,
            "clv_upper": forecast["value_upper"] * factor,
            "days_since_last_purchase": signals["days_since_last_purchase"].astype("int32"),
            "tier": policy.assign(signals.join(forecast)),
        }
    )


def _company_of(signals: pd.DataFrame, scores: pd.DataFrame) -> Company:
    card = Scorecard().fit(signals.assign(expected_value=scores["clv_expected"]))
    return Company(totals_of(signals), card)


def _write(store: Store, scores: pd.DataFrame, facts: dict[str, object]) -> int:
    table = pa.Table.from_pandas(scores.reset_index(), preserve_index=False)
    table = table.sort_by("customer_id")
    with store.staged({"scores": table}) as (connection, staged):
        new_set = sa.insert(SCORE_SETS).values(**facts).returning(SCORE_SETS.c.id)
        set_id = int(connection.execute(new_set).scalar_one())
        connection.execute(_insert_scores(staged["scores"], set_id, facts))
        connection.execute(sa.delete(PUBLISHED).where(PUBLISHED.c.what == POINTER))
        connection.execute(sa.insert(PUBLISHED).values(what=POINTER, set_id=set_id))
    _remove_old_sets(store)
    return set_id


def _insert_scores(staged: sa.TableClause, set_id: int, facts: dict[str, object]) -> sa.Insert:
    """Insert the staged scores; a tier that has not changed keeps the day it began."""
    before, before_set = SCORES.alias("before"), SCORE_SETS.alias("before_set")
    published_set = sa.select(PUBLISHED.c.set_id).where(PUBLISHED.c.what == POINTER)
    is_same_tier = sa.and_(
        before.c.set_id == published_set.scalar_subquery(),
        before.c.customer_id == staged.c.customer_id,
        before.c.tier == staged.c.tier,
        before.c.tier_since <= facts["as_of"],
        sa.select(before_set.c.policy).where(before_set.c.id == before.c.set_id).scalar_subquery()
        == facts["policy"],
    )
    names = [name for name in SCORES.c.keys() if name in staged.c]  # noqa: SIM118 - not a dict
    rows = sa.select(
        sa.literal(set_id),
        *(staged.c[name] for name in names),
        sa.func.coalesce(before.c.tier_since, facts["as_of"]),
    ).select_from(staged.outerjoin(before, is_same_tier))
    return sa.insert(SCORES).from_select(["set_id", *names, "tier_since"], rows)


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
