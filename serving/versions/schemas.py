"""What is told of the models, and what is asked of them."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Choice",
    "ModelChange",
    "ModelVersion",
    "Models",
    "Quantiles",
    "Reason",
    "RegistryState",
    "ServedModel",
    "ShadowComparison",
    "ShadowSummary",
    "VersionAndReason",
]

_NO_NUL = r"^[^\u0000]*[^\u0000\s][^\u0000]*$"


class Reason(BaseModel):
    """Why; a misspelt name is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(
        description="Why, for the audit log; without personal data.",
        min_length=1,
        max_length=500,
        pattern=_NO_NUL,
        examples=["Its forecasts of new customers are too low."],
    )


class VersionAndReason(Reason):
    """Which version, and why."""

    version: str = Field(
        description="Its number in the model registry.",
        pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,49}$",
        examples=["3"],
    )


class RegistryState(BaseModel):
    """Whether the model registry answers."""

    state: Literal["reachable", "away", "not asked yet"] = Field(
        description="As it was when it was asked last.", examples=["reachable"]
    )
    since: datetime | None = Field(description="Since when (UTC).")
    error: str | None = Field(description="What is wrong, in a sentence.", examples=[None])


class ServedModel(BaseModel):
    """A model that is loaded."""

    version: str = Field(description="In the model registry.", examples=["3"])
    digest: str = Field(
        description="Of its files: tells it from any other.", examples=["sha256:" + "0a" * 32]
    )


class Choice(BaseModel):
    """What somebody chose."""

    version: str = Field(description="Which version.", examples=["3"])
    reason: str = Field(description="Why.", examples=["Its forecasts are too low."])
    actor: str = Field(description="Who chose it.", examples=["1f0a9c3e"])
    at: datetime = Field(description="When (UTC).")


class ModelVersion(BaseModel):
    """A version of the model registry."""

    version: str = Field(description="Its number.", examples=["3"])
    digest: str | None = Field(
        description="Of its files; null where nothing is known of them.",
        examples=["sha256:" + "0a" * 32],
    )
    grade: str | None = Field(description="What its test found: A, B or C.", examples=["B"])
    as_of: date | None = Field(description="Last day of the ledger that it learned from.")
    is_champion: bool = Field(description="Whether the registry calls it champion.")
    is_serving: bool = Field(description="Whether this worker scores with it.")
    is_pinned: bool = Field(description="Whether somebody pinned it.")
    is_shadow: bool = Field(description="Whether somebody has it scored beside the other.")
    is_on_disk: bool = Field(description="Whether it can serve at once.")
    problem: str | None = Field(description="Why it cannot serve.", examples=[None])


class Models(BaseModel):
    """The models: which there are, which serves, and what people chose."""

    registry: RegistryState = Field(description="Whether the model registry answers.")
    champion: str | None = Field(
        description="The version that the registry calls champion.", examples=["4"]
    )
    serving: ServedModel | None = Field(
        description="What this worker scores with; null where no model is to be had."
    )
    shadowing: ServedModel | None = Field(
        description="What this worker scores beside it, unseen.", examples=[None]
    )
    pinned: Choice | None = Field(
        description="Goes before the registry's champion, until it is unpinned."
    )
    shadow: Choice | None = Field(description="Is scored beside what serves.", examples=[None])
    rollback_to: str | None = Field(
        description="What a rollback would lead back to.", examples=["2"]
    )
    versions: list[ModelVersion] = Field(description="All that are known, the newest first.")


class ModelChange(BaseModel):
    """What came of a choice."""

    is_done: bool = Field(
        description="Whether this worker does so already; the others follow within a second."
    )
    serving: str | None = Field(description="What this worker scores with.", examples=["3"])
    detail: str = Field(
        description="What was done, and what happens next.", examples=["Version 3 serves."]
    )


class Quantiles(BaseModel):
    """How differences spread."""

    p05: float = Field(description="One in twenty is lower.", examples=[-12.5])
    p25: float = Field(description="One in four is lower.", examples=[-2.0])
    p50: float = Field(description="Half are lower.", examples=[0.1])
    p75: float = Field(description="One in four is higher.", examples=[2.4])
    p95: float = Field(description="One in twenty is higher.", examples=[14.0])


class ShadowComparison(BaseModel):
    """What a challenger would have answered, beside what was."""

    champion_version: str = Field(description="What was answered with.", examples=["3"])
    challenger_version: str = Field(description="What was scored beside it.", examples=["4"])
    n: int = Field(description="How many scores.", examples=[1250])
    first_at: datetime = Field(description="When the first was made (UTC).")
    last_at: datetime = Field(description="When the last was made (UTC).")
    mean_clv_difference: float = Field(
        description="Challenger less champion, in the ledger's currency.", examples=[1.9]
    )
    mean_churn_difference: float = Field(
        description="Challenger less champion, -1 to 1.", examples=[-0.02]
    )
    n_compared: int = Field(
        description="How many of the newest scores the following is of.", examples=[1250]
    )
    clv_differences: Quantiles = Field(description="Challenger less champion, in money.")
    churn_differences: Quantiles = Field(description="Challenger less champion.")
    clv_rank_correlation: float | None = Field(
        description="Spearman's, -1 to 1: 1 where both rank customers alike; null where one of "
        "them says the same of all.",
        examples=[0.97],
    )
    tier_changed_share: float | None = Field(
        description="Share whose tier would differ, by the cuts of the published set; null where "
        "tiers do not go by expected value.",
        examples=[0.04],
    )


class ShadowSummary(BaseModel):
    """The comparisons there are, the newest first."""

    shadow: str | None = Field(description="The version scored now beside what serves.")
    comparisons: list[ShadowComparison] = Field(
        description="One for each pair of versions, the newest ten."
    )
