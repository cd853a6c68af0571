"""The classic policy: tiers by what customers have brought so far."""

from models.tier.policy import Policy

__all__ = ["PARETO"]

PARETO = Policy(
    name="pareto",
    version=1,
    value_column="revenue",
    description="A, B and C have brought 80, 15 and 5 % of the revenue so far, net of returns.",
)
