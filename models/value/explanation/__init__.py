"""Reasons in money: what of a customer's expected value is owed to which signal."""

from models.value.explanation.explainer import BASE, Explainer, reference_of
from models.value.explanation.factors import (
    OTHERS,
    Factor,
    drivers,
    factors_of,
    to_cents,
    to_cents_one,
)

__all__ = [
    "BASE",
    "OTHERS",
    "Explainer",
    "Factor",
    "drivers",
    "factors_of",
    "reference_of",
    "to_cents",
    "to_cents_one",
]
