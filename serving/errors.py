"""Errors that know their status code, and the one shape in which they leave (RFC 9457).

ServiceError
├── scores.service.UnknownCustomerError   404
├── published.NothingPublishedError       503
├── idempotency                           409, 422
├── health                                503
└── access.refusals                       401, 403, 429, 503
"""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from serving.faults import FieldProblem, field_problems, is_of_another_media_type
from serving.store import StoreError, UnstorableError

__all__ = ["PROBLEM", "Problem", "ServiceError", "add_error_handlers", "problem_answer", "problems"]

PROBLEM = "application/problem+json"
# What a client can be told of an error that is the framework's own.
_DETAILS = {
    400: "The body cannot be read: it is cut off, nested too deep or not in UTF-8.",
    404: "There is nothing at this path. GET /openapi.json lists what there is.",
}
_log = structlog.get_logger()


class ServiceError(Exception):
    """An expected refusal.

    Parameters
    ----------
    detail : str
        What was wrong with this request, and the way out.
    """

    status: ClassVar[int]
    title: ClassVar[str]
    headers: Mapping[str, str] = {}
    # What the problem says beside the usual, by name.
    members: Mapping[str, Any] = {}

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Problem(BaseModel):
    """A refusal, as RFC 9457 has it."""

    type: str = Field(
        default="about:blank",
        description="Kind of problem, for programs; about:blank where its status says it all.",
        examples=["/problems/unknown-customer"],
    )
    title: str = Field(description="The kind of problem.", examples=["Unknown customer"])
    status: int = Field(description="The HTTP status.", examples=[404])
    detail: str = Field(
        description="What was wrong with this request, and the way out.",
        examples=["There is no score for customer 'C-0192'."],
    )
    request_id: str | None = Field(
        default=None,
        description="As in the header X-Request-ID and in the service's log.",
        examples=["5f0c9f5f2d9a4b1c"],
    )
    errors: list[FieldProblem] = Field(
        default_factory=list, description="The parts of the request that are wrong."
    )


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare the refusals of an operation, for the OpenAPI document.

    Parameters
    ----------
    *statuses : int
        Their HTTP statuses.

    Returns
    -------
    dict
        For `responses=`.
    """
    schema = Problem.model_json_schema()
    # In one piece: a reference within it would lead nowhere in the OpenAPI document.
    schema["properties"]["errors"]["items"] = schema.pop("$defs")["FieldProblem"]
    content = {PROBLEM: {"schema": schema}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


def problem_answer(
    request: Request,
    status: int,
    title: str | None,
    detail: str,
    *,
    errors: list[FieldProblem] | None = None,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, Any] | None = None,
) -> Response:
    """Say a refusal.

    Parameters
    ----------
    request : Request
        What is refused.
    status : int
        The HTTP status.
    title : str or None
        The kind of problem; None where the status says it all.
    detail : str
        What was wrong, and the way out.
    errors : list of FieldProblem, optional
        The parts of the request that are wrong.
    headers : mapping of str to str, optional
        Further headers.
    members : mapping of str to object, optional
        What the problem says beside the usual.

    Returns
    -------
    Response
        Of type application/problem+json.
    """
    problem = Problem(
        type=f"/problems/{_slug(title)}" if title else "about:blank",
        title=title or HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        request_id=getattr(request.state, "request_id", None),
        errors=errors or [],
    )
    content = problem.model_dump(exclude_defaults=True, exclude_none=True)
    # In ASCII: what is quoted of a request may be half a character.
    text = json.dumps({"type": problem.type} | content | dict(members or {}))
    return Response(text, status, headers=dict(headers or {}), media_type=PROBLEM)


def add_error_handlers(app: FastAPI) -> None:
    """Let every error of an app leave as a problem; faults are the middleware's to report.

    Parameters
    ----------
    app : FastAPI
        The app.
    """

    @app.exception_handler(ServiceError)
    async def refuse(request: Request, error: ServiceError) -> Response:
        return problem_answer(
            request,
            error.status,
            error.title,
            error.detail,
            headers=error.headers,
            members=error.members,
        )

    @app.exception_handler(RequestValidationError)
    async def refuse_invalid(request: Request, error: RequestValidationError) -> Response:
        return _refuse_invalid(request, error)

    @app.exception_handler(HTTPException)
    async def refuse_by_framework(request: Request, error: HTTPException) -> Response:
        return _refuse_by_framework(request, error)

    @app.exception_handler(UnstorableError)
    async def refuse_unstorable(request: Request, _: UnstorableError) -> Response:
        return _refuse_text(request)

    @app.exception_handler(UnicodeEncodeError)
    async def refuse_half_characters(request: Request, _: UnicodeEncodeError) -> Response:
        return _refuse_text(request)

    @app.exception_handler(RecursionError)
    async def refuse_nested(request: Request, _: RecursionError) -> Response:
        return problem_answer(request, 400, None, _DETAILS[400])

    @app.exception_handler(StoreError)
    async def report_store(request: Request, error: StoreError) -> Response:
        _log.error("store.failed", error=str(error))
        headers = {"Retry-After": "1"}
        detail = "The store did not answer."
        return problem_answer(request, 503, "Store not available", detail, headers=headers)


def _refuse_invalid(request: Request, error: RequestValidationError) -> Response:
    if is_of_another_media_type(error):
        detail = "The body must be JSON, sent with 'Content-Type: application/json'."
        headers = {"Accept": "application/json"}
        return problem_answer(request, 415, None, detail, headers=headers)
    wrong = field_problems(error)
    detail = "; ".join(f"{fault.place}: {fault.detail}" for fault in wrong)
    return problem_answer(request, 422, "Invalid request", f"{detail}.", errors=wrong)


def _refuse_by_framework(request: Request, error: HTTPException) -> Response:
    status = HTTPStatus(error.status_code)
    headers = error.headers or {}
    if status == 405:
        detail = f"This path takes {headers.get('Allow', 'other methods')}."
    elif error.detail and status not in _DETAILS:
        detail = error.detail
    else:
        detail = _DETAILS.get(status, f"{status.phrase}.")
    return problem_answer(request, error.status_code, None, detail, headers=headers)


def _refuse_text(request: Request) -> Response:
    detail = "A text holds a sign that cannot be stored, such as NUL or half a surrogate pair."
    return problem_answer(request, 422, "Invalid request", detail)


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
