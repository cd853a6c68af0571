"""The whole road by the command line, with the store on PostgreSQL."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from simulation import write_company

Worth = Callable[..., Any]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a simulated wholesaler."""
    folder = tmp_path_factory.mktemp("company")
    write_company(folder, 120, seed=5)
    return folder


@pytest.fixture
def on_postgres(worth: Worth, postgres_place: str, monkeypatch: pytest.MonkeyPatch) -> Worth:
    """The command line, with an empty store on PostgreSQL; what it says, where it is done."""
    monkeypatch.setenv("WORTH_STORE_URL", postgres_place)
    monkeypatch.setenv("WORTH_HORIZON_DAYS", "90")

    def done(*arguments: object) -> str:
        ran = worth(*arguments)
        assert ran.code == 0, (arguments, ran.err)
        return str(ran.out)

    return done


def test_every_command_of_the_road(on_postgres: Worth, company: Path, tmp_path: Path) -> None:
    customer = "C00000001"
    files = {"orders": "order_lines"} | {name: name for name in ("invoices", "payments")}
    sources = [part for name, file in files.items()
               for part in (f"--{name}", company / f"{file}.parquet")]  # fmt: skip
    assert "Next: worth check" in on_postgres("ingest", *sources)
    on_postgres("check")
    on_postgres("view", "abc", "--out", "abc.csv")
    on_postgres("signals", "--out", "signals.csv")
    all_signals = pd.read_csv(tmp_path / "signals.csv", index_col="customer_id")
    shown = on_postgres("signals", "--customer", customer, "--signal", "n_orders")
    assert f" {all_signals.loc[customer, 'n_orders']:.0f} " in shown
    on_postgres("train")
    on_postgres("score")
    explained = json.loads(on_postgres("explain", "--customer", customer, "--json"))
    assert explained["customer_id"] == customer
    assert customer in on_postgres("record", customer)
    key = on_postgres("keys", "create", "--scope", "scores:read").strip()
    assert key.split("_")[1] in on_postgres("keys", "list")
    assert "worth" in on_postgres("models", "list")
    on_postgres("audit", "verify")
    assert "order_lines" in on_postgres("erase", customer, "--yes")
    on_postgres("signals", "--out", "later.csv")
    left = pd.read_csv(tmp_path / "later.csv", index_col="customer_id")
    assert left.index.symmetric_difference(all_signals.index).tolist() == [customer]
