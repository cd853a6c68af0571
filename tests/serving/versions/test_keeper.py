import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
import structlog

from features.engines.duckdb import compute_signals
from models.bundle import Bundle
from models.value.explanation import reference_of
from serving.audit import last_rows
from serving.champion import Champion
from serving.store import SQLiteStore
from serving.store.tables import MODELS_SERVED
from serving.versions.bundles import bundle_folder
from serving.versions.trial import TrialError, try_bundle


def _served(store: SQLiteStore) -> list[str]:
    with store.reading() as connection:
        statement = sa.select(MODELS_SERVED.c.version).order_by(MODELS_SERVED.c.id)
        return list(connection.execute(statement).scalars())


def _version(stage: Any) -> str | None:
    return None if stage.keeper.champion is None else stage.keeper.champion.version


def test_a_new_champion_is_swapped_in_and_noted_once_however_many_workers(
    stage: Any, stage_of: Callable[..., Any]
) -> None:
    other = stage_of(stage.store)
    first, second = stage.register("1"), stage.register("2")

    for version, digest in (("1", first), ("2", second)):
        stage.promote(version, digest)
        for worker in (stage, other, stage):
            worker.keeper.look()
            assert _version(worker) == version
            assert worker.service.models.champion.digest == digest
    assert _served(stage.store) == ["1", "2"]
    with stage.store.reading() as connection:
        rows = last_rows(connection, 9)
    said = [row["object"] for row in rows if row["action"] == "model.served"]
    assert said == ["model version 1", "model version 2"]


def test_a_broken_bundle_never_replaces_a_working_one_and_is_logged_once(stage: Any) -> None:
    first, second = stage.register("1"), stage.register("2")
    stage.promote("1", first)
    stage.keeper.look()
    stage.spoil(second)
    stage.promote("2", second)

    with structlog.testing.capture_logs() as said:
        stage.keeper.look()
        stage.keeper.look()

    assert _version(stage) == "1"
    assert [event["version"] for event in said if event["event"] == "model.refused"] == ["2"]
    assert stage.keeper.problems["2"] == (
        "Version 2 does not serve: forecaster.json was changed after it was written."
    )
    answer = stage.ask("/v1/models").json()
    assert answer["serving"]["version"] == "1"
    assert answer["champion"] == "2"
    problems = {one["version"]: one["problem"] for one in answer["versions"]}
    assert problems["1"] is None
    assert problems["2"].startswith("Version 2 does not serve:")


def test_a_model_of_other_signals_is_not_served(stage: Any) -> None:
    digest = stage.register("1", signals_digest="sha256:other")
    stage.promote("1", digest)

    stage.keeper.look()

    assert _version(stage) is None
    assert "other definitions of the signals" in stage.keeper.problems["1"]


def test_a_bundle_that_was_mended_is_tried_again(stage: Any) -> None:
    digest = stage.register("1")
    stage.spoil(digest)
    stage.promote("1", digest)
    stage.keeper.look()
    assert _version(stage) is None

    stage.spoil(digest)
    folder = bundle_folder(stage.home, digest)
    (folder / "bundle.json").touch()
    stage.keeper.look()

    assert _version(stage) == "1"
    assert stage.keeper.problems == {}


def test_the_last_model_that_served_goes_on_after_a_restart_when_what_is_wanted_is_broken(
    stage: Any, stage_of: Callable[..., Any]
) -> None:
    first, second = stage.register("1"), stage.register("2")
    stage.promote("1", first)
    stage.keeper.look()
    stage.promote("2", second)
    stage.spoil(second)

    restarted = stage_of(stage.store)
    restarted.keeper.start()
    restarted.keeper.stop()

    assert _version(restarted) == "1"
    assert _served(stage.store) == ["1"]


def test_a_store_that_does_not_answer_leaves_what_is_loaded(stage: Any) -> None:
    stage.promote("1", stage.register("1"))
    stage.keeper.look()
    stage.store.path.unlink()
    stage.store.path.mkdir()

    stage.keeper.look()

    assert _version(stage) == "1"


def test_the_lifespan_looks_for_models_until_it_ends(stage: Any) -> None:
    async def live() -> None:
        async with stage.app.router.lifespan_context(stage.app):
            assert _version(stage) == "1"
            stage.promote("2", second)
            for _ in range(200):
                if _version(stage) == "2":
                    return
                await asyncio.sleep(0.1)

    stage.promote("1", stage.register("1"))
    second = stage.register("2")
    asyncio.run(live())
    assert _version(stage) == "2"
    assert not [one for one in threading.enumerate() if one.name == "models" and one.is_alive()]


class _Odd:
    """A model that forecasts what cannot be."""

    def __init__(self, champion: Champion, column: str, value: float) -> None:
        self._bundle, self._column, self._value = champion.bundle, column, value
        self.facts = champion.bundle.facts

    def forecast(self, signals: pd.DataFrame) -> pd.DataFrame:
        return self._bundle.forecast(signals).assign(**{self._column: self._value})


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("expected_value", np.nan, "no numbers"),
        ("expected_purchases", np.inf, "no numbers"),
        ("expected_purchases", -1.0, "fewer purchases than none"),
        ("churn_probability", 1.5, "outside 0 and 1"),
        ("p_alive", -0.1, "outside 0 and 1"),
        ("value_lower", 1e12, "lie above the upper ones"),
    ],
)
def test_a_model_that_forecasts_what_cannot_be_fails_its_trial(
    scored_store: SQLiteStore, champion: Champion, column: str, value: float, fault: str
) -> None:
    try_bundle(scored_store, champion.bundle)

    with pytest.raises(TrialError, match=fault):
        try_bundle(scored_store, _Odd(champion, column, value))  # type: ignore[arg-type]


def test_without_a_ledger_the_reference_of_the_explainer_is_tried(
    store: SQLiteStore, champion: Champion, cdnow: Any
) -> None:
    forecaster = champion.bundle.forecaster
    reference = reference_of(forecaster, compute_signals(cdnow, cdnow.last_day))
    facts = champion.bundle.facts
    try_bundle(
        store, Bundle("latent", forecaster, facts=facts | {"explainer": {"reference": reference}})
    )

    broken = {"reference": reference | {"frequency": -1.0}}
    with pytest.raises(TrialError, match="it cannot forecast"):
        try_bundle(store, Bundle("latent", forecaster, facts=facts | {"explainer": broken}))


_SCRIPT = """
import asyncio, sys
from pathlib import Path
import httpx
import worth.cli, serving.server, serving.supervision
from serving.app import create_app
from serving.auth import create_key
from serving.options import CompanyFacts
from serving.store import SQLiteStore

home = Path(sys.argv[1])
store = SQLiteStore.open(home / "worth.db")
headers = {"X-API-Key": create_key(store, ["models:read"])}
app = create_app(store, CompanyFacts(home=home))

async def ask():
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://worth") as client:
            return (await client.get("/v1/models", headers=headers)).json()

print(asyncio.run(ask())["serving"]["version"])
assert "mlflow" not in sys.modules
assert "pickle" not in dir(sys.modules["models.bundle"])
"""


def test_a_process_that_answers_requests_never_imports_mlflow(stage: Any) -> None:
    stage.promote("1", stage.register("1"))

    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(stage.home)], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1"
