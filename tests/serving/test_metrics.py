import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from serving.app import create_app
from serving.champion import Champion
from serving.drift import drift_between, histograms_of
from serving.metrics import observe_event_lag
from serving.options import CompanyFacts
from serving.published import set_facts
from serving.state import ServedModels
from serving.store import SQLiteStore
from serving.store.tables import PUBLISHED, SCORE_SETS, SCORES

Ask = Callable[..., httpx.Response]


@pytest.fixture
def app(scored_store: SQLiteStore, champion: Champion) -> FastAPI:
    return create_app(scored_store, models=ServedModels(champion))


def _samples(text: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(text):
        yield from family.samples


@pytest.fixture
def measured(ask_app: Ask) -> Callable[..., float | None]:
    """Read one number of an app's metrics; None where it is not told."""

    def read(app: FastAPI, sample: str, /, **labels: str) -> float | None:
        told = _samples(ask_app(app, "/metrics").text)
        return next((s.value for s in told if s.name == sample and s.labels == labels), None)

    return read


Measured = Callable[..., float | None]


def test_requests_are_measured_by_route(ask_app: Ask, app: FastAPI, measured: Measured) -> None:
    labels = {"route": "/v1/customers/{customer_id}/score", "method": "GET", "status": "4xx"}
    before = measured(app, "worth_request_seconds_count", **labels) or 0.0
    for who in ("C-0192", "C-0193"):
        ask_app(app, f"/v1/customers/{who}/score")

    assert measured(app, "worth_request_seconds_count", **labels) == before + 2
    assert (measured(app, "worth_request_seconds_sum", **labels) or 0.0) > 0


def test_no_path_and_no_customer_becomes_a_label(ask_app: Ask, app: FastAPI) -> None:
    for path in ("/v1/people/Mary", "/v1/customers/C-0192/score?who=Mary", "/Mary"):
        ask_app(app, path, method="GET")
    ask_app(app, "/Mary", method="MARY")

    text = ask_app(app, "/metrics").text
    assert "Mary" not in text
    assert "MARY" not in text
    assert "C-0192" not in text
    assert 'route="unknown"' in text
    assert 'method="OTHER"' in text


def test_the_published_set_is_told(app: FastAPI, measured: Measured, champion: Champion) -> None:
    tiers = [measured(app, "worth_customers", tier=tier) or 0.0 for tier in "ABC"]
    age = measured(app, "worth_set_age_seconds")

    assert sum(tiers) == 2357
    assert age is not None
    assert 0 <= age < 3600
    assert measured(app, "worth_score_age_seconds") == pytest.approx(age, abs=5)
    assert measured(app, "worth_store_writable") == 1
    digest = champion.digest
    assert (
        measured(app, "worth_model_info", role="champion", name="worth", version="1", digest=digest)
        == 1
    )


def test_a_service_without_scores_tells_none(
    store: SQLiteStore, ask_app: Ask, measured: Measured
) -> None:
    app = create_app(store)

    assert measured(app, "worth_set_age_seconds") is None
    assert measured(app, "worth_customers", tier="A") is None
    assert measured(app, "worth_registry_reachable") is None
    assert ask_app(app, "/metrics").status_code == 200


def test_drift_is_told_against_the_first_set_of_the_model(
    app: FastAPI, scored_store: SQLiteStore, measured: Measured
) -> None:
    assert measured(app, "worth_drift_psi", of="tier") is None
    _publish_again(scored_store, churn_probability=SCORES.c.churn_probability / 2)
    again = create_app(scored_store)

    assert measured(again, "worth_drift_psi", of="tier") == 0
    assert measured(again, "worth_drift_psi", of="clv_expected") == 0
    assert (measured(again, "worth_drift_psi", of="churn_probability") or 0.0) > 0.25


def _publish_again(store: SQLiteStore, **changes: sa.ColumnElement[float]) -> None:
    """Publish a second set, like the first but for the changes."""
    facts = [column for column in SCORE_SETS.c if column.name != "id"]
    rows = [changes.get(c.name, c) for c in SCORES.c if c.name != "set_id"]
    names = [column.name for column in SCORES.c if column.name != "set_id"]
    with store.writing() as connection:
        first = set_facts(connection).id
        copied = sa.select(*facts).where(SCORE_SETS.c.id == first)
        connection.execute(sa.insert(SCORE_SETS).from_select([f.name for f in facts], copied))
        second = connection.execute(sa.select(sa.func.max(SCORE_SETS.c.id))).scalar_one()
        scores = sa.select(sa.literal(second), *rows).where(SCORES.c.set_id == first)
        connection.execute(sa.insert(SCORES).from_select(["set_id", *names], scores))
        connection.execute(sa.update(PUBLISHED).values(set_id=second))


def test_a_histogram_of_a_set_holds_every_customer_once(scored_store: SQLiteStore) -> None:
    with scored_store.reading() as connection:
        histograms = histograms_of(connection, set_facts(connection).id)

    assert {column: sum(counts) for column, counts in histograms.items()} == {
        "tier": 2357,
        "churn_probability": 2357,
        "clv_expected": 2357,
        "days_since_last_purchase": 2357,
    }
    assert set(drift_between(histograms, histograms).values()) == {0.0}


def test_what_the_watcher_of_the_registry_wrote_is_told(
    store: SQLiteStore, tmp_path: Path, measured: Measured
) -> None:
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    app = create_app(store, CompanyFacts(home=home))
    for text, told in (('{"state": "away"}', 0), ('{"state": "reachable"}', 1), ("{", None)):
        (home / "models" / "registry.json").write_text(text)
        assert measured(app, "worth_registry_reachable") == told


def test_the_lag_of_an_event_is_measured(app: FastAPI, measured: Measured) -> None:
    before = measured(app, "worth_event_lag_seconds_count") or 0.0
    observe_event_lag(0.02)

    assert measured(app, "worth_event_lag_seconds_count") == before + 1


_WORKER = """
import sys
from serving.metrics import exposition, observe_request
observe_request("/v1/signals", "GET", 200, 0.001)
if sys.argv[1] == "tell":
    print(exposition().decode())
"""


def test_any_of_several_workers_tells_for_all(tmp_path: Path) -> None:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for what in ("measure", "measure", "tell"):
        ran = subprocess.run(
            [sys.executable, "-c", _WORKER, what],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

    counts = [s.value for s in _samples(ran.stdout) if s.name == "worth_request_seconds_count"]
    assert counts == [3]
