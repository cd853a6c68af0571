"""The door of the service: an operation says which scope it asks for, and keys are made here.

What stands behind it is in `serving.access`.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, cast

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from serving.access.caller import Caller
from serving.access.gate import Gate
from serving.access.keys import (
    KeyFacts,
    NoSuchKeyError,
    create_key,
    list_keys,
    revoke_key,
    rotate_key,
)
from serving.access.scopes import SCOPES, Scope, allows
from serving.middleware.headers import header_of

__all__ = [
    "SCOPES",
    "Caller",
    "KeyFacts",
    "NoSuchKeyError",
    "Scope",
    "admit",
    "allows",
    "caller_of",
    "create_key",
    "list_keys",
    "requires",
    "revoke_key",
    "rotate_key",
    "security_of",
]

_bearer = HTTPBearer(
    auto_error=False,
    description="An API key, as `Authorization: Bearer wk_...`, or a token of the configured "
    "issuer.",
)
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key.")


def requires(scope: Scope) -> Callable[..., Awaitable[None]]:
    """Make the dependency that lets only callers with a scope pass.

    Parameters
    ----------
    scope : str
        What the operation asks for. The OpenAPI document says so too.

    Returns
    -------
    callable
        For `Depends`.
    """

    async def check(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer, scopes=[scope])],
        header: Annotated[str | None, Security(_header, scopes=[scope])],
    ) -> None:
        gate = cast(Gate, request.app.state.gate)
        await gate.admit(request, bearer.credentials if bearer else header, scope)

    return check


async def admit(request: Request, scope: Scope) -> None:
    """Let only callers with a scope pass, for an operation that reads its request itself.

    It does what `requires` does, without the framework's way there: that takes longer than to find
    a score. `security_of` says it to the OpenAPI document.

    Parameters
    ----------
    request : Request
        To the operation.
    scope : str
        What it asks for.
    """
    headers = request.scope["headers"]
    scheme, _, bearer = (header_of(headers, b"authorization") or "").partition(" ")
    is_bearer = scheme.lower() == "bearer" and bool(bearer)
    credential = bearer if is_bearer else header_of(headers, b"x-api-key")
    await cast(Gate, request.app.state.gate).admit(request, credential, scope)


def security_of(scope: Scope) -> list[dict[str, list[str]]]:
    """Say to the OpenAPI document what `admit` asks for.

    Parameters
    ----------
    scope : str
        What the operation asks for.

    Returns
    -------
    list of dict
        For `openapi_extra={"security": ...}`, as `requires` says it.
    """
    return [{_bearer.scheme_name: [scope]}, {_header.scheme_name: [scope]}]


def caller_of(request: Request) -> Caller:
    """Find who sent a request that was let in.

    Parameters
    ----------
    request : Request
        To an operation that `requires` a scope.

    Returns
    -------
    Caller
        Whose key or token it came with.
    """
    return cast(Caller, request.state.caller)
