"""The command monitor, on the ledger of a simulated wholesaler with sets laid into its store."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from features.engines.duckdb import compute_outcomes, compute_signals
from features.ledger import date_of
from serving.store import SQLiteStore
from serving.store.tables import SCORE_SETS, SCORES
from simulation import write_company
from training.tracking import Tracking

Worth = Callable[..., Any]

_HORIZON = 100


@pytest.fixture
def store(worth: Worth, tmp_path: Path) -> SQLiteStore:
    """A store with the orders of three hundred customers."""
    write_company(tmp_path / "company", 300, seed=5)
    assert worth("ingest", "--orders", tmp_path / "company" / "order_lines.parquet").code == 0
    return SQLiteStore.open(tmp_path / "home" / "worth.db")


@pytest.fixture
def _mlflow(tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORTH_TRACKING_URI", tracking.uri)


def _publish(store: SQLiteStore, days_ago: int, factor: float = 1.0) -> str:
    """Lay a score set of a past day: what came, between that and the mean, times a factor."""
    ledger = store.read_ledger()
    as_of = ledger.last_day - days_ago
    signals = compute_signals(ledger, as_of)
    came = compute_outcomes(ledger, as_of, _HORIZON).reindex(signals.index).fillna(0.0)
    value = factor * (came["revenue"] + came["revenue"].mean()) / 2
    purchases = factor * (came["purchases"] + came["purchases"].mean()) / 2
    facts = {
        **{"as_of": as_of, "horizon_days": _HORIZON, "scored_at": "2026-01-01T00:00:00+00:00"},
        **{"currency": "EUR", "value_basis": "revenue", "discount_rate": 0.0},
        **{"policy": "predicted", "model_name": "worth", "model_version": "1"},
        **{"model_digest": "", "ledger_fingerprint": "", "n_customers": len(value)},
        "company": "{}",
    }
    with store.writing() as connection:
        new = sa.insert(SCORE_SETS).values(**facts).returning(SCORE_SETS.c.id)
        set_id = connection.execute(new).scalar_one()
        rows = pd.DataFrame(
            {
                **{"set_id": set_id, "customer_id": value.index, "tier": "B", "tier_since": as_of},
                **{"clv_expected": value, "expected_purchases": purchases, "p_alive": 0.5},
                "churn_probability": np.exp(-purchases),
                "days_since_last_purchase": signals["days_since_last_purchase"].astype(int),
            }
        )
        connection.execute(sa.insert(SCORES), rows.to_dict("records"))
    return date_of(as_of).isoformat()


@pytest.mark.usefixtures("_mlflow")
def test_a_forecast_whose_time_is_up_is_held_against_what_came(
    worth: Worth, store: SQLiteStore, tracking: Tracking
) -> None:
    _publish(store, 150)
    latest = _publish(store, 110)
    _publish(store, 40)

    ran = worth("monitor", "--out", "r.html")

    assert ran.code == 0, ran.err
    assert f"as of {latest} by worth version 1" in ran.out
    # However the table breaks its lines.
    assert "100 of 100 days" in " ".join(ran.out.replace("│", " ").split())
    page = Path("r.html").read_text(encoding="utf-8")
    client = mlflow.MlflowClient(tracking.uri)
    (run,) = client.search_runs([client.get_experiment_by_name("worth").experiment_id])
    assert f"The comparison is run {run.info.run_id} in MLflow." in ran.err
    assert run.data.params["as_of"] == latest
    assert run.data.params["verdict"] in {"keep", "recalibrate", "retrain"}
    assert {"value_gini", "naive_value_gini", "total_ratio"} <= run.data.metrics.keys()
    names = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert names == {"pictures", "report.html"}
    kept = client.download_artifacts(run.info.run_id, "report.html")
    assert Path(kept).read_text(encoding="utf-8") == page


@pytest.mark.usefixtures("_mlflow")
def test_json_stands_alone_on_stdout(worth: Worth, store: SQLiteStore) -> None:
    _publish(store, 150)
    chosen = _publish(store, 40)

    ran = worth("monitor", "--as-of", chosen, "--json")

    content = json.loads(ran.out, parse_constant=pytest.fail)
    assert (content["as_of"], content["days_seen"], content["is_complete"]) == (chosen, 40, False)
    assert "What the model achieved in training is not known" in content["remarks"][0]


@pytest.mark.usefixtures("_mlflow")
def test_a_level_that_is_off_is_found(worth: Worth, store: SQLiteStore) -> None:
    _publish(store, 110, factor=2.0)

    verdict = json.loads(worth("monitor", "--json").out)["verdict"]

    assert verdict["action"] != "keep"
    assert any("of what was expected" in reason for reason in verdict["reasons"])


def test_without_mlflow_the_report_is_written_all_the_same(
    worth: Worth, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORTH_TRACKING_URI", "http://127.0.0.1:9")
    _publish(store, 110)

    ran = worth("monitor", "--out", "r.html")

    assert ran.code == 0
    assert "The comparison was not logged: MLflow at http://127.0.0.1:9 did not" in ran.err
    assert Path("r.html").read_text(encoding="utf-8").startswith("<!doctype html>")


class TestRefusals:
    def test_an_empty_ledger(self, worth: Worth) -> None:
        assert "The ledger holds no order lines" in worth("monitor").sentence

    def test_no_set(self, worth: Worth, store: SQLiteStore) -> None:
        assert worth("monitor").sentence.startswith("No score set is kept")

    def test_a_set_that_is_too_young(self, worth: Worth, store: SQLiteStore) -> None:
        day = _publish(store, 24)

        for arguments in (("monitor",), ("monitor", "--as-of", day)):
            assert f"as of {day}" in worth(*arguments).sentence

    def test_a_day_without_a_set(self, worth: Worth, store: SQLiteStore) -> None:
        day = _publish(store, 110)

        sentence = worth("monitor", "--as-of", "2001-01-01").sentence

        assert sentence == f"No score set as of 2001-01-01 is kept. Scores are kept as of {day}."

    def test_a_missing_folder_before_the_work(self, worth: Worth) -> None:
        ran = worth("monitor", "--out", "nowhere/r.html")

        assert ran.sentence == "nowhere/r.html cannot be written: there is no folder nowhere."
