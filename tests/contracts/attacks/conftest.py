"""The whole service, with CDNOW's scores and the model that made them, for those who attack it.

There is one for all tests of a file: to lay it takes longer than a hundred attacks.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from serving.app import create_app
from serving.auth import SCOPES, create_key
from serving.errors import PROBLEM
from serving.options import CompanyFacts, ServiceOptions
from serving.registry import load_champion
from serving.state import ServedModels
from serving.store import SQLiteStore

Request = dict[str, Any]
Attack = Callable[[list[Request]], list[httpx.Response]]


@pytest.fixture(scope="module")
def attacked_store(_scored_home: Path, tmp_path_factory: pytest.TempPathFactory) -> SQLiteStore:
    """A copy of the store with CDNOW's scores."""
    home = tmp_path_factory.mktemp("attacked") / "home"
    shutil.copytree(_scored_home, home)
    return SQLiteStore.open(home / "worth.db")


@pytest.fixture(scope="module")
def attacked(
    _scored_home: Path, attacked_store: SQLiteStore, tmp_path_factory: pytest.TempPathFactory
) -> FastAPI:
    """The app of that store."""
    champion = load_champion(f"sqlite:///{_scored_home / 'mlflow.db'}")
    return create_app(
        attacked_store,
        CompanyFacts(home=tmp_path_factory.mktemp("company"), currency="USD"),
        # Wrong keys are among what is tried.
        options=ServiceOptions(lockout_failures=10_000),
        models=ServedModels(champion=champion),
    )


@pytest.fixture(scope="module")
def headers(attacked_store: SQLiteStore) -> dict[str, str]:
    """A key that opens all doors, as often as one likes."""
    return {"X-API-Key": create_key(attacked_store, list(SCOPES), rate_limit=1_000_000)}


@pytest.fixture(scope="module")
def attack(attacked: FastAPI, headers: dict[str, str]) -> Attack:
    """Send requests to the one app, one after the other; all its answers are ones to be shown."""

    def send(requests: list[Request]) -> list[httpx.Response]:
        async def ask() -> list[httpx.Response]:
            transport = httpx.ASGITransport(attacked, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://worth", timeout=None
            ) as client:
                return [
                    await client.request(**request | {"headers": headers | request["headers"]})
                    for request in requests
                ]

        answers = asyncio.run(ask())
        for answer in answers:
            _check(answer)
        return answers

    return send


@pytest.fixture(scope="module")
def operations(attacked: FastAPI) -> list[tuple[str, str, dict[str, Any]]]:
    """Every operation: its method, its path, and what the document says of it."""
    return [
        (method.upper(), path, operation)
        for path, item in attacked.openapi()["paths"].items()
        for method, operation in item.items()
    ]


def _check(answer: httpx.Response) -> None:
    """A refusal is a problem with a sentence; nothing is HTML, nothing slips into a header."""
    where = f"{answer.request.method} {str(answer.request.url)[:200]}"
    kind = answer.headers.get("content-type", "")
    assert answer.status_code < 500, (where, answer.text[:500])
    assert "html" not in kind, where
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not [v for v in answer.headers.values() if "\r" in v or "\n" in v], where
    assert "Set-Cookie" not in answer.headers, where
    if answer.status_code >= 400:
        problem = answer.json()
        assert kind == PROBLEM, where
        assert problem["status"] == answer.status_code
        assert problem["detail"].endswith("."), (where, problem)
        assert len(answer.content) < 10_000, (where, len(answer.content))
