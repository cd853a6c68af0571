"""What an event says: an order, an invoice, a payment, an interaction or a change of a customer."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from features.cleaning.interactions import KINDS, TOPICS
from features.cleaning.invoices import LONGEST_TERMS_DAYS
from serving.events.fields import Currency, Id, Moment, Money, Note, Number, Word

__all__ = [
    "MOST_EVENTS",
    "CustomerChange",
    "Event",
    "EventBatch",
    "Interaction",
    "Invoice",
    "Line",
    "Order",
    "Payment",
]

MOST_EVENTS = 1_000
_MOST_LINES = 1_000
_MOST_ATTRIBUTES = 100


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Event(_Strict):
    event_id: Id = Field(
        description="Yours, once for ever: a repeat is answered as the first time.",
        examples=["till-7-000123"],
    )
    customer_id: Id = Field(description="Who.", examples=["C-0192"])
    currency: Currency | None = Field(
        default=None, description="Of its money: the company's, or the event is refused."
    )


class Line(_Strict):
    """One line of an order."""

    revenue: Money = Field(
        description="Net of tax and discount; negative is a return.", examples=[19.9]
    )
    product_id: Word | None = Field(default=None, description="What was bought.")
    category: Word | None = Field(default=None, description="Group of products.")
    quantity: Number | None = Field(default=None, description="Units; negative is a return.")
    cost: Money | None = Field(default=None, description="What the goods cost the company.")
    discount: Money | None = Field(default=None, description="Money given away on the line.")
    channel: Word | None = Field(default=None, description="Where it was sold.")


class Order(_Event):
    """Something was bought, or came back."""

    type: Literal["order"]
    order_id: Id = Field(description="The order.", examples=["O-1001"])
    ordered_at: Moment
    lines: list[Line] = Field(description="What it holds.", min_length=1, max_length=_MOST_LINES)


class Invoice(_Event):
    """An invoice was issued, or is told anew: what it says goes before what was said of it."""

    type: Literal["invoice"]
    invoice_id: Id = Field(description="The invoice.", examples=["I-2001"])
    issued_at: Moment
    due_at: Moment | None = Field(default=None, description="Not before it was issued.")
    terms_days: int | None = Field(
        default=None,
        description="Days until it is due, where due_at is not given.",
        ge=0,
        le=LONGEST_TERMS_DAYS,
    )
    amount: Money = Field(description="Money invoiced; negative is a credit note.")
    disputed_at: Moment | None = None

    @model_validator(mode="after")
    def _is_due_one_day(self) -> Self:
        if (self.due_at is None) == (self.terms_days is None):
            raise ValueError(
                "an invoice says when it is due by due_at or by terms_days, one of them"
            )
        return self


def _not_zero(amount: float) -> float:
    if amount == 0:
        raise ValueError("amount is zero")
    return amount


class Payment(_Event):
    """An invoice was paid, or part of it. It may come before the invoice itself."""

    type: Literal["payment"]
    payment_id: Id | None = Field(
        default=None, description="The payment, which may settle several invoices."
    )
    invoice_id: Id = Field(description="The invoice it settles.", examples=["I-2001"])
    paid_at: Moment
    amount: Annotated[Money, AfterValidator(_not_zero)] = Field(
        description="Money paid, not zero; negative is money that went back."
    )


def _kind(word: str) -> str:
    if word.lower() not in KINDS:
        raise ValueError(f"kind is none of {', '.join(KINDS)}")
    return word.lower()


class Interaction(_Event):
    """A contact was had, or is told anew, as when a complaint is resolved."""

    type: Literal["interaction"]
    interaction_id: Id | None = Field(default=None, description="The contact.")
    contacted_at: Moment
    kind: Annotated[str, AfterValidator(_kind)] = Field(
        description="What it was.", json_schema_extra={"enum": list(KINDS)}
    )
    topic: Word | None = Field(
        default=None, description=f"Of a complaint: {', '.join(TOPICS)}; of others any word."
    )
    resolved_at: Moment | None = None
    satisfaction: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None, description="From 0 (none) to 1 (full)."
    )
    cost: Money | None = Field(default=None, description="What it cost the company.")
    campaign_id: Word | None = Field(default=None, description="The campaign it belongs to.")

    @model_validator(mode="after")
    def _has_a_known_topic(self) -> Self:
        if self.kind == "complaint" and self.topic and self.topic.lower() not in TOPICS:
            raise ValueError(f"topic of a complaint is none of {', '.join(TOPICS)}")
        return self


class CustomerChange(_Event):
    """Facts of a customer that are new; what is not given stays, what is null is forgotten.

    Nothing says when they changed, so they count in the order in which they come in.
    """

    type: Literal["customer"]
    name: Note | None = Field(default=None, description="How people call them.")
    kind: Word | None = Field(default=None, description="Agent, franchisee, retail, ...")
    region: Word | None = Field(default=None, description="Where they are.")
    owner: Word | None = Field(default=None, description="Who looks after them.")
    acquired_at: Moment | None = None
    marketing_consent: bool | None = Field(
        default=None, description="Whether they may be contacted."
    )
    profiling_opt_out: bool | None = Field(
        default=None, description="Whether they must not be scored."
    )
    planned_revenue: Money | None = Field(
        default=None, description="Money planned to be sold to them in a calendar year."
    )
    attributes: dict[Id, Number | Note | None] | None = Field(
        default=None,
        description="Further facts by name, numbers or categories; null takes one out.",
        max_length=_MOST_ATTRIBUTES,
    )


Event = Annotated[
    Order | Invoice | Payment | Interaction | CustomerChange, Field(discriminator="type")
]


class EventBatch(_Strict):
    """Events to take in, in this order: all of them, or none where one is malformed."""

    events: list[Event] = Field(
        description="From 1 to 1,000.", min_length=1, max_length=MOST_EVENTS
    )
