import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from serving.app import create_app
from serving.champion import Champion
from serving.options import ServiceOptions
from serving.readiness import Probe
from serving.state import ServedModels, Service
from serving.store import SQLiteStore
from serving.store.tables import SCORE_SETS

Ask = Callable[..., httpx.Response]


@pytest.fixture
def app(scored_store: SQLiteStore, champion: Champion) -> FastAPI:
    """A service with all it needs."""
    options = ServiceOptions(score_max_age_hours=24)
    return create_app(scored_store, options=options, models=ServedModels(champion))


def _failing(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.json()["type"] == "/problems/not-ready"
    return [check["name"] for check in answer.json()["checks"] if not check["ok"]]


def _age_set(store: SQLiteStore, hours: float) -> None:
    scored_at = (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="seconds")
    with store.writing() as connection:
        connection.execute(sa.update(SCORE_SETS).values(scored_at=scored_at))


class TestHealth:
    def test_a_process_without_scores_is_alive(self, ask_of: Ask, store: SQLiteStore) -> None:
        answer = ask_of(store, "/healthz", scopes=())

        assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


class TestReadiness:
    def test_a_service_without_model_and_scores_says_so(
        self, ask_of: Ask, store: SQLiteStore
    ) -> None:
        answer = ask_of(store, "/readyz", scopes=())

        assert _failing(answer) == ["model_loaded", "scores_fresh"]
        assert answer.json()["detail"] == (
            "No model is loaded. 'worth train' makes one, 'worth models promote' chooses one. "
            "No scores have been published yet. 'worth score' publishes them."
        )

    def test_a_ready_service_says_what_it_looked_at(self, ask_app: Ask, app: FastAPI) -> None:
        said = ask_app(app, "/readyz").json()

        assert {name: said[name] for name in ("status", "as_of", "n_customers")} == {
            "status": "ready",
            "as_of": "1998-06-30",
            "n_customers": 2357,
        }
        assert [check["name"] for check in said["checks"]] == [
            "serving",
            "model_loaded",
            "store_writable",
            "scores_fresh",
        ]
        assert all(check["ok"] for check in said["checks"])

    def test_old_scores_are_not_ready(
        self, ask_app: Ask, app: FastAPI, scored_store: SQLiteStore
    ) -> None:
        _age_set(scored_store, 23.9)
        assert ask_app(app, "/readyz").status_code == 200

        _age_set(scored_store, 24.1)
        answer = ask_app(app, "/readyz")
        assert _failing(answer) == ["scores_fresh"]
        assert "24.1 hours old; 24 may be" in answer.json()["detail"]

    def test_scores_from_the_future_are_fresh(
        self, ask_app: Ask, app: FastAPI, scored_store: SQLiteStore
    ) -> None:
        _age_set(scored_store, -5)  # The clock was set back.

        assert ask_app(app, "/readyz").status_code == 200

    def test_a_service_that_was_told_to_stop_is_not_ready(self, ask_app: Ask, app: FastAPI) -> None:
        app.state.draining = True

        assert _failing(ask_app(app, "/readyz")) == ["serving"]
        assert ask_app(app, "/healthz").status_code == 200

    def test_a_store_that_is_gone_is_not_ready(
        self, ask_app: Ask, app: FastAPI, scored_store: SQLiteStore
    ) -> None:
        scored_store.close()
        for file in scored_store.path.parent.glob("worth.db*"):
            file.unlink()
        os.mkdir(scored_store.path)

        assert _failing(ask_app(app, "/readyz")) == ["store_writable", "scores_fresh"]


class TestProbe:
    def test_a_store_that_another_holds_counts_as_busy_before_it_counts_as_gone(
        self, store: SQLiteStore
    ) -> None:
        now = 0.0
        probe = Probe(Service(store, create_app(store).state.service.company), clock=lambda: now)
        assert probe.is_writable()

        with closing(sqlite3.connect(store.path)) as other:
            other.execute("BEGIN IMMEDIATE")
            now = 5.0
            assert probe.is_writable()
            now = 11.0
            assert not probe.is_writable()
            other.rollback()
            assert not probe.is_writable()  # Known for two seconds.
        now = 14.0
        assert probe.is_writable()

    def test_a_store_that_never_took_a_write_is_not_busy(self, store: SQLiteStore) -> None:
        probe = Probe(Service(store, create_app(store).state.service.company))
        with closing(sqlite3.connect(store.path)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert not probe.is_writable()
