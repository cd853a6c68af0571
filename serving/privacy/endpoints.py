"""DELETE /v1/customers/{customer_id} and GET /v1/customers/{customer_id}/record."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request

from serving.auth import requires
from serving.errors import problems
from serving.idempotency import IdempotentRoute
from serving.privacy.erasure import erase
from serving.privacy.record import record_of
from serving.privacy.schemas import Receipt, Record
from serving.privacy.suppression import pseudonyms_of
from serving.state import service_of

__all__ = ["router"]

router = APIRouter(tags=["people's rights"], route_class=IdempotentRoute)

_Customer = Annotated[str, Path(description="Who.", min_length=1, max_length=200)]
_MAY = [Depends(requires("subjects:erase"))]
_WHO = {"customer_id": "$request.path.customer_id"}
# Where nothing is left to be found.
_LINKS = {
    "score": {"operationId": "get_score", "parameters": _WHO},
    "record": {"operationId": "get_record", "parameters": _WHO},
}
# Paths of their own. An id may hold a slash, so a DELETE of one of them would otherwise be answered
# with the receipt of a customer whom nobody meant. Where it is the id's, the slash is sent as %2F.
_READ_ONLY = (b"/score", b"/history", b"/record")


@router.get(
    "/v1/customers/{customer_id:path}/record",
    dependencies=_MAY,
    responses=problems(401, 403, 404, 422, 429, 503),
)
def get_record(request: Request, customer_id: _Customer) -> Record:
    """Tell everything that is held about a person, with a plain account of their score."""
    return record_of(service_of(request), customer_id, actor=str(request.state.actor))


@router.delete(
    "/v1/customers/{customer_id:path}",
    dependencies=_MAY,
    # 404: no path holds an id with the end of a line in it.
    responses=problems(401, 403, 404, 405, 409, 422, 429, 503) | {200: {"links": _LINKS}},
)
def erase_customer(
    request: Request,
    customer_id: _Customer,
    reason: Annotated[
        str, Query(description="Why, for the audit log; without personal data.", max_length=500)
    ] = "asked for by the person",
) -> Receipt:
    """Remove a person from ledger, scores, history and events, for good; they stay suppressed."""
    if request.scope["raw_path"].partition(b"?")[0].endswith(_READ_ONLY):
        raise HTTPException(405, headers={"Allow": "GET"})
    service = service_of(request)
    pseudonyms = pseudonyms_of(service.store, service.company.home)
    actor = str(request.state.actor)
    return erase(service.store, pseudonyms, customer_id, reason=reason, actor=actor)
