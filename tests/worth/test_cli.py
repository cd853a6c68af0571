import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from serving.store import SQLiteStore
from training.tracking import Tracking

Worth = Callable[..., Any]

_START = date(2024, 1, 1)
_COLUMNS = [
    *("customer_id", "expected_value", "expected_purchases", "p_alive"),
    *("churn_probability", "value_median", "value_lower", "value_upper"),
]


def _orders(path: Path, rows: list[tuple[str, int, float]]) -> Path:
    lines = [f"{who},{_START + timedelta(days=day)},{revenue}" for who, day, revenue in rows]
    path.write_text("\n".join(["customer_id,ordered_at,revenue", *lines, ""]))
    return path


@pytest.fixture(scope="session")
def sold() -> pd.DataFrame:
    """Two hundred customers who buy now and then over 240 days, at a cost of six tenths."""
    rng = np.random.default_rng(0)
    rows = []
    for who in range(200):
        gap, day = rng.gamma(2.0, 20.0), rng.integers(0, 60)
        while day < 240:
            rows.append((f"C{who:03}", _START + timedelta(days=int(day)), rng.gamma(4.0, 10.0)))
            day += max(1, rng.exponential(gap))
    frame = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "revenue"])
    return frame.assign(cost=frame["revenue"] * 0.6)


