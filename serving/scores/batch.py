"""What is asked of many scores at once, and what is answered."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving.scores.schemas import Interval, Score, Scorecard, nothing_required

__all__ = ["BatchWanted", "CustomerId", "ScoresFound"]

CustomerId = Annotated[str, Field(min_length=1, max_length=200)]

_Field = Literal[
    "as_of",
    "scored_at",
    "horizon_days",
    "currency",
    "value_basis",
    "model",
    "signals_digest",
    "stale",
    "age_hours",
    "customer_id",
    "expected_purchases",
    "p_alive",
    "churn_probability",
    "clv",
    "tier",
    "historic_value",
]


class BatchWanted(BaseModel):
    """Whose scores, and what of them; a misspelt name is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    customer_ids: list[CustomerId] = Field(
        description="Who.", min_length=1, max_length=1_000, examples=[["C-0192", "C-0007"]]
    )
    fields: list[_Field] | None = Field(
        default=None, min_length=1, description="Leave out all others of a score's fields."
    )
    include: list[Literal["interval", "scorecard"]] | None = Field(
        default=None, description="What to add to each score."
    )


class FoundScore(Score):
    """A score, with the parts that were asked for by `include`."""

    model_config = ConfigDict(json_schema_extra=nothing_required)

    interval: Interval | None = Field(default=None, description="include: interval")
    scorecard: Scorecard | None = Field(default=None, description="include: scorecard")


class ScoresFound(BaseModel):
    """The scores there are, and who has none."""

    scores: list[FoundScore] = Field(description="In the order asked.")
    missing: list[str] = Field(
        description="Who is not known, or may not be profiled, in the order asked."
    )
