"""The commands that look at data: check, view and signals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.signals.catalogue import CATALOGUE
from features.views import VIEWS
from simulation import write_company, write_ledger

Worth = Callable[..., Any]

_TABLES = ["orders", "invoices", "payments", "interactions", "customers"]


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a simulated wholesaler, with its worth.toml."""
    folder = tmp_path_factory.mktemp("company")
    write_company(folder, 300, seed=5)
    return folder


@pytest.fixture
def files(company: Path) -> list[str]:
    """Its files as the command line names them."""
    names = ["order_lines", *_TABLES[1:]]
    return [
        part
        for option, name in zip(_TABLES, names, strict=True)
        for part in (f"--{option}", str(company / f"{name}.parquet"))
    ]


@pytest.fixture
def loaded(worth: Worth, files: list[str]) -> Worth:
    """The command line, after its files were loaded."""
    ran = worth("ingest", *files)
    assert ran.code == 0, ran.err
    assert ran.out.endswith("Next: worth check\n")
    return worth


class TestCheck:
    def test_of_files_needs_no_store(self, worth: Worth, files: list[str], tmp_path: Path) -> None:
        ran = worth("check", *files, "--horizon", 90, "--json", "c.json", "--html", "c.html")
        assert ran.code == 0
        report = json.loads((tmp_path / "c.json").read_text())
        assert report["facts"]["customers"] == 300
        assert {finding["level"] for finding in report["findings"]} <= {"warning", "recommendation"}
        assert "<html" in (tmp_path / "c.html").read_text()
        assert not (tmp_path / "home").exists()

    def test_of_the_store_shows_rejected_rows_with_an_example(
        self, worth: Worth, tmp_path: Path
    ) -> None:
        rows = "\n".join(f"C{n % 7},2024-01-{n % 28 + 1:02},5" for n in range(60))
        (tmp_path / "o.csv").write_text(f"customer_id,ordered_at,revenue\n{rows}\nC1,soon,5\n")
        assert worth("ingest", "--orders", "o.csv").code == 0
        ran = worth("check", "--json", "c.json")
        (rejected,) = json.loads((tmp_path / "c.json").read_text())["facts"]["rejected"]
        assert (rejected["count"], rejected["example_row"]) == (1, 61)
        assert "ordered_at is not a date" in ran.out

    def test_of_data_that_cannot_carry_a_step_ends_with_4(self, worth: Worth) -> None:
        assert worth("check").code == 4

    def test_a_file_that_cannot_be_written_is_refused(self, worth: Worth) -> None:
        assert "there is no folder nowhere" in worth("check", "--json", "nowhere/c.json").sentence


class TestView:
    def test_without_a_name_lists_all(self, worth: Worth) -> None:
        assert all(name in worth("view").out for name in VIEWS)

    @pytest.mark.parametrize("name", ["by_kind", "movements"])
    def test_shows_rows_and_writes_all_of_them(
        self, loaded: Worth, name: str, tmp_path: Path
    ) -> None:
        ran = loaded("view", name, "--out", f"{name}.csv")
        assert ran.code == 0
        rows = pd.read_csv(tmp_path / f"{name}.csv")
        assert [*rows.columns] == [column.name for column in VIEWS[name].columns]
        assert len(rows) > 3

    def test_of_another_name_is_a_wrong_use(self, worth: Worth) -> None:
        assert worth("view", "abd").code == 2