class TestRefusals:
    def test_a_refusal_ends_the_process_with_1_and_one_sentence(self, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "worth", "ingest", "--orders", "nowhere.csv"]
        environment = os.environ | {"WORTH_HOME": str(tmp_path / "home")}
        ran = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
        )

        assert (ran.returncode, ran.stdout) == (1, "")
        _, sentence = ran.stderr.splitlines()
        assert sentence == ("worth: There is no file nowhere.csv. Check the path of the source.")

    @pytest.mark.parametrize(
        "arguments",
        [
            ("ingest", "--orders", "o.csv", "--map", "revenue"),
            ("ingest", "--orders", "o.csv", "--map", "=Amount"),
            ("ingest", "--map", "revenue=Amount"),
            ("signals",),
            ("signals", "--sql", "--dialect", "cobol"),
            ("keys", "create"),
            ("keys", "create", "--scope", "all"),
            ("backtest", "--orders", "o.csv"),
            ("backtest", "--orders", "o.csv", "--as-of", "01.02.2024", "--horizon", "30"),
            ("backtest", "--orders", "o.csv", "--as-of", "2024-02-01", "--horizon", "0"),
            ("train", "--as-of", "yesterday"),
            ("fly",),
        ],
    )
    def test_a_wrong_use_ends_with_2(self, worth: Worth, arguments: tuple[str, ...]) -> None:
        ran = worth(*arguments)

        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("Usage: ")

    @pytest.mark.parametrize("command", ["ingest", "train", "score", "serve", "demo"])
    def test_a_wrong_setting_is_refused_by_every_command(
        self, worth: Worth, monkeypatch: pytest.MonkeyPatch, command: str, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("WORTH_HORIZON_DAYS", "soon")

        assert "WORTH_HORIZON_DAYS is wrong: must be a valid integer" in worth(command).sentence
        assert not (tmp_path / "home").exists()


class TestIngest:
    @pytest.mark.parametrize(
        ("content", "options", "sentence"),
        [
            ("", (), "o.csv is empty. A table needs a header row and rows of data."),
            ("customer_id,ordered_at,revenue\n", (), "not one row of data"),
            ("customer_id,ordered_at\nA,2024-01-01\n", (), "has no column for revenue"),
            ("Client,ordered_at,revenue\nA,2024-01-01,1\n", (), "--map customer_id=<its column>"),
            (
                "customer_id,ordered_at,Amount\nA,2024-01-01,1\n",
                ("--map", "revenue=Amuont"),
                "maps revenue to column 'Amuont', which o.csv does not have (did you mean",
            ),
            (
                "customer_id,ordered_at,Amount\nA,2024-01-01,1\n",
                ("--map", "revenu=Amount"),
                "unknown field 'revenu' (did you mean 'revenue'?)",
            ),
            ("a\0b\x01\xff\n\n\n", (), "o.csv"),
        ],
    )
    def test_a_faulty_file_is_refused_and_nothing_loaded(
        self, worth: Worth, tmp_path: Path, content: str, options: tuple[str, ...], sentence: str
    ) -> None:
        Path("o.csv").write_bytes(content.encode("latin-1"))

        assert sentence in worth("ingest", "--orders", "o.csv", *options).sentence
        assert not len(SQLiteStore.open(tmp_path / "home" / "worth.db").read_ledger().order_lines)

    def test_without_sources_there_is_nothing_to_load(self, worth: Worth) -> None:
        assert worth("ingest").sentence.startswith("There is nothing to load: worth.toml names no")

    def test_it_counts_rows_and_reasons(self, worth: Worth) -> None:
        path = _orders(Path("o.csv"), [("A", 0, 1.0), ("A", 1, 2.0), ("", 2, 3.0)])
        Path("worth.toml").write_text(f'[sources.order_lines]\npath = "{path}"\n')

        ran = worth("ingest")

        assert ran.code == 0
        for text in ("rows read", "new in the ledger", "customer_id is missing"):
            assert text in ran.out


class TestSignals:
    def test_an_empty_ledger_is_refused(self, worth: Worth) -> None:
        assert "no order lines" in worth("signals", "--customer", "A").sentence

    @pytest.mark.parametrize(
        "arguments", [("--customer", "B"), ("--customer", "A", "--as-of", "2023-12-31")]
    )
    def test_an_unknown_customer_is_refused(self, worth: Worth, arguments: tuple[str, ...]) -> None:
        assert worth("ingest", "--orders", _orders(Path("o.csv"), [("A", 0, 1.0)])).code == 0

        sentence = worth("signals", *arguments).sentence
        assert sentence.startswith("The ledger holds no purchase of customer ")

    def test_a_customers_signals_are_shown(self, worth: Worth) -> None:
        worth("ingest", "--orders", _orders(Path("o.csv"), [("A", 0, 5.0), ("A", 9, 1.0)]))

        ran = worth("signals", "--customer", "A")
        assert ran.code == 0
        assert "Customer A as of 2024-01-10" in ran.out

    def test_sql_needs_no_state(self, worth: Worth, tmp_path: Path) -> None:
        assert "SELECT" in worth("signals", "--sql", "--dialect", "spark").out
        assert not (tmp_path / "home").exists()


_SHORT = [("A", 0, 1.0), ("B", 30, 1.0)]
_RETURNED = [("A", 0, -1.0), ("B", 30, -1.0)]
_REFUSED = [
    (_SHORT, "2023-12-31", "the first order is of 2024-01-01. Choose a later as_of"),
    (_RETURNED, "2024-01-31", "Nobody had bought by 2024-01-31"),
]
_TOO_LITTLE = {
    "one customer": ([("A", 0, 1.0), ("A", 99, 1.0)], "2024-04-09", 30),
    "one day": ([("A", 0, 1.0), ("B", 0, 1.0)], "2024-01-01", 30),
    "a horizon longer than the history": (_SHORT, "2024-01-31", 90),
}


class TestTrain:
    @pytest.mark.parametrize(("rows", "as_of", "sentence"), _REFUSED)
    def test_what_cannot_be_forecast_is_refused_and_nothing_registered(
        self, worth: Worth, tmp_path: Path, rows: Any, as_of: str, sentence: str
    ) -> None:
        worth("ingest", "--orders", _orders(Path("o.csv"), rows))

        assert sentence in worth("train", "--as-of", as_of, "--horizon", 30).sentence
        champions = Tracking(f"sqlite:///{tmp_path / 'home' / 'mlflow.db'}", tmp_path / "home")
        assert not (tmp_path / "home" / "mlflow.db").exists() or not champions.versions()

    def test_what_nobody_can_judge_is_champion_where_there_is_none(self, worth: Worth) -> None:
        rows, as_of, horizon = _TOO_LITTLE["one day"]
        worth("ingest", "--orders", _orders(Path("o.csv"), rows))

        ran = worth("train", "--as-of", as_of, "--horizon", horizon)

        assert ran.code == 0
        said = " ".join(ran.out.split())
        assert "Note: The history is too short" in said
        assert "Expected of all customers in 30 days: " in said
        assert "Grade insufficient. 2 customers, 0 of whom bought again" in said
        assert "is champion now. Next: worth score" in said

    def test_an_empty_ledger_is_refused(self, worth: Worth) -> None:
        assert "'worth ingest' loads them" in worth("train").sentence

    def test_a_model_that_does_not_beat_the_baseline_is_not_promoted(
        self, worth: Worth, scored_home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Beside CDNOW's customers, long gone: what is the same every tenth day happens again.
        rows = [(f"C{n}", day, 10.0 + n) for n in range(40) for day in range(0, 120, 10)]
        worth("ingest", "--orders", _orders(Path("o.csv"), rows))
        uri = f"sqlite:///{scored_home / 'mlflow.db'}"
        monkeypatch.setenv("WORTH_TRACKING_URI", uri)

        ran = worth("train", "--as-of", "2024-04-29", "--horizon", 60)

        assert ran.code == 3
        said = " ".join(ran.out.split())
        assert "Grade C. Does not beat the baseline: " in said
        assert "stays challenger; the champion, if there is one, is unchanged" in said
        client = mlflow.MlflowClient(uri, registry_uri=uri)
        assert int(client.get_model_version_by_alias("worth", "champion").version) == 1
        assert int(client.get_model_version_by_alias("worth", "challenger").version) == 2


class TestScore:
    def test_without_a_registry_it_is_refused(self, worth: Worth) -> None:
        sentence = worth("score").sentence
        assert sentence.endswith("mlflow.db yet. 'worth train' makes one.")

    def test_without_a_champion_it_is_refused(
        self, worth: Worth, tracking: Tracking, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WORTH_TRACKING_URI", tracking.uri)
        assert worth("score").sentence.startswith("The model registry names no champion")

    def test_what_was_published_stays_when_scoring_is_refused(
        self, worth: Worth, scored_home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WORTH_HOME", str(scored_home))

        sentence = worth("score", "--as-of", "1996-12-31").sentence

        assert sentence.startswith("Nobody bought on or before 1996-12-31")
        store = SQLiteStore.open(scored_home / "worth.db")
        with store.reading() as connection:
            sets = connection.exec_driver_sql("SELECT id FROM score_sets").scalars().all()
        assert sets == [1]


class TestKeys:
    def test_the_key_stands_alone_on_stdout(self, worth: Worth) -> None:
        ran = worth("keys", "create", "--scope", "scores:read", "--scope", "lists:read")

        assert ran.code == 0
        assert ran.out.startswith("wk_")
        assert ran.out.count("\n") == 1
        assert "not shown again" in ran.err


class TestBacktest:
    @pytest.mark.parametrize(("rows", "as_of", "sentence"), _REFUSED)
    def test_what_cannot_be_forecast_is_refused_and_nothing_written(
        self, worth: Worth, rows: Any, as_of: str, sentence: str
    ) -> None:
        path = _orders(Path("o.csv"), rows)
        files = ("--predictions", "p.parquet", "--json", "j.json")

        ran = worth("backtest", "--orders", path, "--as-of", as_of, "--horizon", 30, *files)

        assert sentence in ran.sentence
        assert os.listdir() == ["o.csv"]

    @pytest.mark.parametrize(("rows", "as_of", "horizon"), _TOO_LITTLE.values(), ids=_TOO_LITTLE)
    def test_too_little_to_judge_is_forecast_and_says_so(
        self, worth: Worth, rows: Any, as_of: str, horizon: int
    ) -> None:
        path = _orders(Path("o.csv"), rows)
        arguments = ("--as-of", as_of, "--horizon", horizon, "--predictions", "p.parquet")

        ran = worth("backtest", "--orders", path, *arguments)

        assert ran.code == 0
        assert "Grade insufficient. " in ran.out
        assert pd.read_parquet("p.parquet").notna().all(axis=None)

    @pytest.mark.parametrize("option", ["--predictions", "--json"])
    def test_a_missing_folder_is_refused_before_the_work(self, worth: Worth, option: str) -> None:
        path = _orders(Path("o.csv"), _SHORT)
        arguments = ("--orders", path, "--as-of", "2024-01-31", "--horizon", 10)

        ran = worth("backtest", *arguments, option, "out/file")

        assert ran.sentence == "out/file cannot be written: there is no folder out."
        assert "reading" not in ran.err

    def test_a_folder_as_file_is_refused(self, worth: Worth, sold: pd.DataFrame) -> None:
        sold.to_csv("o.csv")
        Path("out").mkdir()
        arguments = ("--orders", "o.csv", "--as-of", "2024-06-01", "--horizon", 90)

        ran = worth("backtest", *arguments, "--predictions", "out")

        assert ran.sentence == "out cannot be written: Is a directory. Choose another place."
        assert sorted(os.listdir()) == ["o.csv", "out"]

    def test_rows_without_a_single_clean_one_are_refused(self, worth: Worth) -> None:
        Path("o.csv").write_text("customer_id,ordered_at,revenue\nA,soon,1\n")

        ran = worth("backtest", "--orders", "o.csv", "--as-of", "2024-01-31", "--horizon", 10)

        assert "no order lines" in ran.sentence
        assert "ordered_at is not a date" in ran.out

    def test_margin_without_costs_is_refused(self, worth: Worth) -> None:
        arguments = ("--as-of", "2024-01-31", "--horizon", 10, "--value", "margin")

        ran = worth("backtest", "--orders", _orders(Path("o.csv"), _SHORT), *arguments)

        assert "has a cost, so there is no margin" in ran.sentence

    def test_every_customer_known_by_then_is_forecast_in_these_columns(
        self, worth: Worth, sold: pd.DataFrame
    ) -> None:
        as_of = _START + timedelta(days=150)
        sold.to_csv("o.csv", index=False)
        arguments = ("--as-of", as_of, "--horizon", 90, "--value", "revenue")

        ran = worth(
            *("backtest", "--orders", "o.csv", *arguments),
            *("--predictions", "p.parquet", "--json", "j.json"),
        )

        assert ran.code == 0
        predictions = pd.read_parquet("p.parquet")
        assert list(predictions.columns) == _COLUMNS
        known = sold[sold["ordered_at"] <= as_of]["customer_id"]
        assert predictions["customer_id"].tolist() == sorted(known.unique())
        assert predictions.notna().all(axis=None)
        assert (predictions["value_lower"] <= predictions["value_upper"]).all()
        summary = json.loads(Path("j.json").read_text(), parse_constant=pytest.fail)
        assert summary["as_of"] == as_of.isoformat()
        assert summary["n_customers"] == len(predictions)
        assert summary["metrics"].keys() > summary["baseline_metrics"].keys()
        assert set(os.listdir()) == {"o.csv", "p.parquet", "j.json"}

    def test_rows_after_as_of_change_no_prediction_nor_does_the_kind_of_file(
        self, worth: Worth, sold: pd.DataFrame
    ) -> None:
        as_of = _START + timedelta(days=150)
        sold.to_csv("all.csv", index=False)
        sold[sold["ordered_at"] <= as_of].to_parquet("known.parquet")

        for file in ("all.csv", "known.parquet"):
            arguments = ("--orders", file, "--as-of", as_of, "--horizon", 90)
            assert worth("backtest", *arguments, "--predictions", f"{file}.p").code == 0

        pd.testing.assert_frame_equal(
            pd.read_parquet("all.csv.p"), pd.read_parquet("known.parquet.p")
        )

    def test_without_a_future_there_is_nothing_to_measure(
        self, worth: Worth, sold: pd.DataFrame
    ) -> None:
        sold.to_csv("o.csv", index=False)
        arguments = ("--orders", "o.csv", "--as-of", "2024-12-31", "--horizon", 180)

        ran = worth("backtest", *arguments, "--json", "j.json")

        assert "nothing after as_of" in " ".join(ran.out.split())
        summary = json.loads(Path("j.json").read_text(), parse_constant=pytest.fail)
        assert summary["metrics"] is summary["baseline_metrics"] is None

    def test_columns_are_mapped_and_costs_make_a_margin(
        self, worth: Worth, sold: pd.DataFrame
    ) -> None:
        names = {"customer_id": "Client", "revenue": "Amount", "cost": "Einkauf"}
        sold.rename(columns=names).to_csv("o.csv", index=False, sep=";")
        pairs = [part for name in names.items() for part in ("--map", "=".join(name))]
        arguments = ("--orders", "o.csv", "--as-of", "2024-05-30", "--horizon", 90)

        for value in ("revenue", "margin"):
            files = ("--predictions", f"{value}.parquet", "--json", f"{value}.json")
            assert worth("backtest", *arguments, *pairs, "--value", value, *files).code == 0

        assert json.loads(Path("margin.json").read_text())["value_basis"] == "gross_margin"
        totals = {
            value: pd.read_parquet(f"{value}.parquet")["expected_value"].sum()
            for value in ("revenue", "margin")
        }
        assert totals["margin"] == pytest.approx(0.4 * totals["revenue"], rel=0.05)
