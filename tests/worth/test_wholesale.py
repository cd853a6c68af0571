"""The road of `worth demo wholesale`."""

from io import StringIO
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from features.schema import TABLES
from worth.commands.training import run_train
from worth.settings import Settings, load_settings
from worth.wholesale import hold_against_truth, run_wholesale, wholesale_settings


def _no_training(_: Settings) -> int:
    raise AssertionError


def _write(folder: Path, n_customers: int = 120) -> str:
    said = StringIO()
    run_wholesale(
        Settings(home=folder),
        n_customers=n_customers,
        only_files=True,
        out=Console(file=said, width=200),
        report=lambda _: None,
        train=_no_training,
    )
    return said.getvalue()


def test_only_files_writes_the_company_and_says_what_is_next(tmp_path: Path) -> None:
    said = _write(tmp_path)

    folder = tmp_path / "wholesale"
    names = {f"{name}.parquet" for name in (*TABLES, "truth")} | {"worth.toml"}
    assert {path.name for path in folder.iterdir()} == names
    assert "1. Simulated wholesaler" in said
    assert f"worth ingest --config {folder / 'worth.toml'}" in said


def test_the_settings_name_five_sources_and_no_truth(tmp_path: Path) -> None:
    _write(tmp_path)
    folder = tmp_path / "wholesale"

    for settings in (wholesale_settings(folder), load_settings(folder / "worth.toml")):
        assert (settings.currency, settings.horizon_days) == ("EUR", 90)
        assert settings.home == folder / "worth-data"
        paths = {name: source.path for name, source in settings.sources.items()}
        assert paths == {name: folder / f"{name}.parquet" for name in TABLES}


def test_the_demo_keeps_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path)
    monkeypatch.setenv("WORTH_TRACKING_URI", "http://the-companys")
    monkeypatch.setenv("WORTH_SOURCES__ORDER_LINES__PATH", "the-companys.csv")

    settings = wholesale_settings(tmp_path / "wholesale")

    assert settings.mlflow_uri.startswith("sqlite:///")
    assert settings.sources["order_lines"].path == tmp_path / "wholesale" / "order_lines.parquet"


def test_the_truth_itself_has_no_bias_and_the_right_order(tmp_path: Path) -> None:
    _write(tmp_path)
    truth = pq.read_table(tmp_path / "wholesale" / "truth.parquet").to_pandas()
    truth = truth.set_index("customer_id")
    scores = pd.DataFrame(
        {
            "expected_purchases": truth["expected_purchases_90d"],
            "clv_expected": 2 * truth["expected_margin_90d"],
        }
    ).iloc[:-1]

    figures = hold_against_truth(scores, truth, horizon_days=90, discount_rate=0.0)

    assert figures == {
        "customers compared": "119",
        "expected purchases: rank correlation": "1.000",
        "expected purchases: bias of the total": "+0.0%",
        "expected value: rank correlation": "1.000",
        "expected value: bias of the total": "+100.0%",
    }


def test_the_whole_road_ends_with_the_estimates_against_the_truth(tmp_path: Path) -> None:
    said = StringIO()
    run_wholesale(
        Settings(home=tmp_path),
        n_customers=400,
        out=Console(file=said, width=200),
        report=lambda _: None,
        train=run_train,
    )
    assert "Against the truth, 90 days ahead" in said.getvalue()
    assert "expected value: bias of the total" in said.getvalue()
    assert (tmp_path / "wholesale" / "worth-data" / "worth.db").exists()
