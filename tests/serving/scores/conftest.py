from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from serving.app import create_app
from serving.auth import SCOPES, create_key
from serving.champion import Champion
from serving.options import CompanyFacts, ServiceOptions
from serving.registry import load_champion
from serving.state import ServedModels
from serving.store import SQLiteStore
from serving.store.tables import LEDGER


@pytest.fixture(scope="session")
def registered(_scored_home: Path) -> Champion:
    """The champion that made the scores of `scored_store`."""
    return load_champion(f"sqlite:///{_scored_home / 'mlflow.db'}")


@pytest.fixture
def send(
    scored_store: SQLiteStore,
    scored_home: Path,
    registered: Champion,
    ask_app: Callable[..., httpx.Response],
) -> Callable[..., httpx.Response]:
    """Ask an app of the scored store that has its champion loaded."""
    key = create_key(scored_store, list(SCOPES))

    def send(
        path: str,
        *,
        champion: Champion | None = registered,
        options: ServiceOptions | None = None,
        headers: dict[str, str] | None = None,
        **request: Any,
    ) -> httpx.Response:
        app = create_app(
            scored_store,
            CompanyFacts(home=scored_home, currency="USD"),
            options=options,
            models=ServedModels(champion=champion),
        )
        return ask_app(app, path, headers={"X-API-Key": key} | (headers or {}), **request)

    return send


@pytest.fixture
def opt_out(scored_store: SQLiteStore) -> Callable[[str], None]:
    """Let a customer opt out of profiling."""

    def say(customer_id: str) -> None:
        row = {"customer_id": customer_id, "row_key": customer_id.encode(), "profiling_opt_out": 1}
        with scored_store.writing() as connection:
            connection.execute(sa.insert(LEDGER["customers"]).values(row))

    return say
