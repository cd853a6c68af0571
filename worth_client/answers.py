"""What the service answers, field by field; the service's OpenAPI document says what they mean.

Days and instants are ISO 8601 text, money is in the `currency` beside it.
"""

from typing import Any, Literal, NotRequired, TypedDict

__all__ = [
    "Contribution",
    "DetailedScore",
    "EventAnswer",
    "EventAnswers",
    "Explanation",
    "FieldProblem",
    "FoundScore",
    "History",
    "Interval",
    "ListedCustomer",
    "Model",
    "Moved",
    "PastScore",
    "Preview",
    "PreviewedTier",
    "Problem",
    "Receipt",
    "Record",
    "Score",
    "ScoreChange",
    "Scorecard",
    "ScoresFound",
    "SignalEntry",
    "Split",
    "TargetList",
    "Tier",
    "Value",
]

Signals = dict[str, float | str | None]
_Basis = Literal["gross_margin", "revenue"]
_Code = Literal["A", "B", "C"]


class FieldProblem(TypedDict):
    """One part of a request that is not as it should be."""

    pointer: NotRequired[str]
    parameter: NotRequired[str]
    detail: str


class Problem(TypedDict):
    """A refusal, as RFC 9457 has it."""

    type: NotRequired[str]
    title: str
    status: int
    detail: str
    request_id: NotRequired[str]
    errors: NotRequired[list[FieldProblem]]


class Model(TypedDict):
    """The model that gave a score."""

    name: str
    version: str
    digest: str


class Value(TypedDict):
    """A customer's value over the horizon, with its 10 and 90 % quantiles."""

    expected: float
    lower: float | None
    upper: float | None


class Tier(TypedDict):
    """A customer's value class."""

    code: _Code
    policy: str
    since: str


class _SetFacts(TypedDict):
    as_of: str
    scored_at: str
    horizon_days: int
    currency: str
    value_basis: _Basis
    model: Model
    signals_digest: str | None
    stale: bool
    age_hours: int | None


class _ScoredCustomer(TypedDict):
    customer_id: str
    expected_purchases: float
    p_alive: float
    churn_probability: float
    clv: Value
    tier: Tier


class Score(_SetFacts, _ScoredCustomer):
    """One customer's published answer."""

    historic_value: float | None


class Interval(TypedDict):
    """How sure a value is."""

    median: float | None
    lower_80: float | None
    upper_80: float | None
    lower_95: float | None
    upper_95: float | None


class Contribution(TypedDict):
    """What one signal adds to a customer's value."""

    signal: str
    label: str
    label_zh: str
    amount: float
    direction: Literal["raises", "lowers"]
    value: float | str | None
    typical: float | None
    meaning: str


class Explanation(TypedDict):
    """Reasons in money: base and contributions add up to the total."""

    base: float
    contributions: list[Contribution]
    total: float


class Scorecard(TypedDict):
    """A customer's rank in the company by dimension, and shares of it."""

    purchase: float | None
    profitability: float | None
    safety: float | None
    future: float | None
    cooperation: float | None
    revenue_share: float | None
    revenue_share_365d: float | None
    gross_margin_share_365d: float | None


class DetailedScore(Score):
    """A score with the parts that `include` asked for."""

    interval: NotRequired[Interval]
    factors: NotRequired[Explanation | None]
    factors_missing: NotRequired[str | None]
    signals: NotRequired[Signals | None]
    scorecard: NotRequired[Scorecard | None]


class FoundScore(Score):
    """A score of several, with the parts that `include` asked for."""

    interval: NotRequired[Interval]
    scorecard: NotRequired[Scorecard | None]


class ScoresFound(TypedDict):
    """Scores of several customers, in the order asked."""

    scores: list[FoundScore]
    missing: list[str]


class PreviewedTier(TypedDict):
    """The value class a customer would be in."""

    code: _Code
    policy: str


class Preview(TypedDict):
    """What a history would be worth."""

    customer_id: str | None
    as_of: str
    horizon_days: int
    currency: str
    value_basis: _Basis
    model: Model
    signals_digest: str
    historic_value: float | None
    days_since_last_purchase: int
    expected_purchases: float
    p_alive: float
    churn_probability: float
    clv: Value
    interval: Interval
    tier: PreviewedTier | None
    scorecard: Scorecard | None
    factors: NotRequired[Explanation | None]
    factors_missing: NotRequired[str | None]
    signals: NotRequired[Signals | None]


class Moved(TypedDict):
    """By how much value and churn moved."""

    clv: float
    churn_probability: float


class Split(TypedDict):
    """What moved them; the three add up."""

    passing_time: Moved
    new_model: Moved
    new_data: Moved


class ScoreChange(TypedDict):
    """How a score differs from the one before."""

    clv: float
    churn_probability: float
    tier_before: _Code
    split: Split | None
    split_missing: str | None


class PastScore(_SetFacts, _ScoredCustomer):
    """A score of the past or the present."""

    cause: Literal["batch", "event"]
    change: ScoreChange | None


class History(TypedDict):
    """How a customer's score moved."""

    customer_id: str
    scores: list[PastScore]


class EventAnswer(TypedDict):
    """What came of one event."""

    event_id: str
    status: Literal["accepted", "conflict", "suppressed"]
    position: int | None
    customer_id: str
    detail: NotRequired[str | None]
    score: Score | None
    score_missing: str | None


class EventAnswers(TypedDict):
    """What came of the events of one request."""

    accepted: int
    answers: list[EventAnswer]


class ListedCustomer(_ScoredCustomer):
    """One customer of a target list."""

    days_since_last_purchase: int
    reason: str


class TargetList(_SetFacts):
    """Customers to turn to, the most valuable first."""

    n_matching: int
    customers: list[ListedCustomer]


class SignalEntry(TypedDict):
    """A signal of the catalogue."""

    name: str
    label: str
    label_zh: str
    family: Literal["purchase", "margin", "payment", "loyalty"]
    unit: str
    low: float | None
    high: float | None
    values: list[str]
    meaning: str
    null_means: str


class Receipt(TypedDict):
    """What was removed of a person."""

    subject: str
    erased_at: str
    removed: dict[str, int]
    models_trained_with: list[str]
    is_purged: bool


class Record(TypedDict):
    """Everything that is held about a person."""

    customer_id: str
    made_at: str
    account: list[str]
    score: Score | None
    signals: Signals | None
    ledger: dict[str, list[dict[str, Any]]]
    former_scores: list[dict[str, Any]]
    events: list[dict[str, Any]]
    rejected_rows: list[dict[str, Any]]
    first_known_on: str | None
