"""GET /v1/target-lists/preview, as JSON or CSV."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from serving.auth import requires
from serving.errors import ServiceError, problems
from serving.lists.schemas import ListFilter, TargetList
from serving.lists.service import as_csv, preview_list

__all__ = ["router"]

router = APIRouter(tags=["target lists"])

_JSON, _CSV = "application/json", "text/csv"


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
    wanted: Annotated[ListFilter, Query()],
    accept: Annotated[str, Header(description="application/json or text/csv.")] = _JSON,
) -> TargetList | Response:
    """Pull the most valuable customers that match a filter; nothing is stored or sent."""
    media_type = _chosen_media_type(accept)
    target_list = preview_list(request.app.state.store, **wanted.model_dump())
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
