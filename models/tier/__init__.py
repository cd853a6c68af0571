"""Value classes A, B and C by named, versioned policies."""

from collections.abc import Mapping
from types import MappingProxyType

from models.tier.pareto import PARETO
from models.tier.policy import Policy, cuts_of, tier_by_cuts, tiers_by_share
from models.tier.predicted import PREDICTED

__all__ = ["POLICIES", "Policy", "cuts_of", "tier_by_cuts", "tiers_by_share"]

POLICIES: Mapping[str, Policy] = MappingProxyType(
    {policy.name: policy for policy in (PREDICTED, PARETO)}
)
