"""How a challenger that was scored beside the champion would have answered."""

from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from models.tier import POLICIES, tier_by_cuts
from serving.comparison import published_company
from serving.published import NothingPublishedError, set_facts
from serving.store import Store
from serving.store.tables import SHADOW_SCORES
from serving.versions.chosen import choices
from serving.versions.schemas import Quantiles, ShadowComparison, ShadowSummary

__all__ = ["shadow_summary"]

_PAIRS = 10
# Enough for quantiles to a hundredth; all of them would take memory that grows for ever.
_COMPARED = 10_000
_LEVELS = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
_VALUES = ("champion_clv", "challenger_clv", "champion_churn", "challenger_churn")


def shadow_summary(store: Store) -> ShadowSummary:
    """Compare what challengers would have answered with what was.

    Parameters
    ----------
    store : Store
        Where both are kept.

    Returns
    -------
    ShadowSummary
        By pair of versions, the newest first.
    """
    with store.reading() as connection:
        pairs = connection.execute(_pairs()).mappings().all()
        cuts = _cuts(connection)
        compared = [_comparison(connection, dict(pair), cuts) for pair in pairs]
        return ShadowSummary(shadow=choices(connection).get("shadow"), comparisons=compared)


def _pairs() -> sa.Select[Any]:
    scores = SHADOW_SCORES.c
    newest = sa.func.max(scores.id)
    return (
        sa.select(
            scores.champion_version,
            scores.challenger_version,
            sa.func.count().label("n"),
            sa.func.min(scores.scored_at).label("first_at"),
            sa.func.max(scores.scored_at).label("last_at"),
            sa.func.avg(scores.challenger_clv - scores.champion_clv).label("clv"),
            sa.func.avg(scores.challenger_churn - scores.champion_churn).label("churn"),
        )
        .group_by(scores.champion_version, scores.challenger_version)
        .order_by(newest.desc())
        .limit(_PAIRS)
    )


def _comparison(
    connection: sa.Connection, pair: dict[str, Any], cuts: dict[str, float | None] | None
) -> ShadowComparison:
    scores = SHADOW_SCORES.c
    newest = (
        sa.select(*(scores[name] for name in _VALUES))
        .where(
            scores.champion_version == pair["champion_version"],
            scores.challenger_version == pair["challenger_version"],
        )
        .order_by(scores.id.desc())
        .limit(_COMPARED)
    )
    rows = pd.DataFrame(connection.execute(newest).all(), columns=list(_VALUES), dtype="float64")
    return ShadowComparison(
        champion_version=pair["champion_version"],
        challenger_version=pair["challenger_version"],
        n=pair["n"],
        first_at=datetime.fromisoformat(pair["first_at"]),
        last_at=datetime.fromisoformat(pair["last_at"]),
        mean_clv_difference=float(pair["clv"]),
        mean_churn_difference=float(pair["churn"]),
        n_compared=len(rows),
        clv_differences=_quantiles(rows["challenger_clv"] - rows["champion_clv"]),
        churn_differences=_quantiles(rows["challenger_churn"] - rows["champion_churn"]),
        clv_rank_correlation=_rank_correlation(rows["champion_clv"], rows["challenger_clv"]),
        tier_changed_share=None if cuts is None else _changed_share(rows, cuts),
    )


def _quantiles(differences: pd.Series) -> Quantiles:
    return Quantiles(**{name: float(differences.quantile(at)) for name, at in _LEVELS.items()})


def _rank_correlation(first: pd.Series, second: pd.Series) -> float | None:
    if first.nunique() < 2 or second.nunique() < 2:
        return None
    return float(first.rank().corr(second.rank()))


def _changed_share(rows: pd.DataFrame, cuts: dict[str, float | None]) -> float:
    tiers = [
        rows[name].map(lambda value: tier_by_cuts(value, cuts))
        for name in ("champion_clv", "challenger_clv")
    ]
    return float((tiers[0] != tiers[1]).mean())


def _cuts(connection: sa.Connection) -> dict[str, float | None] | None:
    """Read the cuts of the published set, where tiers go by expected value."""
    try:
        policy = POLICIES[set_facts(connection).policy]
    except (NothingPublishedError, KeyError):
        return None
    company = published_company(connection)
    goes_by_value = policy.value_column == "expected_value"
    return company.tier_cuts if company is not None and goes_by_value else None
