"""Scores of a few customers at once, by what the ledger holds of them now."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from operator import itemgetter
from typing import Any

import pandas as pd
import sqlalchemy as sa

from features.pipeline import signals_digest
from features.signals.catalogue import CATALOGUE
from models.tier import POLICIES, tier_by_cuts
from serving.champion import Champion
from serving.events.among import among
from serving.published import current_scores
from serving.scores.companies import Companies, PublishedSet
from serving.scoring import ScoringError, forecast_customer, forecast_customers
from serving.signals.computing import signals_in_store, signals_of_some
from serving.state import Service
from serving.store.statements import select_rows
from serving.store.tables import LEDGER, SET_COLUMNS

__all__ = ["LiveScore", "LiveScorer", "NoScore"]

_Signals = Mapping[str, Any]
# So many customers are forecast faster one by one than as a frame.
_ONE_BY_ONE = 3


class NoScore(IntEnum):
    """Why an event has no score; in the store it stands in the place of the score's position."""

    NO_MODEL = -1
    NOTHING_PUBLISHED = -2
    OPTED_OUT = -3
    NO_PURCHASE = -4
    OTHER_SIGNALS = -5
    ERASED = -6

    @property
    def is_for_now(self) -> bool:
        """Whether a score is owed, and made once it can be."""
        return self in {NoScore.NO_MODEL, NoScore.NOTHING_PUBLISHED, NoScore.OTHER_SIGNALS}

    @property
    def words(self) -> str:
        """What to tell people."""
        return _WORDS[self]


_WORDS: Mapping[NoScore, str] = {
    NoScore.NO_MODEL: "No model is loaded, so the customer is scored once there is one.",
    NoScore.NOTHING_PUBLISHED: "No scores have been published yet; 'worth score' publishes them.",
    NoScore.OPTED_OUT: "The customer opted out of profiling and is not scored.",
    NoScore.NO_PURCHASE: "No purchase of the customer is known, so there is nothing to go by.",
    NoScore.OTHER_SIGNALS: "The model learned from other definitions of the signals than this "
    "program computes; 'worth train' makes one that fits.",
    NoScore.ERASED: "The customer was erased.",
}


@dataclass(frozen=True)
class LiveScore:
    """A score that an event made.

    Parameters
    ----------
    row : dict
        The columns of the tables `live_scores` and `score_changes`.
    shadow : dict, optional
        The row of `shadow_scores`, where a challenger is scored beside the champion.
    """

    row: dict[str, Any]
    shadow: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Known:
    """What the store says of the customers asked for.

    Parameters
    ----------
    opted_out : frozenset of str
        Those who must not be scored.
    days : dict of str to int
        Day of the last that came in since the published set, of those with any.
    tiers : dict of str to (str, int)
        Tier and the day since which it has been so, of those with a score.
    """

    opted_out: frozenset[str]
    days: Mapping[str, int]
    tiers: Mapping[str, tuple[str, int]]


