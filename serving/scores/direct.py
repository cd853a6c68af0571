"""Operations that read their request themselves: the framework takes longer than all their work."""

from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from serving.auth import Scope, admit

__all__ = ["Direct", "reading"]

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Direct(APIRoute):
    """An operation that reads the whole of its request; `openapi_extra` says what it asks for."""

    def get_route_handler(self) -> Handler:
        """Give the operation as it is.

        Returns
        -------
        callable
            From a request to its answer.
        """
        return cast(Handler, self.endpoint)


def reading(model: type[BaseModel], scope: Scope) -> type[APIRoute]:
    """Make the route of an operation whose body is JSON, read straight from its bytes.

    A body that is not as it should be goes the framework's way, which says what is wrong with it.

    Parameters
    ----------
    model : type of BaseModel
        What the body holds. The operation is called with the request and one of them.
    scope : str
        What its caller must be allowed to. The operation `requires` it too, for the framework's
        way and for the OpenAPI document.

    Returns
    -------
    type of APIRoute
        For `route_class_override`.
    """

    class Reading(APIRoute):
        def get_route_handler(self) -> Handler:
            by_framework = super().get_route_handler()

            async def answer(request: Request) -> Response:
                wanted = await _read(request, model)
                if wanted is None:
                    return await by_framework(request)
                await admit(request, scope)
                return cast(Response, await self.endpoint(request, wanted))

            return answer

    return Reading


async def _read(request: Request, model: type[BaseModel]) -> BaseModel | None:
    media_type = request.headers.get("content-type", "").partition(";")[0]
    if media_type.strip().lower() != "application/json":
        return None
    try:
        return model.model_validate_json(await request.body())
    except (ValidationError, ClientDisconnect):
        return None
