"""Scores: of one customer, of many, of one who is only imagined, and how one's moved."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from serving.auth import admit, requires, security_of
from serving.errors import problems
from serving.scores.asking import PARAMETERS, answered, asked_for, check_id, json
from serving.scores.batch import BatchWanted, ScoresFound
from serving.scores.companies import Companies
from serving.scores.direct import Direct, reading
from serving.scores.history import history_of
from serving.scores.history_schemas import History
from serving.scores.lookup import ScoreLookup
from serving.scores.preview import preview
from serving.scores.preview_schemas import Preview, PreviewWanted
from serving.scores.schemas import DetailedScore, chosen, score_of
from serving.scores.service import find_score, find_scores, refuse
from serving.state import service_of

__all__ = ["add_score_route", "router"]

router = APIRouter(tags=["scores"])


def add_score_route(app: FastAPI) -> APIRoute:
    """Put the operation that is asked most before all others.

    Parameters
    ----------
    app : FastAPI
        Without any route yet.

    Returns
    -------
    APIRoute
        Of that operation.
    """
    app.router.add_api_route(
        "/v1/customers/{customer_id:path}/score",  # An id may hold a slash.
        get_score,
        methods=["GET"],
        tags=["scores"],
        response_model=DetailedScore,
        responses=problems(401, 403, 404, 422, 429, 503)
        | {304: {"description": "The client's answer still holds."}},
        openapi_extra={"parameters": PARAMETERS, "security": security_of("scores:read")},
        route_class_override=Direct,
    )
    return cast(APIRoute, app.router.routes[-1])


async def get_score(request: Request) -> Response:
    """Tell what one customer is worth from today on."""
    await admit(request, "scores:read")
    customer_id = check_id(request.path_params["customer_id"])
    asked = asked_for(request)
    service = service_of(request)
    parts = asked.get("include")
    fields = asked.get("fields")
    if parts:
        answer = await run_in_threadpool(
            find_score, service, _companies(request), customer_id, parts
        )
        # What was asked for by `include` is wanted, whatever `fields` says.
        fields = fields and fields | parts | {"factors_missing"}
    else:
        row = await _lookup(request).find(customer_id)
        if row is None:
            raise await run_in_threadpool(refuse, service.store, customer_id)
        answer = score_of(row, service)
    return answered(request, chosen(answer, fields))


@router.get(
    "/v1/customers/{customer_id:path}/history",
    dependencies=[Depends(requires("scores:read"))],
    response_model=History,
    responses=problems(401, 403, 404, 422, 429, 503),
)
def get_history(
    request: Request,
    customer_id: Annotated[str, Path(description="Who.", min_length=1, max_length=200)],
    limit: Annotated[int, Query(description="At most so many, the newest.", ge=1, le=200)] = 24,
) -> Response:
    """Tell how a customer's value, churn and tier moved, and why."""
    return json(history_of(service_of(request), customer_id, limit))


async def get_scores(request: Request, wanted: BatchWanted) -> Response:
    """Tell what up to 1,000 customers are worth, all from one state of the store."""
    parts = set(wanted.include or ())
    fields = frozenset(wanted.fields) | parts if wanted.fields else None

    def work() -> Response:
        scores, missing = find_scores(
            service_of(request), _companies(request), _lookup(request), wanted.customer_ids, parts
        )
        return json({"scores": [chosen(score, fields) for score in scores], "missing": missing})

    return await run_in_threadpool(work)


router.add_api_route(
    "/v1/scores:batchGet",
    get_scores,
    methods=["POST"],
    dependencies=[Depends(requires("scores:read"))],
    response_model=ScoresFound,
    responses=problems(401, 403, 413, 422, 429, 503),
    route_class_override=reading(BatchWanted, "scores:read"),
)


async def preview_score(request: Request, wanted: PreviewWanted) -> Response:
    """Tell what a history would be worth, of a customer or of nobody; nothing is stored."""
    service = service_of(request)
    if _lookup(request).is_inline and not wanted.include:
        # Some milliseconds of computing; a thread would take turns with the loop and end later.
        return json(preview(service, _companies(request), wanted))
    return json(await run_in_threadpool(preview, service, _companies(request), wanted))


router.add_api_route(
    "/v1/scores:preview",
    preview_score,
    methods=["POST"],
    dependencies=[Depends(requires("scores:preview"))],
    response_model=Preview,
    responses=problems(401, 403, 404, 413, 422, 429, 503),
    route_class_override=reading(PreviewWanted, "scores:preview"),
)


def _companies(request: Request) -> Companies:
    return cast(Companies, request.app.state.companies)


def _lookup(request: Request) -> ScoreLookup:
    return cast(ScoreLookup, request.app.state.lookup)
