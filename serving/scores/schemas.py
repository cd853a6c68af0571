"""What a score says, and how a row of the store becomes one."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import lru_cache
from time import time
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from features.ledger import date_of
from serving.state import Service
from serving.store.tables import SET_COLUMNS

__all__ = [
    "Contribution",
    "DetailedScore",
    "Explanation",
    "Interval",
    "Model",
    "Score",
    "Scorecard",
    "ScoredCustomer",
    "SetFacts",
    "Tier",
    "Value",
    "chosen",
    "facts_of",
    "forecast_of",
    "interval_of",
    "nothing_required",
    "score_of",
    "scores_of",
]

# Where they stand in a row of `current_scores`, behind customer_id and set_id.
_SET_FACTS = slice(2, 2 + len(SET_COLUMNS))


class Value(BaseModel):
    """A customer's value over the horizon, in `currency`."""

    expected: float = Field(description="Mean, discounted.", examples=[182.4])
    lower: float | None = Field(description="10 % quantile; null where none is known.")
    upper: float | None = Field(description="90 % quantile; null where none is known.")


class Tier(BaseModel):
    """A customer's value class."""

    code: Literal["A", "B", "C"] = Field(description="A is the most valuable.")
    policy: str = Field(description="The rule that gave it.", examples=["predicted"])
    since: date = Field(description="The day since which it has been so.")


class Model(BaseModel):
    """The model that gave a score."""

    name: str = Field(description="Name in the model registry.", examples=["worth"])
    version: str = Field(description="Version in the model registry.", examples=["3"])
    digest: str = Field(description="SHA-256 of the model's files.")


class SetFacts(BaseModel):
    """How a score, or a set of them, was made."""

    as_of: date = Field(description="Last day known when the score was made.")
    scored_at: datetime = Field(description="When it was made (UTC).")
    horizon_days: int = Field(description="Days ahead the forecast reaches.", examples=[182])
    currency: str = Field(description="Of all money, ISO 4217.", examples=["USD"])
    value_basis: Literal["gross_margin", "revenue"] = Field(description="What value counts.")
    model: Model
    signals_digest: str | None = Field(
        description="SHA-256 of the definition of all signals; null for scores of old programs."
    )
    stale: bool = Field(description="Whether it is older than this service allows.")
    age_hours: int | None = Field(description="Of a stale score: its age in whole hours.")


class ScoredCustomer(BaseModel):
    """What is expected of one customer."""

    customer_id: str = Field(description="Who.", examples=["C-0192"])
    expected_purchases: float = Field(description="Days with a purchase within the horizon.")
    p_alive: float = Field(description="Probability of still being a customer, 0 to 1.")
    churn_probability: float = Field(
        description="Probability of no purchase within the horizon, 0 to 1."
    )
    clv: Value
    tier: Tier


class Score(SetFacts, ScoredCustomer):
    """One customer's published answer."""

    historic_value: float | None = Field(
        description="Value so far, in `value_basis`; null where no cost is known."
    )


class Interval(BaseModel):
    """How sure the value is, in `currency`; null where nothing is known of it."""

    median: float | None = Field(description="As likely more as less.")
    lower_80: float | None = Field(description="10 % quantile.")
    upper_80: float | None = Field(description="90 % quantile.")
    lower_95: float | None = Field(description="2.5 % quantile.")
    upper_95: float | None = Field(description="97.5 % quantile.")


class Contribution(BaseModel):
    """What one signal adds to a customer's value."""

    signal: str = Field(description="Name of the signal, or 'other signals'.")
    label: str = Field(description="What people call it.")
    label_zh: str = Field(description="The same in Chinese.")
    amount: float = Field(description="Money, in whole cents.")
    direction: Literal["raises", "lowers"] = Field(description="Which way.")
    value: float | str | None = Field(description="The customer's; null where it is not known.")
    typical: float | None = Field(description="The typical customer's.")
    meaning: str = Field(description="What the signal says.")


class Explanation(BaseModel):
    """Reasons in money: the base and the contributions add up to the total, to the cent."""

    base: float = Field(description="What the typical customer is worth.")
    contributions: list[Contribution] = Field(description="The largest first.")
    total: float = Field(description="The value explained, in whole cents.")


class Scorecard(BaseModel):
    """A customer's rank in the company, 0 to 100 by dimension; null where nothing is known."""

    purchase: float | None = Field(description="购买额: what they bought in a year.")
    profitability: float | None = Field(description="收益性: what was earned by it.")
    safety: float | None = Field(description="安全性: whether they are paid in full.")
    future: float | None = Field(description="未来性: the value expected.")
    cooperation: float | None = Field(description="合作性: how they answer.")
    revenue_share: float | None = Field(description="Share of the company's revenue.")
    revenue_share_365d: float | None = Field(description="The same of the last 365 days.")
    gross_margin_share_365d: float | None = Field(
        description="Share of the company's gross margin of the last 365 days."
    )


