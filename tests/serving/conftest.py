import asyncio
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from features.engines.duckdb import compute_signals
from features.ledger import Ledger
from features.pipeline import signals_digest
from features.sources import Source
from models.bundle import Bundle
from models.value.forecaster import ValueForecaster
from models.value.latent import LatentValueModel
from serving.app import create_app
from serving.auth import SCOPES, Scope, create_key
from serving.champion import Champion
from serving.ingest import ingest
from serving.store import SQLiteStore, Store


@pytest.fixture
def ask_of() -> Callable[..., httpx.Response]:
    """Ask the app of a store, with a key of the given scopes; with none where they are empty."""
    return _ask


@pytest.fixture
def ask(scored_store: SQLiteStore) -> Callable[..., httpx.Response]:
    """Ask the app of the store with CDNOW's scores."""
    return partial(_ask, scored_store)


def _ask(
    store: Store,
    path: str,
    *,
    scopes: Iterable[Scope] = SCOPES,
    method: str = "GET",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    key = {"Authorization": f"Bearer {create_key(store, list(scopes))}"} if scopes else {}

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(store), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://worth") as client:
            return await client.request(method, path, headers=key | (headers or {}))

    return asyncio.run(send())


@pytest.fixture
def ask_app() -> Callable[..., httpx.Response]:
    """Ask an app that a test made itself."""
    return _ask_app


def _ask_app(app: FastAPI, path: str, *, method: str = "GET", **request: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://worth") as client:
            return await client.request(method, path, **request)

    return asyncio.run(send())


@pytest.fixture(scope="session")
def champion(cdnow: Ledger) -> Champion:
    """A latent model of CDNOW, as if it came from the registry."""
    signals = compute_signals(cdnow, cdnow.last_day)
    forecaster = ValueForecaster(LatentValueModel().fit(signals), horizon_days=90)
    forecaster.presume(signals, widening=1.0, random_state=0)
    facts = {
        "horizon_days": 90,
        "value_basis": "revenue",
        "signals_digest": signals_digest(),
    }
    return Champion("worth", "1", Bundle("latent", forecaster, facts=facts))


@pytest.fixture
def load(store: SQLiteStore, tmp_path: Path) -> Callable[..., int]:
    """Load order lines into the store by the road that all take; 2024-01-01 is day 0."""

    def load(rows: Iterable[tuple[str, int, float]]) -> int:
        lines = [f"{who},{date(2024, 1, 1) + timedelta(days=day)},{r}" for who, day, r in rows]
        path = tmp_path / "orders.csv"
        path.write_text("\n".join(["customer_id,ordered_at,revenue", *lines, ""]))
        (loaded,) = ingest(store, {"orders": Source(path=path)}, time_zone="UTC")
        return loaded.n_new

    return load
