"""A way past the framework's router and layers, for the operation that is asked most."""

from collections.abc import Awaitable, Callable
from typing import cast

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Shortcut"]

Handler = Callable[[Request, Exception], Awaitable[Response]]


class Shortcut:
    """Takes the requests for one operation straight to it; all others take the framework's way.

    That way takes longer than to find a score. The operation reads its request itself; how it is
    refused is said by the handlers of the app, as everywhere.

    Parameters
    ----------
    app : ASGI app
        The framework's way.
    route : APIRoute
        Of the operation.
    """

    def __init__(self, app: ASGIApp, route: APIRoute) -> None:
        self._app = app
        self._route = route
        self._methods = frozenset(route.methods or ())
        self._answer = route.get_route_handler()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Parameters
        ----------
        scope, receive, send : dict, callable, callable
            As ASGI has them.
        """
        is_asked = scope["type"] == "http" and scope["method"] in self._methods
        # Where the app is mounted below a path, the router knows what to leave out of it.
        found = (
            is_asked and not scope.get("root_path") and self._route.path_regex.match(scope["path"])
        )
        if not found:
            await self._app(scope, receive, send)
            return
        scope["route"], scope["path_params"] = self._route, found.groupdict()
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except Exception as error:
            answer = await _refusal(request, error)
        await answer(scope, receive, send)


async def _refusal(request: Request, error: Exception) -> Response:
    """Let the app's handler of such an error answer; one that has none is a fault."""
    handlers = cast(FastAPI, request.app).exception_handlers
    for kind in type(error).__mro__:
        if kind in handlers:
            handler = cast(Handler, handlers[kind])
            return await handler(request, error)
    raise error
