"""Errors that know their status code, and the one shape in which they leave (RFC 9457).

ServiceError
├── scores.service.UnknownCustomerError   404
├── published.NothingPublishedError       503
└── auth                                  401, 403
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from serving.store import StoreError

__all__ = ["Problem", "ServiceError", "add_error_handlers", "problems"]

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
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class FieldProblem(BaseModel):
    """One part of the request that is not as it should be."""

    pointer: str = Field(description="Where it is.", examples=["query/limit"])
    detail: str = Field(description="What was expected.")


class Problem(BaseModel):
    """A refusal, as RFC 9457 has it."""

    type: str = Field(
        default="about:blank", description="Kind of problem; the title says it in words."
    )
    title: str = Field(description="The kind of problem.", examples=["Unknown customer"])
    status: int = Field(description="The HTTP status.", examples=[404])
    detail: str = Field(description="What was wrong with this request, and the way out.")
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
    content = {"application/problem+json": {"schema": schema}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


def add_error_handlers(app: FastAPI) -> None:
    """Let every error of an app leave as a problem.

    Parameters
    ----------
    app : FastAPI
        The app.
    """

    @app.exception_handler(ServiceError)
    async def refuse(_: Request, error: ServiceError) -> JSONResponse:
        return _respond(error.status, error.title, error.detail, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def refuse_invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        wrong = [_field_problem(fault) for fault in error.errors()]
        detail = "; ".join(f"{fault.pointer}: {fault.detail}" for fault in wrong)
        return _respond(422, "Invalid request", f"{detail}.", errors=wrong)

    @app.exception_handler(HTTPException)
    async def refuse_by_framework(_: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        detail = f"{phrase}. GET /openapi.json lists what there is."
        return _respond(error.status_code, phrase, detail, headers=error.headers or {})

    @app.exception_handler(StoreError)
    async def report_store(_: Request, error: StoreError) -> JSONResponse:
        _log.error("store.failed", error=str(error))
        return _respond(
            503, "Store not available", "The store did not answer.", headers={"Retry-After": "1"}
        )

    @app.exception_handler(Exception)
    async def report_fault(request: Request, error: Exception) -> JSONResponse:
        _log.error("request.failed", route=str(request.scope.get("route")), exc_info=error)
        return _respond(500, "Internal error", "The service failed. Its log says why.")


def _field_problem(fault: Mapping[str, Any]) -> FieldProblem:
    given = fault.get("input")
    text = (
        f"{fault['msg']}. Got {given!r} instead" if isinstance(given, str | int) else fault["msg"]
    )
    return FieldProblem(pointer="/".join(map(str, fault["loc"])), detail=text[:300])


def _respond(
    status: int,
    title: str,
    detail: str,
    *,
    errors: list[FieldProblem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    problem = Problem(title=title, status=status, detail=detail, errors=errors or [])
    return JSONResponse(
        problem.model_dump(exclude_defaults=True) | {"type": problem.type},
        status_code=status,
        headers=dict(headers or {}),
        media_type="application/problem+json",
    )
