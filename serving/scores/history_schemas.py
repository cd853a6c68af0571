"""How a customer's score moved, and why."""

from typing import Literal

from pydantic import BaseModel, Field

from serving.scores.schemas import ScoredCustomer, SetFacts

__all__ = ["History", "Moved", "PastScore", "ScoreChange", "Split"]


class Moved(BaseModel):
    """By how much a score moved."""

    clv: float = Field(description="Expected value: money in whole cents.")
    churn_probability: float = Field(description="Probability, in millionths.")


class Split(BaseModel):
    """Why it moved; the three add up to the change exactly."""

    passing_time: Moved = Field(
        description="The old model on what was known then, had nothing happened until now."
    )
    new_model: Moved = Field(
        description="The new model, and its discount rate, against the old one on all that is "
        "known now."
    )
    new_data: Moved = Field(description="The rest: what happened, or was learnt later.")


class ScoreChange(Moved):
    """What moved since the score before."""

    tier_before: Literal["A", "B", "C"] = Field(description="The tier of the score before.")
    split: Split | None = Field(description="Why; null where `split_missing` says why not.")
    split_missing: str | None = Field(description="Why it cannot be told.")


class PastScore(SetFacts, ScoredCustomer):
    """A score as it was."""

    cause: Literal["batch", "event"] = Field(description="What made it.")
    change: ScoreChange | None = Field(description="Since the score before; null for the first.")


class History(BaseModel):
    """All scores that are kept of a customer."""

    customer_id: str = Field(description="Who.")
    scores: list[PastScore] = Field(description="By the time they were made, the oldest first.")
