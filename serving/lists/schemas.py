"""What a target list says."""

from pydantic import Field

from serving.scores.schemas import ScoredCustomer, SetFacts

__all__ = ["ListedCustomer", "TargetList"]


class ListedCustomer(ScoredCustomer):
    """One customer of a target list."""

    days_since_last_purchase: int = Field(description="Days of silence.")
    reason: str = Field(description="Why this customer is on the list, in one sentence.")


class TargetList(SetFacts):
    """Customers to turn to, the most valuable first."""

    n_matching: int = Field(description="How many customers match, before the limit.")
    customers: list[ListedCustomer] = Field(description="Who, why and how much.")
