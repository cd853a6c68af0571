"""What the catalogue says of a signal."""

from typing import Literal

from pydantic import BaseModel, Field

__all__ = ["SignalEntry"]


class SignalEntry(BaseModel):
    """One signal of the catalogue."""

    name: str = Field(description="The signal's name.", examples=["frequency"])
    label: str = Field(description="What people call it.", examples=["Repeat purchases"])
    label_zh: str = Field(description="The same in Chinese.", examples=["复购次数"])
    family: Literal["purchase", "margin", "payment", "loyalty"] = Field(
        description="The family it belongs to."
    )
    unit: str = Field(description="What its numbers count.", examples=["days"])
    low: float | None = Field(description="Lowest value it can take; null where there is none.")
    high: float | None = Field(description="Highest value it can take; null where there is none.")
    values: list[str] = Field(
        description="Of a class: the words it takes; none where they are the company's own."
    )
    meaning: str = Field(description="What it says, in one sentence.")
    null_means: str = Field(description="What a null says.")
