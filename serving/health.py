"""GET /healthz and /readyz: for those who keep the service up."""

from datetime import date
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from features.ledger import date_of
from serving.errors import problems
from serving.published import set_facts

__all__ = ["router"]

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process is alive."""

    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """The service can answer."""

    status: Literal["ready"] = "ready"
    as_of: date = Field(description="Last day known to the published scores.")
    n_customers: int = Field(description="How many customers have a score.")
    model_version: str = Field(description="The version that gave them.")


@router.get("/healthz")
def tell_health() -> Health:
    """Tell that the process is alive."""
    return Health()


@router.get("/readyz", responses=problems(503))
def tell_readiness(request: Request) -> Readiness:
    """Tell that the store answers and scores are published."""
    with request.app.state.store.reading() as connection:
        facts = set_facts(connection)
    return Readiness(
        as_of=date_of(facts.as_of),
        n_customers=facts.n_customers,
        model_version=facts.model_version,
    )
