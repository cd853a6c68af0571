"""What a preview is asked with, and what it answers."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving.events.fields import Id, Moment
from serving.events.schemas import CustomerChange, Interaction, Invoice, Order, Payment
from serving.scores.schemas import Explanation, Interval, Model, Scorecard, Value

__all__ = ["Preview", "PreviewWanted", "PreviewedEvent"]

_MOST_EVENTS = 1_000
_EXAMPLE: dict[str, Any] = {
    "events": [
        {
            "type": "order",
            "order_id": "O-1001",
            "ordered_at": "1998-05-03",
            "lines": [{"revenue": 29.9, "quantity": 2}],
        },
        {
            "type": "order",
            "order_id": "O-1002",
            "ordered_at": "1998-06-21",
            "lines": [{"revenue": 14.5, "quantity": 1}],
        },
    ],
    "as_of": "1998-06-30",
}


# What is not stored needs no id, nor to say whose it is; both may be given.


class PreviewedOrder(Order):
    """An order, as it was or might be."""

    event_id: Id | None = None  # type: ignore[assignment]
    customer_id: Id | None = None  # type: ignore[assignment]


class PreviewedInvoice(Invoice):
    """An invoice, as it was or might be."""

    event_id: Id | None = None  # type: ignore[assignment]
    customer_id: Id | None = None  # type: ignore[assignment]


class PreviewedPayment(Payment):
    """A payment, as it was or might be."""

    event_id: Id | None = None  # type: ignore[assignment]
    customer_id: Id | None = None  # type: ignore[assignment]


class PreviewedInteraction(Interaction):
    """A contact, as it was or might be."""

    event_id: Id | None = None  # type: ignore[assignment]
    customer_id: Id | None = None  # type: ignore[assignment]


class PreviewedCustomer(CustomerChange):
    """Facts of the customer, as they are or might be."""

    event_id: Id | None = None  # type: ignore[assignment]
    customer_id: Id | None = None  # type: ignore[assignment]


PreviewedEvent = Annotated[
    PreviewedOrder | PreviewedInvoice | PreviewedPayment | PreviewedInteraction | PreviewedCustomer,
    Field(discriminator="type"),
]


class PreviewWanted(BaseModel):
    """A history to score; a misspelt name is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    events: list[PreviewedEvent] = Field(
        default_factory=list,
        max_length=_MOST_EVENTS,
        description="What happened, or might: as POST /v1/events takes it, without ids of events.",
    )
    customer_id: Id | None = Field(
        default=None,
        description="A customer of the ledger to whom it might happen; nobody where not given.",
    )
    as_of: Moment | None = Field(
        default=None,
        description="Last day known. Where it is not given, the last day of the events or of the "
        "published scores, whichever is later.",
    )
    include: list[Literal["factors", "signals"]] | None = Field(
        default=None, description="What to add to the answer."
    )


class PreviewedTier(BaseModel):
    """The value class that the customer would be in."""

    code: Literal["A", "B", "C"] = Field(description="A is the most valuable.")
    policy: str = Field(description="The rule that gave it.", examples=["predicted"])


class Preview(BaseModel):
    """What a customer would be worth; nothing of it is stored."""

    customer_id: str | None = Field(description="Who; null for nobody in the ledger.")
    as_of: date = Field(description="Last day known.")
    horizon_days: int = Field(description="Days ahead the forecast reaches.")
    currency: str = Field(description="Of all money, ISO 4217.")
    value_basis: Literal["gross_margin", "revenue"] = Field(description="What value counts.")
    model: Model
    signals_digest: str = Field(description="SHA-256 of the definition of all signals.")
    historic_value: float | None = Field(description="Value so far, in `value_basis`.")
    days_since_last_purchase: int = Field(description="Days of silence.")
    expected_purchases: float = Field(description="Days with a purchase within the horizon.")
    p_alive: float = Field(description="Probability of still being a customer, 0 to 1.")
    churn_probability: float = Field(
        description="Probability of no purchase within the horizon, 0 to 1."
    )
    clv: Value
    interval: Interval
    tier: PreviewedTier | None = Field(
        description="By the cuts of the published scores; null where none are published."
    )
    scorecard: Scorecard | None = Field(
        description="Against the company of the published scores; null where none are published."
    )
    factors: Explanation | None = Field(default=None, description="include: factors")
    factors_missing: str | None = Field(
        default=None, description="include: factors; why there are none."
    )
    signals: dict[str, float | str | None] | None = Field(
        default=None, description="include: signals"
    )
