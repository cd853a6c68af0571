"""What a score says."""

from datetime import date, datetime
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import BaseModel, Field

from features.ledger import date_of

__all__ = ["Model", "Score", "ScoredCustomer", "SetFacts", "Tier", "Value"]


class Value(BaseModel):
    """A customer's value over the horizon, in `currency`."""

    expected: float = Field(description="Mean, discounted.", examples=[182.4])
    lower: float | None = Field(description="10 % quantile; null where none is known.")
    upper: float | None = Field(description="90 % quantile; null where none is known.")


class Tier(BaseModel):
    """A customer's value class."""

    code: Literal["A", "B", "C"] = Field(description="A is the most valuable.")
    policy: str = Field(description="The rule that gave it.", examples=["predicted"])
    since: date = Field(description="The day since which it has been so.")


class Model(BaseModel):
    """The model that gave a score."""

    name: str = Field(description="Name in the model registry.", examples=["worth"])
    version: str = Field(description="Version in the model registry.", examples=["3"])
    digest: str = Field(description="SHA-256 of the model's files.")


class SetFacts(BaseModel):
    """What all scores of a set have in common."""

    as_of: date = Field(description="Last day known when the score was made.")
    scored_at: datetime = Field(description="When it was made (UTC).")
    horizon_days: int = Field(description="Days ahead the forecast reaches.", examples=[182])
    currency: str = Field(description="Of all money, ISO 4217.", examples=["USD"])
    value_basis: Literal["gross_margin", "revenue"] = Field(description="What value counts.")
    model: Model

    @classmethod
    def facts_of(cls, row: sa.Row[Any]) -> dict[str, Any]:
        """Take the common facts off a row of the store.

        Parameters
        ----------
        row : sqlalchemy.Row
            With the columns of `score_sets`.

        Returns
        -------
        dict
            The fields of this class.
        """
        return {
            "as_of": date_of(row.as_of),
            "scored_at": row.scored_at,
            "horizon_days": row.horizon_days,
            "currency": row.currency,
            "value_basis": row.value_basis,
            "model": Model(name=row.model_name, version=row.model_version, digest=row.model_digest),
        }


class ScoredCustomer(BaseModel):
    """What is expected of one customer."""

    customer_id: str = Field(description="Who.", examples=["C-0192"])
    expected_purchases: float = Field(description="Days with a purchase within the horizon.")
    p_alive: float = Field(description="Probability of still being a customer, 0 to 1.")
    churn_probability: float = Field(
        description="Probability of no purchase within the horizon, 0 to 1."
    )
    clv: Value
    tier: Tier

    @classmethod
    def forecast_of(cls, row: sa.Row[Any]) -> dict[str, Any]:
        """Take a customer's forecast off a row of the store.

        Parameters
        ----------
        row : sqlalchemy.Row
            With the columns of `scores` and `score_sets`.

        Returns
        -------
        dict
            The fields of this class.
        """
        return {
            "customer_id": row.customer_id,
            "expected_purchases": row.expected_purchases,
            "p_alive": row.p_alive,
            "churn_probability": row.churn_probability,
            "clv": Value(expected=row.clv_expected, lower=row.clv_lower, upper=row.clv_upper),
            "tier": Tier(code=row.tier, policy=row.policy, since=date_of(row.tier_since)),
        }


class Score(SetFacts, ScoredCustomer):
    """One customer's published answer."""

    historic_value: float | None = Field(
        description="Value so far, in `value_basis`; null where no cost is known."
    )
