"""What a list says."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from serving.scores.schemas import Score, ScoredCustomer, SetFacts

__all__ = ["ListFilter", "ListedCustomer", "PageOfScores", "PageWanted", "TargetList"]

# One answer of this size is 4 MB.
_LARGEST = 10_000


class ListFilter(BaseModel):
    """Whom a target list is to hold; a misspelt name is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    tier: Literal["A", "B", "C"] | None = Field(default=None, description="Only this tier.")
    min_churn: float = Field(
        default=0.0, ge=0, le=1, description="Lowest churn probability, 0 to 1."
    )
    limit: int = Field(default=100, ge=1, le=_LARGEST, description="At most so many.")


class ListedCustomer(ScoredCustomer):
    """One customer of a target list."""

    days_since_last_purchase: int = Field(description="Days of silence.")
    reason: str = Field(description="Why this customer is on the list, in one sentence.")


class TargetList(SetFacts):
    """Customers to turn to, the most valuable first."""

    n_matching: int = Field(description="How many customers match, before the limit.")
    customers: list[ListedCustomer] = Field(description="Who, why and how much.")


class PageWanted(BaseModel):
    """Which page of scores; a misspelt name is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    tier: Literal["A", "B", "C"] | None = Field(default=None, description="Only this tier.")
    limit: int = Field(default=100, ge=1, le=_LARGEST, description="At most so many.")
    cursor: str | None = Field(
        default=None,
        max_length=2_000,
        description="The `next_cursor` of the page before; the first page where it is not given.",
    )


class PageOfScores(BaseModel):
    """A page of scores, by customer id."""

    scores: list[Score] = Field(description="In the order of ids.")
    next_cursor: str | None = Field(description="Where the next page begins; null on the last.")
