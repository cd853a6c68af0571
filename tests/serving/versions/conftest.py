import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from features.pipeline import signals_digest
from models.bundle import Bundle
from models.value.forecaster import ValueForecaster
from serving.app import create_app
from serving.auth import create_key
from serving.champion import Champion
from serving.options import CompanyFacts
from serving.state import Service
from serving.store import SQLiteStore, Store
from serving.store.tables import MODELS
from serving.versions.bundles import bundle_folder, keep_bundle
from serving.versions.keeper import ModelKeeper
from serving.versions.notes import ChampionNote, note

_AT = "2026-01-01T00:00:00.000+00:00"


class Stage:
    """A service whose registry and disk a test sets as it likes."""

    def __init__(self, store: Store, home: Path, forecaster: ValueForecaster) -> None:
        self.store, self.home, self._forecaster = store, home, forecaster
        self.app: FastAPI = create_app(store, CompanyFacts(home=home))
        self.service: Service = self.app.state.service
        self.keeper: ModelKeeper = self.app.state.keeper
        self._key = create_key(store, ["models:read", "models:promote"])

    def bundle(self, version: str, **facts: object) -> Bundle:
        """Make a bundle that is like no other version's."""
        known = {"horizon_days": 90, "value_basis": "revenue", "of_version": version}
        return Bundle("latent", self._forecaster, facts=known | facts)

    def register(self, version: str, *, is_on_disk: bool = True, **facts: object) -> str:
        """Let a version be known, as the watcher would; give its digest."""
        bundle = self.bundle(version, **({"signals_digest": signals_digest()} | facts))
        row = {"version": version, "name": "worth", "digest": bundle.digest, "seen_at": _AT}
        with self.store.writing() as connection:
            connection.execute(sa.insert(MODELS).values(**row, grade="B", as_of=10_407))
        if is_on_disk:
            keep_bundle(self.home, Champion("worth", version, bundle))
        return bundle.digest

    def fetch(self, version: str, **facts: object) -> None:
        """Have the bundle of a version on disk after all."""
        bundle = self.bundle(version, **({"signals_digest": signals_digest()} | facts))
        keep_bundle(self.home, Champion("worth", version, bundle))

    def promote(self, version: str, digest: str) -> None:
        """Note a champion, as the watcher would."""
        note(self.home, ChampionNote(name="worth", version=version, digest=digest, seen_at=_AT))

    def spoil(self, digest: str) -> None:
        """Change a byte of a bundle on disk."""
        file = bundle_folder(self.home, digest) / "forecaster.json"
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)

    def ask(self, path: str, method: str = "GET", **body: str) -> httpx.Response:
        """Ask the app."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://worth") as client:
                headers = {"X-API-Key": self._key}
                return await client.request(method, path, headers=headers, json=body or None)

        return asyncio.run(send())

    def post(self, verb: str, **body: str) -> httpx.Response:
        """Choose."""
        return self.ask(f"/v1/models:{verb}", "POST", **body)


@pytest.fixture
def stage(store: SQLiteStore, tmp_path: Path, champion: Champion) -> Stage:
    """A service without a model."""
    return Stage(store, tmp_path, champion.bundle.forecaster)


@pytest.fixture
def stage_of(tmp_path: Path, champion: Champion) -> Callable[[Store], Stage]:
    """A service of another store."""
    return lambda store: Stage(store, tmp_path, champion.bundle.forecaster)
