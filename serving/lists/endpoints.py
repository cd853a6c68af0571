"""GET /v1/target-lists/preview and GET /v1/scores, as JSON or CSV."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from serving.auth import requires
from serving.errors import problems
from serving.lists.exports import note_export
from serving.lists.media import CSV, CSV_ANSWER, JSON, chosen_media_type
from serving.lists.pages import read_page
from serving.lists.schemas import ListFilter, PageOfScores, PageWanted, TargetList
from serving.lists.service import page_as_csv, preview_list, target_list_as_csv
from serving.scores.asking import json
from serving.scores.schemas import score_of
from serving.state import service_of

__all__ = ["router"]

router = APIRouter(tags=["lists"])

_MAY = [Depends(requires("lists:read"))]
_FIRST = {"customer_id": "$response.body#/scores/0/customer_id"}
_LINKS = {
    "next": {
        "operationId": "list_scores",
        "parameters": {"cursor": "$response.body#/next_cursor"},
    },
    "score": {"operationId": "get_score", "parameters": _FIRST},
    "record": {"operationId": "get_record", "parameters": _FIRST},
}
_Accept = Annotated[str, Header(description="application/json, or text/csv for lists:export.")]


@router.get(
    "/v1/target-lists/preview",
    dependencies=_MAY,
    response_model=TargetList,
    responses=problems(401, 403, 406, 422, 429, 503) | CSV_ANSWER,
)
def preview_target_list(
    request: Request, wanted: Annotated[ListFilter, Query()], accept: _Accept = JSON
) -> Response:
    """Pull the most valuable customers that match a filter; nothing is stored or sent."""
    media_type = chosen_media_type(request, accept)
    target_list = preview_list(service_of(request), **wanted.model_dump())
    if media_type == CSV:
        note_export(request, "target-list", len(target_list["customers"]))
        return _attached(target_list_as_csv(target_list), "target-list.csv")
    return json(target_list)


@router.get(
    "/v1/scores",
    dependencies=_MAY,
    response_model=PageOfScores,
    responses=problems(401, 403, 406, 410, 422, 429, 503)
    | {200: CSV_ANSWER[200] | {"links": _LINKS}},
)
def list_scores(
    request: Request, wanted: Annotated[PageWanted, Query()], accept: _Accept = JSON
) -> Response:
    """Turn the pages of all scores; they stay those of one set while a new one is published."""
    media_type = chosen_media_type(request, accept)
    service = service_of(request)
    rows, cursor = read_page(service.store, **wanted.model_dump())
    if media_type == CSV:
        note_export(request, "scores", len(rows))
        answer = _attached(page_as_csv(rows), "scores.csv")
        if cursor is not None:
            query = urlencode(wanted.model_dump(exclude_none=True) | {"cursor": cursor})
            answer.headers["Link"] = f'</v1/scores?{query}>; rel="next"'
        return answer
    return json({"scores": [score_of(row, service) for row in rows], "next_cursor": cursor})


def _attached(text: str, name: str) -> Response:
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "private, no-store",
    }
    return Response(text, media_type=CSV, headers=headers)
