"""What is answered to events."""

from typing import Literal

from pydantic import BaseModel, Field

from serving.scores.schemas import Score

__all__ = ["EventAnswer", "EventAnswers"]


class EventAnswer(BaseModel):
    """What came of one event."""

    event_id: str = Field(description="Which.", examples=["till-7-000123"])
    status: Literal["accepted", "conflict", "suppressed"] = Field(
        description="accepted: it is in the ledger, for good. conflict: its id was given to "
        "another event before. suppressed: the customer was erased and stays out."
    )
    position: int | None = Field(
        description="Its place in the order of all events; null where it was refused."
    )
    customer_id: str = Field(description="Who.", examples=["C-0192"])
    detail: str | None = Field(default=None, description="Why it was refused.")
    score: Score | None = Field(
        description="The customer's score that knows the event; null where score_missing says why."
    )
    score_missing: str | None = Field(description="Why there is no score; null where there is.")


class EventAnswers(BaseModel):
    """What came of the events of a request, in its order."""

    accepted: int = Field(description="How many were accepted.")
    answers: list[EventAnswer] = Field(description="One an event.")
