"""GET /healthz, /readyz and /metrics: for those who keep the service up. They need no key."""

from datetime import date
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from features.ledger import date_of
from serving.errors import ServiceError, problems
from serving.gauges import Gauges
from serving.metrics import CONTENT_TYPE, exposition
from serving.readiness import Check, Probe

__all__ = ["router"]

router = APIRouter(tags=["health"])


class _NotReadyError(ServiceError):
    """Raised where the service should not be asked now."""

    status = 503
    title = "Not ready"
    headers = {"Retry-After": "1"}  # noqa: RUF012 - never written to

    def __init__(self, checks: list[Check]) -> None:
        super().__init__(" ".join(check.detail for check in checks if not check.ok))
        self.members = {"checks": [check.model_dump() for check in checks]}


class Health(BaseModel):
    """The process is alive."""

    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """The service can answer."""

    status: Literal["ready"] = "ready"
    as_of: date = Field(description="Last day known to the published scores.")
    n_customers: int = Field(description="How many customers have a score.", examples=[2357])
    model_version: str = Field(description="The version that gave them.", examples=["3"])
    checks: list[Check] = Field(description="What was looked at.")


@router.get("/healthz")
async def tell_health() -> Health:
    """Tell that the process is alive."""
    return Health()


@router.get("/readyz", responses=problems(503))
def tell_readiness(request: Request) -> Readiness:
    """Tell that the store takes writes, a model is loaded and fresh scores are published."""
    probe: Probe = request.app.state.probe
    checks = probe.checks(is_draining=request.app.state.draining)
    facts = probe.published() if all(check.ok for check in checks) else None
    if facts is None:
        raise _NotReadyError(checks)
    return Readiness(
        as_of=date_of(facts.as_of),
        n_customers=facts.n_customers,
        model_version=facts.model_version,
        checks=checks,
    )


_AS_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}}
}


@router.get("/metrics", response_class=Response, responses=_AS_TEXT)
def tell_metrics(request: Request) -> Response:
    """Tell what is measured, as Prometheus reads it; nothing in it is personal."""
    gauges: Gauges = request.app.state.gauges
    return Response(exposition([gauges]), media_type=CONTENT_TYPE)
