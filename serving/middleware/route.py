"""The name of the route that a request took: its path itself may hold a customer's id."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from fastapi import FastAPI
from starlette.types import Scope

__all__ = ["UNKNOWN", "route_of"]

UNKNOWN = "unknown"


def route_of(scope: Scope) -> str:
    """Name the route that a request took.

    Parameters
    ----------
    scope : dict
        Of the request, after it was routed.

    Returns
    -------
    str
        The template of its path; `unknown` where there is none.
    """
    route = scope.get("route")
    if route is not None:
        return _template(route) or UNKNOWN
    # FastAPI does not say which of Starlette's own routes it took.
    endpoint = scope.get("endpoint")
    return UNKNOWN if endpoint is None else _templates(scope["app"]).get(endpoint, UNKNOWN)


def _template(route: object) -> str | None:
    return getattr(route, "path_format", None) or getattr(route, "path", None)


@lru_cache(maxsize=4)
def _templates(app: FastAPI) -> dict[Callable[..., Any], str]:
    return {
        route.endpoint: _template(route) or UNKNOWN
        for route in app.routes
        if hasattr(route, "endpoint")
    }