class TestSignals:
    @pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
    def test_of_files_need_no_store(
        self, worth: Worth, files: list[str], engine: str, tmp_path: Path
    ) -> None:
        ran = worth("signals", *files, "--engine", engine, "--out", "s.parquet", "--compare")
        assert ran.code == 0, ran.err
        assert "101 signals of 300 customers as of 2025-12-31" in ran.out
        signals = pd.read_parquet(tmp_path / "s.parquet")
        assert [*signals.columns[1:102]] == [*CATALOGUE]
        assert signals["revenue_share"].sum() == pytest.approx(1)
        assert signals["scorecard_safety"].between(0, 100).sum() > 200
        assert not (tmp_path / "home").exists()

    def test_of_the_store_are_those_of_the_files(
        self, loaded: Worth, files: list[str], tmp_path: Path
    ) -> None:
        assert loaded("signals", "--out", "store.csv").code == 0
        assert loaded("signals", *files, "--out", "files.csv").code == 0
        one, other = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("store", "files"))
        pd.testing.assert_frame_equal(one, other)

    def test_one_file_may_hold_both_orders_and_invoices(self, worth: Worth, tmp_path: Path) -> None:
        rows = "\n".join(f"{n},C{n % 3},2024-01-{n + 1:02},2024-02-{n + 1:02},9" for n in range(20))
        header = "invoice_id,customer_id,issued_at,due_at,amount"
        (tmp_path / "ar.csv").write_text(f"{header}\n{rows}\n")
        maps = ("--map", "ordered_at=issued_at", "--map", "revenue=amount")
        assert worth("ingest", "--orders", "ar.csv", "--invoices", "ar.csv", *maps).code == 0
        assert worth("signals", "--out", "s.csv").code == 0
        assert pd.read_csv(tmp_path / "s.csv")["n_invoices"].sum() == 20

    def test_of_canonical_tables_of_any_size(self, worth: Worth, tmp_path: Path) -> None:
        write_ledger(tmp_path / "ledger", 300, seed=5)
        ran = worth("signals", "--ledger", "ledger", "--out", "s.parquet")
        assert "signals of 300 customers as of 2025-12-31" in ran.out

    def test_chosen_ones_come_in_the_order_of_the_catalogue(
        self, worth: Worth, files: list[str], tmp_path: Path
    ) -> None:
        chosen = ("--signal", "n_orders", "--signal", "frequency")
        ran = worth("signals", *files, *chosen, "--out", "s.csv")
        assert "2 signals of 300 customers" in ran.out
        header = ["customer_id", "frequency", "n_orders"]
        assert [*pd.read_csv(tmp_path / "s.csv").columns] == header
        write_ledger(tmp_path / "ledger", 30, seed=5)
        assert worth("signals", "--ledger", "ledger", *chosen, "--out", "s.parquet").code == 0
        assert [*pd.read_parquet(tmp_path / "s.parquet").columns] == header
        assert "complaint" not in worth("signals", "--sql", *chosen).out

    def test_one_that_does_not_exist_is_a_wrong_use(self, worth: Worth) -> None:
        ran = worth("signals", "--signal", "n_ordres", "--out", "s.csv")
        assert ran.code == 2
        assert "no signal 'n_ordres'. Did you mean n_orders?" in ran.err

    def test_of_one_customer_are_labelled(self, loaded: Worth) -> None:
        ran = loaded("signals", "--customer", "C00000001")
        assert "loyalty_level" in ran.out
        assert "first_purchase_day" in ran.out

    def test_a_map_of_a_table_without_a_file_is_a_wrong_use(self, worth: Worth) -> None:
        ran = worth("signals", "--orders", "o.csv", "--map", "invoices.amount=A", "--out", "s.csv")
        assert ran.code == 2

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--out", "s.xlsx"),
            ("--engine", "postgres", "--orders", "o.csv", "--out", "s.csv"),
            ("--ledger", ".", "--out", "s.csv"),
            ("--ledger", ".", "--engine", "spark", "--out", "s.parquet"),
        ],
    )
    def test_what_cannot_be_is_a_wrong_use(
        self, worth: Worth, arguments: tuple[str, ...], tmp_path: Path
    ) -> None:
        (tmp_path / "o.csv").write_text("customer_id,ordered_at,revenue\nA,2024-01-01,1\n")
        assert worth("signals", *arguments).code == 2

    def test_a_server_that_is_not_there_is_said_in_one_sentence(
        self, worth: Worth, tmp_path: Path
    ) -> None:
        (tmp_path / "o.csv").write_text("customer_id,ordered_at,revenue\nA,2024-01-01,1\n")
        url = "postgresql://worth:secret@127.0.0.1:1/none?connect_timeout=2"
        options = ("--engine", "postgres", "--url", url, "--out", "s.csv")
        sentence = worth("signals", "--orders", "o.csv", *options).sentence
        assert sentence.startswith("PostgreSQL did not do it")
        assert "secret" not in sentence

    def test_the_text_for_a_warehouse_says_that_it_was_never_run(self, worth: Worth) -> None:
        ran = worth("signals", "--sql", "--dialect", "bigquery")
        assert "never run in our tests" in ran.err
        assert ran.out.startswith("WITH")
