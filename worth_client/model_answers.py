"""What the service answers about models."""

from typing import Literal, TypedDict

__all__ = [
    "Choice",
    "ModelChange",
    "ModelVersion",
    "Models",
    "RegistryState",
    "ServedModel",
    "ShadowComparison",
    "ShadowSummary",
]


class RegistryState(TypedDict):
    """Whether the model registry answers."""

    state: Literal["reachable", "away", "not asked yet"]
    since: str | None
    error: str | None


class ServedModel(TypedDict):
    """A model that is loaded."""

    version: str
    digest: str


class Choice(TypedDict):
    """What somebody chose of the models, and why."""

    version: str
    reason: str
    actor: str
    at: str


class ModelVersion(TypedDict):
    """A version of the model."""

    version: str
    digest: str | None
    grade: str | None
    as_of: str | None
    is_champion: bool
    is_serving: bool
    is_pinned: bool
    is_shadow: bool
    is_on_disk: bool
    problem: str | None


class Models(TypedDict):
    """The models: registered, chosen and serving."""

    registry: RegistryState
    champion: str | None
    serving: ServedModel | None
    shadowing: ServedModel | None
    pinned: Choice | None
    shadow: Choice | None
    rollback_to: str | None
    versions: list[ModelVersion]


class ModelChange(TypedDict):
    """What came of a choice of models."""

    is_done: bool
    serving: str | None
    detail: str


class ShadowComparison(TypedDict):
    """How a challenger's answers differ from the champion's."""

    champion_version: str
    challenger_version: str
    n: int
    first_at: str
    last_at: str
    mean_clv_difference: float
    mean_churn_difference: float
    n_compared: int
    clv_differences: dict[str, float]
    churn_differences: dict[str, float]
    clv_rank_correlation: float | None
    tier_changed_share: float | None


class ShadowSummary(TypedDict):
    """What was scored beside the champion."""

    shadow: str | None
    comparisons: list[ShadowComparison]
