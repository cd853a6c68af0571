"""The one layer around the app: id, limits, headers, quota, faults, log line and measurement.

One layer, because each costs every request some microseconds.
"""

import asyncio
from time import perf_counter
from typing import Any

import structlog
from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access.limits import Quota
from serving.errors import problem_answer
from serving.metrics import observe_request
from serving.middleware.body_limit import limited
from serving.middleware.headers import answer_headers, request_id_of
from serving.middleware.route import route_of
from serving.options import ServiceOptions

__all__ = ["Entrance"]

# The status of a request whose client went away before it was answered, as nginx logs it.
_CLIENT_GONE = 499


class _Answer:
    """An answer on its way out.

    Parameters
    ----------
    send : callable
        Where it goes.
    scope : dict
        Of the request.
    request_id : str
        Of the request.
    """

    __slots__ = ("_request_id", "_scope", "_send", "ended", "status")

    def __init__(self, send: Send, scope: Scope, request_id: str) -> None:
        self._send = send
        self._scope = scope
        self._request_id = request_id
        self.status: int | None = None
        self.ended: float | None = None

    async def send(self, message: Message) -> None:
        """Complete its headers, and pass it on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            quota: Quota | None = self._scope["state"].get("quota")
            message["headers"] = answer_headers(
                message.get("headers", ()),
                self._request_id,
                () if quota is None else quota.headers(),
                is_https=self._scope["scheme"] == "https",
                is_last=getattr(self._scope["app"].state, "draining", False),
            )
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.ended = perf_counter()


class Entrance:
    """What every request passes.

    Parameters
    ----------
    app : ASGI app
        What answers.
    options : ServiceOptions
        With the limits.
    """

    def __init__(self, app: ASGIApp, options: ServiceOptions) -> None:
        self._app = app
        self._options = options
        # Bound once: to do so for every line takes longer than to write it.
        self._log = structlog.get_logger().bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever happens.

        Parameters
        ----------
        scope, receive, send : dict, callable, callable
            As ASGI has them.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        request_id = request_id_of(scope["headers"])
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, scope, request_id)
        try:
            await self._answer(scope, receive, answer)
        finally:
            # What the app does after its answer holds nobody up.
            self._tell(scope, answer.status, (answer.ended or perf_counter()) - started)

    async def _answer(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            async with asyncio.timeout(self._options.request_seconds) as limit:
                received = limited(scope, receive, self._options.max_body_bytes)
                await self._app(scope, received, answer.send)
            return
        except HTTPException as error:
            refusal = problem_answer(Request(scope), error.status_code, None, error.detail)
        except Exception as error:
            if limit.expired():
                refusal = self._took_too_long(Request(scope))
            else:
                self._log.error(
                    "request.failed",
                    route=route_of(scope),
                    request_id=scope["state"]["request_id"],
                    exc_info=error,
                )
                detail = "The service failed. Its log says why."
                refusal = problem_answer(Request(scope), 500, "Internal error", detail)
        if answer.status is None:
            await refusal(scope, receive, answer.send)
        elif answer.ended is None:
            # Half an answer is out: only a broken connection can say that the rest is missing.
            raise RuntimeError("an answer broke off")

    def _took_too_long(self, request: Request) -> Any:
        seconds = self._options.request_seconds
        detail = (
            f"This took longer than {seconds:g} seconds (request_seconds). It may have been done; "
            "under an Idempotency-Key it can be sent again safely."
        )
        return problem_answer(request, 503, "Took too long", detail, headers={"Retry-After": "1"})

    def _tell(self, scope: Scope, status: int | None, seconds: float) -> None:
        route = route_of(scope)
        status = status or _CLIENT_GONE
        observe_request(route, scope["method"], status, seconds)
        state = scope["state"]
        self._log.info(
            "request.answered",
            method=scope["method"],
            route=route,
            status=status,
            ms=round(seconds * 1000, 2),
            request_id=state["request_id"],
            actor=state.get("actor"),
        )
