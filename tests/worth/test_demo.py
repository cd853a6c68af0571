import os
import subprocess
import sys
from pathlib import Path

import pytest

from worth.demo import demo_settings
from worth.settings import load_settings


def _demo(folder: Path) -> str:
    environment = os.environ | {"WORTH_HOME": "state", "COLUMNS": "120"}
    command = [sys.executable, "-m", "worth", "demo"]
    ran = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout


def _fact(text: str, name: str) -> str:
    (line,) = (line for line in text.splitlines() if f"│ {name} " in line)
    return line.split("│")[2].strip()


def test_the_demo_shows_each_step_and_running_it_twice_adds_nothing(tmp_path: Path) -> None:
    first, second = _demo(tmp_path), _demo(tmp_path)

    for title in (
        "1. Ledger: CDNOW",
        "Backtest: ",
        "is champion now",
        "Tiers",
        "as of 1998-06-30",
        "Win back first: ",
        "What next",
    ):
        assert title in first
    assert (_fact(first, "rows read"), _fact(first, "new in the ledger")) == ("6,919", "6,919")
    assert (_fact(second, "rows read"), _fact(second, "new in the ledger")) == ("6,919", "0")
    assert _fact(first, "expected value in 182 days") == _fact(second, "expected value in 182 days")
    assert [file.name for file in tmp_path.iterdir()] == ["state"]
    assert not list((tmp_path / "state").rglob("staging-*"))


def test_the_demo_keeps_to_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORTH_TRACKING_URI", "http://the-companys")
    monkeypatch.setenv("WORTH_SOURCES__ORDER_LINES__PATH", "the-companys.csv")
    monkeypatch.setenv("WORTH_HOME", str(tmp_path))

    settings = demo_settings(load_settings())

    assert settings.home == tmp_path / "demo"
    assert settings.mlflow_uri == f"sqlite:///{tmp_path / 'demo' / 'mlflow.db'}"
    assert list(settings.sources) == ["cdnow"]
