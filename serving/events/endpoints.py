"""POST /v1/events."""

from typing import Any

import orjson
from anyio import to_thread
from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask

from serving.auth import admit, security_of
from serving.errors import ServiceError, problems
from serving.events.answers import EventAnswers
from serving.events.body import REQUEST_BODY
from serving.events.intake import Intake
from serving.events.reading import check_events, read_json, read_lines
from serving.idempotency import DirectIdempotentRoute, heed_key, speaks_of
from serving.privacy.suppression import pseudonyms_of
from serving.state import service_of

__all__ = ["router"]

router = APIRouter(tags=["events"], route_class=DirectIdempotentRoute)

_JSON, _LINES = "application/json", "application/x-ndjson"
_READERS = {_JSON: read_json, _LINES: read_lines}


_REPEATED = {
    "description": "How many of the events were known already.",
    "schema": {"type": "integer"},
}
_WHO = {"customer_id": "$response.body#/answers/0/customer_id"}
_LINKS = {
    "score": {"operationId": "get_score", "parameters": _WHO},
    "history": {"operationId": "get_history", "parameters": _WHO},
    "erasure": {"operationId": "erase_customer", "parameters": _WHO},
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"Worth-Repeated": _REPEATED}, "links": _LINKS},
    **problems(400, 401, 403, 413, 415, 422, 429, 503),
}


class _UnknownMediaTypeError(ServiceError):
    """Raised where the body is neither JSON nor NDJSON."""

    status = 415
    title = "Unsupported media type"


@router.post(
    "/v1/events",
    response_model=EventAnswers,
    responses=_RESPONSES,
    openapi_extra={"requestBody": REQUEST_BODY, "security": security_of("events:write")},
)
async def post_events(request: Request) -> Response:
    """Report what happened, from 1 to 1,000 events, and get the new scores back.

    Each event is in the ledger, for good, before it is answered; its id counts once for ever, and
    a repeat is answered as the first time. Late events, and events out of order, give the same
    scores as if they had come in order.
    """
    await admit(request, "events:write")
    await heed_key(request)
    media_type = request.headers.get("content-type", _JSON).partition(";")[0].strip().lower()
    read = _READERS.get(media_type)
    if read is None:
        raise _UnknownMediaTypeError(f"Events come as {_JSON}, or one a line as {_LINES}.")
    body = await request.body()
    intake: Intake = request.app.state.intake

    def work() -> Response:
        events = read(body)
        check_events(events, service_of(request))
        answers, n_repeated = intake.take(events)
        if "idempotency-key" in request.headers:
            service = service_of(request)
            pseudonyms = pseudonyms_of(service.store, service.company.home)
            speaks_of(request, {pseudonyms.of(event.customer_id) for event in events})
        headers = {"Worth-Repeated": str(n_repeated), "Cache-Control": "private, no-store"}
        return Response(orjson.dumps(answers), media_type=_JSON, headers=headers)

    response = await to_thread.run_sync(work, limiter=intake.limiter)
    if intake.is_to_look:
        response.background = BackgroundTask(intake.look_for_pending)
    return response
