"""GET /v1/target-lists/preview, as JSON or CSV."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from serving.auth import requires
from serving.errors import ServiceError, problems
from serving.lists.schemas import TargetList
from serving.lists.service import as_csv, preview_list

__all__ = ["router"]

router = APIRouter(tags=["target lists"])

_JSON, _CSV = "application/json", "text/csv"
# Read the README on larger lists; one answer of this size is 4 MB.
_LARGEST = 10_000


class _NotAcceptableError(ServiceError):
    """Raised where the client takes neither JSON nor CSV."""

    status = 406
    title = "Not acceptable"


@router.get(
    "/v1/target-lists/preview",
    dependencies=[Depends(requires("lists:read"))],
    response_model=TargetList,
    responses=problems(401, 403, 406, 422, 503)
    | {200: {"content": {_CSV: {"schema": {"type": "string"}}}}},
)
def preview_target_list(
    request: Request,
    tier: Annotated[Literal["A", "B", "C"] | None, Query(description="Only this tier.")] = None,
    min_churn: Annotated[
        float, Query(ge=0, le=1, description="Lowest churn probability, 0 to 1.")
    ] = 0.0,
    limit: Annotated[int, Query(ge=1, le=_LARGEST, description="At most so many.")] = 100,
    accept: Annotated[str, Header(description="application/json or text/csv.")] = _JSON,
) -> TargetList | Response:
    """Pull the most valuable customers that match a filter; nothing is stored or sent."""
    media_type = _chosen_media_type(accept)
    target_list = preview_list(request.app.state.store, tier=tier, min_churn=min_churn, limit=limit)
    if media_type == _CSV:
        headers = {"Content-Disposition": 'attachment; filename="target-list.csv"'}
        return Response(as_csv(target_list), media_type=_CSV, headers=headers)
    return target_list


def _chosen_media_type(accept: str) -> str:
    """Take the first media type the client names that can be served."""
    for media_range in accept.split(","):
        wanted = media_range.split(";")[0].strip().lower()
        if wanted in {_CSV, "text/*"}:
            return _CSV
        if wanted in {_JSON, "application/*", "*/*"}:
            return _JSON
    raise _NotAcceptableError(f"A target list is {_JSON} or {_CSV}. Got Accept: {accept[:100]}.")