class LiveScorer:
    """Scores a few customers by what the ledger holds of them now.

    Parameters
    ----------
    service : Service
        Store, company and models.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._companies = Companies()

    def score(
        self, connection: sa.Connection, positions: Mapping[str, int]
    ) -> dict[str, LiveScore | NoScore]:
        """Score customers.

        Parameters
        ----------
        connection : sqlalchemy.Connection
            Of the store's `reading`.
        positions : mapping of str to int
            By customer, the position of the last event that the ledger holds of them.

        Returns
        -------
        dict of str to LiveScore or NoScore
            By customer: the score, or why there is none.
        """
        champion = self._service.models.champion
        if champion is None:
            return dict.fromkeys(positions, NoScore.NO_MODEL)
        # Currency, discount and policy are the set's, so that both can be held against each other.
        published = self._companies.published(connection)
        if published is None:
            return dict.fromkeys(positions, NoScore.NOTHING_PUBLISHED)
        known = self._known(connection, published, sorted(positions))
        found: dict[str, LiveScore | NoScore] = dict.fromkeys(known.opted_out, NoScore.OPTED_OUT)
        asked = sorted(positions.keys() - known.opted_out)
        days = {who: known.days.get(who, published.facts.as_of) for who in asked}
        names = self._names_read(champion, published)
        signals = self._signals(connection, days, names)
        found |= {who: NoScore.NO_PURCHASE for who in asked if who not in signals}
        try:
            forecasts = _forecasts(signals, champion, published.facts.discount_rate)
        except ScoringError:
            return found | dict.fromkeys(signals, NoScore.OTHER_SIGNALS)
        tiers = _tiers(known.tiers, published, signals, forecasts, days)
        made = self._facts_of_scores(published, champion)
        shadows = self._shadows(signals, forecasts, champion, made)
        for who, forecast in forecasts.items():
            row = {"customer_id": who, "position": positions[who], **made, "as_of": days[who]}
            found[who] = LiveScore(row | forecast | tiers[who], shadows.get(who))
        return found

    def _known(
        self, connection: sa.Connection, published: PublishedSet, customers: Collection[str]
    ) -> _Known:
        facts, today = published.facts, self._service.today()
        with self._service.store.pipelined(connection):
            opted_out = select_rows(connection, _OPTED_OUT, customers=customers)
            days = select_rows(
                connection, _NEWEST_DAYS, customers=customers, published=facts.as_of, today=today
            )
            tiers = select_rows(connection, _TIERS_BEFORE, customers=customers, policy=facts.policy)
            return _Known(
                frozenset(who for (who,) in opted_out),
                # Each table tells its own; the newest counts.
                dict(sorted(days, key=itemgetter(1))),
                {who: (tier, since) for who, tier, since in tiers},
            )

    def _signals(
        self, connection: sa.Connection, days: Mapping[str, int], names: tuple[str, ...]
    ) -> dict[str, _Signals]:
        store = self._service.store
        by_day: dict[int, list[str]] = {}
        for who, day in days.items():
            by_day.setdefault(day, []).append(who)
        found: dict[str, _Signals] = {}
        for day, customers in by_day.items():
            if len(customers) == 1:
                values = signals_in_store(store, connection, customers[0], day, names)
                found |= {} if values is None else {customers[0]: values}
            else:
                found |= signals_of_some(store, connection, customers, day, names)
        return found

    def _names_read(self, champion: Champion, published: PublishedSet) -> tuple[str, ...]:
        """Name the signals that scores are made of; to compute all would take twice as long."""
        shadow = self._service.models.shadow
        read = {POLICIES[published.facts.policy].value_column}
        read |= _read_by(champion) | (set() if shadow is None else _read_by(shadow))
        # A model that learned from other definitions may read what is no signal here.
        return tuple(sorted(read & CATALOGUE.keys()))

    def _facts_of_scores(self, published: PublishedSet, champion: Champion) -> dict[str, Any]:
        known = champion.bundle.facts
        made = {
            "scored_at": self._service.now(),
            "horizon_days": known["horizon_days"],
            "currency": published.facts.currency,
            "value_basis": known["value_basis"],
            "discount_rate": published.facts.discount_rate,
            "policy": published.facts.policy,
            "model_name": champion.name,
            "model_version": champion.version,
            "model_digest": champion.digest,
            "signals_digest": signals_digest(),
        }
        assert made.keys() | {"as_of"} == set(SET_COLUMNS)
        return made

    def _shadows(
        self,
        signals: Mapping[str, _Signals],
        forecasts: Mapping[str, Mapping[str, Any]],
        champion: Champion,
        made: Mapping[str, Any],
    ) -> dict[str, dict[str, Any]]:
        shadow = self._service.models.shadow
        if shadow is None:
            return {}
        try:
            others = _forecasts(signals, shadow, made["discount_rate"])
        except (
            ScoringError
        ):  # Whoever set it as a shadow is told so where its differences are read.
            return {}
        return {
            who: {
                "customer_id": who,
                "scored_at": made["scored_at"],
                "champion_version": champion.version,
                "challenger_version": shadow.version,
                "champion_clv": forecasts[who]["clv_expected"],
                "challenger_clv": other["clv_expected"],
                "champion_churn": forecasts[who]["churn_probability"],
                "challenger_churn": other["churn_probability"],
            }
            for who, other in others.items()
        }


_CUSTOMERS = "customers"
_OPTED_OUT = sa.select(LEDGER["customers"].c.customer_id).where(
    among(LEDGER["customers"].c.customer_id, _CUSTOMERS),
    LEDGER["customers"].c.profiling_opt_out == 1,
)
_NEWEST_DAYS = sa.union_all(
    *(
        sa.select(table.c.customer_id, sa.func.max(table.c.day).label("day"))
        .where(
            among(table.c.customer_id, _CUSTOMERS),
            table.c.day > sa.bindparam("published"),
            table.c.day <= sa.bindparam("today"),
        )
        .group_by(table.c.customer_id)
        for table in LEDGER.values()
        if "day" in table.c
    )
)
_SCORES = current_scores(lambda column: among(column, _CUSTOMERS))
_TIERS_BEFORE = sa.select(_SCORES.c.customer_id, _SCORES.c.tier, _SCORES.c.tier_since).where(
    _SCORES.c.policy == sa.bindparam("policy")
)


def _tiers(
    before: Mapping[str, tuple[str, int]],
    published: PublishedSet,
    signals: Mapping[str, _Signals],
    forecasts: Mapping[str, Mapping[str, Any]],
    days: Mapping[str, int],
) -> dict[str, dict[str, Any]]:
    """Put customers into tiers by the set's cuts; a tier that stays keeps the day it began."""
    policy, cuts = POLICIES[published.facts.policy], published.company.tier_cuts
    tiers = {}
    for who, forecast in forecasts.items():
        former, since = before.get(who, ("C", days[who]))
        goes_by = (
            forecast["clv_expected"]
            if policy.value_column == "expected_value"
            else signals[who][policy.value_column]
        )
        tier = former if cuts is None else tier_by_cuts(goes_by, cuts)
        is_same = who in before and tier == former and since <= days[who]
        tiers[who] = {"tier": tier, "tier_since": since if is_same else days[who]}
    return tiers