def nothing_required(schema: dict[str, Any]) -> None:
    """Let a JSON schema say that any field may be missing: `fields=` leaves out all but some.

    Parameters
    ----------
    schema : dict
        Changed in place.
    """
    schema.pop("required", None)


class DetailedScore(Score):
    """One customer's published answer, with the parts that were asked for by `include`."""

    model_config = ConfigDict(json_schema_extra=nothing_required)

    interval: Interval | None = Field(default=None, description="include=interval")
    factors: Explanation | None = Field(
        default=None, description="include=factors; null where `factors_missing` says why."
    )
    factors_missing: str | None = Field(
        default=None, description="include=factors: why there are none."
    )
    signals: dict[str, float | str | None] | None = Field(
        default=None, description="include=signals: by name; GET /v1/signals says what they mean."
    )
    scorecard: Scorecard | None = Field(default=None, description="include=scorecard")


def score_of(row: Any, service: Service) -> dict[str, Any]:
    """Write a row of the store as an answer. The fields are those of `Score`, as JSON has them.

    Parameters
    ----------
    row : object
        With the columns of `current_scores` as attributes.
    service : Service
        It says from when on a score is stale.

    Returns
    -------
    dict
        Ready for JSON. It is not built as a `Score`, which would take longer than to find it.
    """
    return {
        **forecast_of(row),
        "historic_value": row.historic_value,
        **facts_of(row, service),
    }


def scores_of(rows: Iterable[Any], service: Service) -> list[dict[str, Any]]:
    """Write rows of the store as answers; how they were made is mostly the same, and written once.

    Parameters
    ----------
    rows : iterable of tuple
        With the columns of `current_scores`, in their order and as attributes.
    service : Service
        It says from when on a score is stale.

    Returns
    -------
    list of dict
        What `score_of` makes of each.
    """
    written: dict[tuple[Any, ...], dict[str, Any]] = {}
    scores = []
    for row in rows:
        made = tuple(row[_SET_FACTS])
        facts = written.get(made)
        if facts is None:
            facts = written[made] = facts_of(row, service)
        scores.append({**forecast_of(row), "historic_value": row.historic_value, **facts})
    return scores


def facts_of(row: Any, service: Service) -> dict[str, Any]:
    """Write how a score was made. The fields are those of `SetFacts`.

    Parameters
    ----------
    row : object
        With the columns of `SET_COLUMNS` as attributes.
    service : Service
        It says from when on a score is stale.

    Returns
    -------
    dict
        Ready for JSON.
    """
    age = (time() - _seconds(row.scored_at)) / 3600
    stale = age > service.options.score_max_age_hours
    return {
        "as_of": _day(row.as_of),
        "scored_at": row.scored_at,
        "horizon_days": row.horizon_days,
        "currency": row.currency,
        "value_basis": row.value_basis,
        "model": {
            "name": row.model_name,
            "version": row.model_version,
            "digest": row.model_digest,
        },
        "signals_digest": row.signals_digest,
        "stale": stale,
        # In whole hours, so that an answer, and its ETag, stays the same for one.
        "age_hours": int(age) if stale else None,
    }


def forecast_of(row: Any) -> dict[str, Any]:
    """Write what is expected of a customer. The fields are those of `ScoredCustomer`.

    Parameters
    ----------
    row : object
        With the columns of `FORECAST_COLUMNS`, customer_id and policy as attributes.

    Returns
    -------
    dict
        Ready for JSON.
    """
    return {
        "customer_id": row.customer_id,
        "expected_purchases": row.expected_purchases,
        "p_alive": row.p_alive,
        "churn_probability": row.churn_probability,
        "clv": {"expected": row.clv_expected, "lower": row.clv_lower, "upper": row.clv_upper},
        "tier": {"code": row.tier, "policy": row.policy, "since": _day(row.tier_since)},
    }


def interval_of(row: Any) -> dict[str, Any]:
    """Write how sure a value is. The fields are those of `Interval`.

    Parameters
    ----------
    row : object
        With the columns of `FORECAST_COLUMNS` as attributes.

    Returns
    -------
    dict
        Ready for JSON.
    """
    return {
        "median": row.clv_median,
        "lower_80": row.clv_lower,
        "upper_80": row.clv_upper,
        "lower_95": row.clv_low,
        "upper_95": row.clv_high,
    }


def chosen(answer: Mapping[str, Any], fields: frozenset[str] | None) -> Mapping[str, Any]:
    """Leave out what was not asked for.

    Parameters
    ----------
    answer : mapping
        A score.
    fields : frozenset of str or None
        Names of its fields; None asks for all.

    Returns
    -------
    mapping
        The score, of those fields.
    """
    return answer if fields is None else {k: v for k, v in answer.items() if k in fields}


@lru_cache(maxsize=4096)
def _day(day: int) -> str:
    return date_of(day).isoformat()


@lru_cache(maxsize=4096)
def _seconds(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()
