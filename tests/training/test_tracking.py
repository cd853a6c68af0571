import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import httpx
import pytest

from features.ledger import Ledger, day_of
from models.bundle import Bundle
from serving.registry import load_champion
from training.promote import promote, read_manifest, roll_back
from training.tracking import Tracking, TrackingError
from training.train import train

_AS_OF = day_of(date(1998, 3, 31))


@pytest.fixture
def server(tracking: Tracking, tmp_path: Path) -> Iterator[str]:
    """A real MLflow server, which keeps the artefacts itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", tracking.uri),
        *("--artifacts-destination", str(tmp_path / "served")),
    ]
    # Its job runners are for evaluations that Worth does not ask for.
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                httpx.get(f"{url}/health").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.2)
        yield url
        process.terminate()


def test_a_tracking_server_keeps_runs_and_models(
    cdnow: Ledger, server: str, tmp_path: Path
) -> None:
    trained = train(
        cdnow, Tracking(server, tmp_path / "unused"), as_of=_AS_OF, horizon_days=300, currency="USD"
    )

    assert load_champion(server).bundle.digest == trained.fitted.bundle.digest
    assert not (tmp_path / "unused").exists()
    assert list((tmp_path / "served").rglob("bundle.json"))


def test_a_tracking_server_promotes_and_rolls_back(
    register: Callable[..., Bundle], server: str, tmp_path: Path
) -> None:
    tracking = Tracking(server, tmp_path / "unused")
    bundles = [register(into=tracking), register(into=tracking, n_customers=100)]

    promote(tracking, "1", "the first")
    promote(tracking, "challenger", "the second")
    assert load_champion(server).bundle.digest == bundles[1].digest
    roll_back(tracking, "the first was better")
    assert load_champion(server).bundle.digest == bundles[0].digest

    newest, oldest = tracking.versions()
    assert read_manifest(tracking, newest)["digest"] == bundles[1].digest
    assert tracking.figures(newest.run_id)["latent"]["value_tweedie"] == 1.5
    assert [one.reason for one in oldest.promotions] == ["the first", "the first was better"]


def test_a_server_that_is_away_is_told_of_before_the_work(cdnow: Ledger, tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(TrackingError, match=r"MLflow at http://127.0.0.1:9 did not do its part"):
        train(
            cdnow,
            Tracking("http://somebody:secret@127.0.0.1:9", tmp_path),
            as_of=_AS_OF,
            horizon_days=90,
            currency="USD",
            report=said.append,
        )
    assert said == ["reaching MLflow"]