def _forecasts(
    signals: Mapping[str, _Signals], champion: Champion, discount_rate: float
) -> dict[str, dict[str, Any]]:
    if not signals:
        return {}
    if len(signals) <= _ONE_BY_ONE:
        rows: dict[Any, Any] = {
            who: forecast_customer(values, champion, discount_rate=discount_rate)
            for who, values in signals.items()
        }
    else:
        frame = _frame(signals, champion)
        scored = forecast_customers(frame, champion, discount_rate=discount_rate)
        rows = dict(zip(scored.index, scored.to_dict("records"), strict=True))
    return {who: {name: _plain(value) for name, value in row.items()} for who, row in rows.items()}


def _frame(signals: Mapping[str, _Signals], champion: Champion) -> pd.DataFrame:
    """Lay out what `forecast_customers` reads; all signals would take longer than the forecast."""
    first, read = next(iter(signals.values())), _read_by(champion)
    columns = {
        name: [values[name] for values in signals.values()] for name in first if name in read
    }
    return pd.DataFrame(columns, index=list(signals))


def _read_by(champion: Champion) -> set[str]:
    """Name the signals that `serving.scoring` reads."""
    bundle = champion.bundle
    return {*bundle.required_columns, bundle.facts["value_basis"], "days_since_last_purchase"}


def _plain(value: Any) -> Any:
    return None if value is None or math.isnan(value) else value
