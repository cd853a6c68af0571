"""What a receipt and a record say."""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from serving.scores.schemas import Score

__all__ = ["Receipt", "Record"]


class Receipt(BaseModel):
    """What was removed of a person; it does not name them."""

    subject: str = Field(
        description="Keyed hash of the customer's id, by which they stay suppressed.",
        examples=["8eae574225dedf9bfdf32259bef0178a479b14ff3ddfc1d1ca0bc44a6c58d8a4"],
    )
    erased_at: datetime = Field(description="When (UTC).")
    removed: dict[str, int] = Field(
        description="How many rows by table of the store; tables without one are left out.",
        examples=[{"order_lines": 12, "scores": 2, "customers": 1}],
    )
    models_trained_with: list[str] = Field(
        description="Versions of the model that learned from a ledger which held the person. A "
        "model holds no rows of customers; training anew makes one without them.",
        examples=[["3", "4"]],
    )
    is_purged: bool = Field(
        description="Whether the freed space of the store's files was overwritten, too."
    )


class Record(BaseModel):
    """Everything that is held about a person."""

    model_config = ConfigDict(ser_json_inf_nan="null")

    customer_id: str = Field(description="Who.", examples=["C-0192"])
    made_at: datetime = Field(description="When this record was made (UTC).")
    account: list[str] = Field(
        description="The score in plain words: what is expected, from what, by which model.",
    )
    score: Score | None = Field(description="What is shown of them now.")
    signals: dict[str, float | str | None] | None = Field(
        description="What was derived from the ledger, by GET /v1/signals' names."
    )
    ledger: dict[str, list[dict[str, Any]]] = Field(
        description="The rows of the ledger by table; days as dates."
    )
    former_scores: list[dict[str, Any]] = Field(description="Scores that are kept, oldest first.")
    events: list[dict[str, Any]] = Field(description="Events that were accepted.")
    rejected_rows: list[dict[str, Any]] = Field(
        description="Rows of sources that could not be loaded and speak of them."
    )
    first_known_on: date | None = Field(description="The first day of the ledger's rows.")
