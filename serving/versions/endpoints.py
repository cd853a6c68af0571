"""GET /v1/models and /v1/models/shadow; POST /v1/models:pin and the like."""

from typing import Any, cast

from fastapi import APIRouter, Depends, Request, Response

from serving.auth import requires
from serving.errors import problems
from serving.idempotency import IdempotentRoute
from serving.state import service_of
from serving.versions.keeper import ModelKeeper
from serving.versions.overview import overview
from serving.versions.schemas import ModelChange, Models, Reason, ShadowSummary, VersionAndReason
from serving.versions.service import choose, drop_choice, roll_back
from serving.versions.shadow import shadow_summary

__all__ = ["router"]

router = APIRouter(tags=["models"], route_class=IdempotentRoute)

_MAY_READ = [Depends(requires("models:read"))]
_MAY_CHOOSE = [Depends(requires("models:promote"))]
_ACCEPTED = 202
_LATER: dict[int | str, dict[str, Any]] = {
    _ACCEPTED: {"model": ModelChange, "description": "Chosen; its files are still to be fetched."}
}


@router.get("/v1/models", dependencies=_MAY_READ, responses=problems(401, 403, 429, 503))
def list_models(request: Request) -> Models:
    """Tell which models there are, which serves, what people chose, and how the registry is."""
    return overview(service_of(request), _keeper_of(request))


@router.get("/v1/models/shadow", dependencies=_MAY_READ, responses=problems(401, 403, 429, 503))
def compare_shadow(request: Request) -> ShadowSummary:
    """Compare what challengers would have answered with what was."""
    return shadow_summary(service_of(request).store)


@router.post(
    "/v1/models:pin",
    dependencies=_MAY_CHOOSE,
    responses=problems(401, 403, 404, 409, 422, 429, 503) | _LATER,
)
def pin_model(request: Request, response: Response, wanted: VersionAndReason) -> ModelChange:
    """Serve a version, whatever the registry calls champion, until it is unpinned."""
    change = choose(
        service_of(request),
        _keeper_of(request),
        "pinned",
        wanted.version,
        reason=wanted.reason,
        actor=_actor_of(request),
    )
    return _answered(response, change)


@router.post(
    "/v1/models:unpin",
    dependencies=_MAY_CHOOSE,
    responses=problems(401, 403, 409, 422, 429, 503),
)
def unpin_model(request: Request, why: Reason) -> ModelChange:
    """Serve the registry's champion again."""
    service, keeper = service_of(request), _keeper_of(request)
    return drop_choice(service, keeper, "pinned", reason=why.reason, actor=_actor_of(request))


@router.post(
    "/v1/models:shadow",
    dependencies=_MAY_CHOOSE,
    responses=problems(401, 403, 404, 409, 422, 429, 503) | _LATER,
)
def shadow_model(request: Request, response: Response, wanted: VersionAndReason) -> ModelChange:
    """Score with a version beside what serves; nobody sees its scores but in the comparison."""
    change = choose(
        service_of(request),
        _keeper_of(request),
        "shadow",
        wanted.version,
        reason=wanted.reason,
        actor=_actor_of(request),
    )
    return _answered(response, change)


@router.post(
    "/v1/models:unshadow",
    dependencies=_MAY_CHOOSE,
    responses=problems(401, 403, 409, 422, 429, 503),
)
def unshadow_model(request: Request, why: Reason) -> ModelChange:
    """Score with nothing beside what serves."""
    service, keeper = service_of(request), _keeper_of(request)
    return drop_choice(service, keeper, "shadow", reason=why.reason, actor=_actor_of(request))


@router.post(
    "/v1/models:rollback",
    dependencies=_MAY_CHOOSE,
    responses=problems(401, 403, 409, 422, 429, 503) | _LATER,
)
def roll_back_model(request: Request, response: Response, why: Reason) -> ModelChange:
    """Pin what served before; two in a row lead back by two."""
    service, keeper = service_of(request), _keeper_of(request)
    change = roll_back(service, keeper, reason=why.reason, actor=_actor_of(request))
    return _answered(response, change)


def _answered(response: Response, change: ModelChange) -> ModelChange:
    if not change.is_done:
        response.status_code = _ACCEPTED
    return change


def _keeper_of(request: Request) -> ModelKeeper:
    return cast(ModelKeeper, request.app.state.keeper)


def _actor_of(request: Request) -> str:
    return str(request.state.actor)
