import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from serving.app import create_app
from serving.auth import SCOPES, Scope, create_key, revoke_key
from serving.options import ServiceOptions
from serving.store import SQLiteStore

Visit = Callable[..., list[httpx.Response]]

# Whoever keeps the service up, and whoever reads how to call it, needs no key.
_OPEN = {"/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/redoc"}


@pytest.fixture
def app(store: SQLiteStore) -> FastAPI:
    """The app of an empty store, which lets one address guess a lot."""
    return create_app(store, options=ServiceOptions(lockout_failures=10_000, rate_limit=1_000_000))


def _operations(app: FastAPI) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in app.openapi()["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def _scope(operation: dict[str, Any]) -> Scope:
    """The one scope that an operation says it asks for, by whichever header the key comes."""
    alternatives = operation["security"]
    assert [list(scheme) for scheme in alternatives] == [["HTTPBearer"], ["APIKeyHeader"]]
    ((scope,), *others) = [scopes for scheme in alternatives for scopes in scheme.values()]
    assert others == [[scope]]
    return scope


def _guarded(app: FastAPI) -> list[tuple[dict[str, str], Scope]]:
    return [
        ({"method": method, "url": re.sub(r"\{[^}]*\}", "1", path)}, _scope(operation))
        for method, path, operation in _operations(app)
        if path not in _OPEN
    ]


def test_every_operation_but_a_few_names_its_scope(app: FastAPI) -> None:
    for method, path, operation in _operations(app):
        assert path in _OPEN or "security" in operation, f"{method} {path} is open to anyone"
        assert path in _OPEN or _scope(operation) in SCOPES
    assert len(_guarded(app)) > 3


def test_every_route_is_in_the_document_or_known_to_be_open(app: FastAPI) -> None:
    documented = set(app.openapi()["paths"])
    routes = iter_route_contexts(app.routes)
    paths = {re.sub(r":\w+\}", "}", str(route.path)) for route in routes}

    assert documented <= paths
    for path in paths - documented:
        assert path.startswith(("/openapi.json", "/docs")), f"{path} is not in the document"


def _credentials(store: SQLiteStore) -> dict[str, dict[str, str]]:
    right = create_key(store, ["admin"])
    past = datetime.now(UTC) - timedelta(seconds=1)
    revoked = create_key(store, ["admin"])
    revoke_key(store, revoked.split("_")[1])
    return {
        "none": {},
        "of another kind": {"Authorization": "Basic YTpi"},
        "wrong": {"Authorization": "Bearer wk_00000000_guess"},
        "wrong secret": {"X-API-Key": right[:-1]},
        "expired": {"X-API-Key": create_key(store, ["admin"], expires_at=past)},
        "revoked": {"Authorization": f"Bearer {revoked}"},
    }


def test_no_operation_lets_a_caller_in_without_a_key_in_force(
    app: FastAPI, store: SQLiteStore, visit: Visit
) -> None:
    for kind, headers in _credentials(store).items():
        operations = _guarded(app)
        answers = visit(app, [request | {"headers": headers} for request, _ in operations])

        for (request, _), answer in zip(operations, answers, strict=True):
            assert answer.status_code == 401, (kind, request)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert answer.json()["title"] == "Not authenticated"


@pytest.mark.parametrize("held", SCOPES)
def test_no_operation_lets_a_key_of_another_scope_in(
    app: FastAPI, store: SQLiteStore, visit: Visit, held: Scope
) -> None:
    headers = {"X-API-Key": create_key(store, [held])}
    operations = _guarded(app)
    answers = visit(app, [request | {"headers": headers} for request, _ in operations])

    for (request, scope), answer in zip(operations, answers, strict=True):
        if held in {scope, "admin"}:
            assert answer.status_code not in {401, 403}, (request, answer.text)
            continue
        assert answer.status_code == 403, (request, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["WWW-Authenticate"] == (
            f'Bearer error="insufficient_scope", scope="{scope}"'
        )
        assert answer.json()["detail"] == (
            f"This needs a key with the scope {scope}. This key has: {held}."
        )
