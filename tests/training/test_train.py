import shutil
from datetime import date
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from features.ledger import Ledger, day_of
from serving.registry import load_champion
from training.tracking import Tracking
from training.train import Trained, train

_AS_OF = day_of(date(1998, 3, 31))
_PICTURES = [
    *("frequency_recency", "importance", "gain", "calibration"),
    *("reliability", "coverage", "tracking"),
]


@pytest.fixture(scope="module")
def store_of_one(laid_mlflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    """An MLflow store for a single training."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copy(laid_mlflow, folder / "mlflow.db")
    return Tracking(f"sqlite:///{folder / 'mlflow.db'}", folder / "mlflow-artifacts")


@pytest.fixture(scope="module")
def trained(cdnow: Ledger, store_of_one: Tracking) -> Trained:
    return train(cdnow, store_of_one, as_of=_AS_OF, horizon_days=90, currency="USD")


def test_a_champion_is_registered_with_its_run(trained: Trained, store_of_one: Tracking) -> None:
    assert trained.is_champion
    client = mlflow.MlflowClient(store_of_one.uri, registry_uri=store_of_one.uri)
    run = client.get_run(trained.run_id)
    assert run.data.params["as_of"] == "1998-03-31"
    assert run.data.params["ledger_fingerprint"].startswith("sha256:")
    assert run.data.params["grade"] == trained.fitted.bundle.facts["grade"] == "A"
    for name, figure in trained.fitted.tournament.metrics.items():
        assert run.data.metrics[name] == pytest.approx(figure)
    children = client.search_runs(
        [run.info.experiment_id], f"tags.mlflow.parentRunId = '{trained.run_id}'"
    )
    candidates = {entry.name for entry in trained.fitted.tournament.entries}
    assert {child.data.params["candidate"] for child in children} == candidates
    pictures = {item.path for item in client.list_artifacts(trained.run_id, "pictures")}
    assert pictures == {f"pictures/{name}.png" for name in _PICTURES}
    for alias in ("challenger", "champion"):
        assert client.get_model_version_by_alias("worth", alias).version == int(trained.version)

    champion = load_champion(store_of_one.uri)
    assert champion.bundle.digest == trained.fitted.bundle.digest
    pd.testing.assert_frame_equal(
        champion.bundle.forecast(trained.fitted.signals),
        trained.fitted.bundle.forecast(trained.fitted.signals),
    )


def test_analysts_load_the_registered_model_with_pyfunc(
    trained: Trained, store_of_one: Tracking
) -> None:
    mlflow.set_tracking_uri(store_of_one.uri)
    model = mlflow.pyfunc.load_model(f"models:/worth/{trained.version}")
    signals = trained.fitted.signals[list(trained.fitted.bundle.required_columns)]
    pd.testing.assert_frame_equal(
        model.predict(signals), trained.fitted.bundle.forecast(trained.fitted.signals)
    )


@pytest.mark.usefixtures("trained")
def test_no_file_of_a_registered_model_is_a_pickle(store_of_one: Tracking) -> None:
    files = [file for file in store_of_one.artifacts.rglob("*") if file.is_file()]
    # Python leaves bytecode beside the code that MLflow ran when it stored it.
    endings = {file.suffix for file in files if file.parent.name != "__pycache__"}
    assert ".json" in endings
    assert endings <= {".json", ".txt", ".png", ".py", ".yaml", ".yml", ""}


def test_training_twice_gives_the_same_model(
    cdnow: Ledger, trained: Trained, tracking: Tracking
) -> None:
    again = train(cdnow, tracking, as_of=_AS_OF, horizon_days=90, currency="USD")
    assert again.fitted.bundle.digest == trained.fitted.bundle.digest


def test_what_nobody_can_judge_serves_only_where_nothing_does(
    ledger_of,
    tracking: Tracking,  # type: ignore[no-untyped-def]
) -> None:
    rows = [{"customer_id": who, "ordered_at": "2020-01-01", "revenue": 5.0} for who in "abc"]
    ledger = ledger_of(rows)

    trained = [
        train(ledger, tracking, as_of=ledger.last_day, horizon_days=days, currency="EUR")
        for days in (30, 60)
    ]

    assert [result.fitted.grade.letter for result in trained] == ["insufficient"] * 2
    assert [result.is_champion for result in trained] == [True, False]
    client = mlflow.MlflowClient(tracking.uri, registry_uri=tracking.uri)
    assert int(client.get_model_version_by_alias("worth", "champion").version) == 1
    pictures = {item.path for item in client.list_artifacts(trained[0].run_id, "pictures")}
    assert pictures == {"pictures/frequency_recency.png", "pictures/importance.png"}
