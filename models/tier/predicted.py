"""The default policy: tiers by what customers are expected to be worth."""

from models.tier.policy import Policy

__all__ = ["PREDICTED"]

PREDICTED = Policy(
    name="predicted",
    version=1,
    value_column="expected_value",
    description="A, B and C bring 80, 15 and 5 % of the value expected within the horizon.",
)
