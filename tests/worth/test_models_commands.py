import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
import pandas as pd
import pytest

from features.ledger import Ledger
from models.bundle import Bundle
from training.tracking import Tracking

Worth = Callable[..., Any]
Register = Callable[..., Bundle]


@pytest.fixture(autouse=True)
def _registry(tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORTH_TRACKING_URI", tracking.uri)
    monkeypatch.setenv("WORTH_CURRENCY", "USD")


def one_line(text: str) -> str:
    return " ".join(text.split())


def load_cdnow(worth: Worth, cdnow: Ledger) -> None:
    """Let the store hold CDNOW; one of its customers must not be scored."""
    lines = cdnow.order_lines.select(["customer_id", "order_id", "day", "revenue"]).to_pandas()
    lines["ordered_at"] = pd.to_datetime(lines.pop("day"), unit="D").dt.date
    lines.to_csv("orders.csv", index=False)
    Path("customers.csv").write_text("customer_id,profiling_opt_out\n0001,1\n")
    assert worth("ingest", "--orders", "orders.csv", "--customers", "customers.csv").code == 0


def break_bundle(tracking: Tracking, version: str) -> None:
    client = mlflow.MlflowClient(tracking.uri, registry_uri=tracking.uri)
    location = Path(urlsplit(client.get_model_version_download_uri("worth", version)).path)
    (file,) = location.rglob("bundle.json")
    file.write_bytes(file.read_bytes().replace(b"1998", b"1999"))


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("show", "7"), "Model 'worth' has no version 7. 'worth models list' shows them all."),
            (("show", "one"), "A version is a number, or champion, or challenger. Got 'one'"),
            (("show", "champion"), "Model 'worth' has no champion yet."),
            (("compare", "6", "7"), "Model 'worth' has no version 6."),
            (("promote", "7", "--reason", "r"), "Model 'worth' has no version 7."),
            (("promote", "1", "--reason", " "), "A promotion is kept with its reason, and this"),
            (("rollback",), "Model 'worth' has no champion yet."),
            (("rollback", "--reason", ""), "A rollback is kept with its reason, and this one"),
        ],
    )
    def test_what_is_not_there_is_refused_in_a_sentence(
        self, worth: Worth, arguments: tuple[str, ...], sentence: str
    ) -> None:
        assert worth("models", *arguments).sentence.startswith(sentence)

    @pytest.mark.parametrize(
        "arguments", [(), ("show",), ("compare", "1"), ("promote", "1"), ("promote",), ("crown",)]
    )
    def test_a_wrong_use_ends_with_2(self, worth: Worth, arguments: tuple[str, ...]) -> None:
        assert worth("models", *arguments).code == 2

    @pytest.mark.parametrize(
        "arguments",
        [
            ("list",),
            ("show", "1"),
            ("compare", "1", "2"),
            ("promote", "1", "--reason", "r"),
            ("rollback",),
        ],
    )
    def test_a_registry_that_is_not_there_is_refused_and_not_made(
        self, worth: Worth, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
    ) -> None:
        monkeypatch.delenv("WORTH_TRACKING_URI")
        sentence = worth("models", *arguments).sentence
        assert sentence.startswith("There is no model registry at ")
        assert sentence.endswith("home/mlflow.db yet. 'worth train' makes one.")
        assert not Path("home").exists()

    def test_a_server_that_is_away_is_refused(
        self, worth: Worth, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WORTH_TRACKING_URI", "http://somebody:secret@127.0.0.1:9")
        sentence = worth("models", "list").sentence
        assert sentence.startswith("MLflow at http://127.0.0.1:9 did not do its part: ")
        assert sentence.endswith("Check tracking_uri.")
        assert "secret" not in sentence

    def test_a_broken_bundle_is_refused_but_listed(
        self, worth: Worth, tracking: Tracking, register: Register
    ) -> None:
        register()
        register()
        break_bundle(tracking, "1")
        sentence = "Version 1 cannot be used: bundle.json was changed after it was written."
        for arguments in (("show", 1), ("compare", 2, 1), ("promote", 1, "--reason", "r")):
            assert worth("models", *arguments).sentence.startswith(sentence)
        assert len(json.loads(worth("models", "list", "--json").out)) == 2

    def test_a_version_is_not_compared_to_itself(self, worth: Worth, register: Register) -> None:
        register()
        ran = worth("models", "compare", "challenger", "1")
        assert (ran.code, ran.out) == (2, "")
        assert "are the same version" in one_line(ran.err)

    def test_what_was_not_earned_is_refused_but_for_anyway(
        self, worth: Worth, register: Register
    ) -> None:
        register(grade="C")
        sentence = worth("models", "promote", 1, "--reason", "r").sentence
        assert sentence == (
            "Version 1 has grade C, so it has not earned to be champion. "
            "Choose another version, or add --anyway."
        )
        assert worth("models", "promote", 1, "--reason", "r", "--anyway").code == 0


class TestList:
    def test_an_empty_registry_says_what_is_next(self, worth: Worth) -> None:
        ran = worth("models", "list")
        assert (ran.code, ran.out) == (0, "No model was registered yet. Next: worth train\n")
        assert worth("models", "list", "--json").out == "[]\n"

    def test_the_newest_is_first(
        self, worth: Worth, register: Register, tracking: Tracking
    ) -> None:
        register(grade=None, beats_baseline=True)
        bundle = register(loss=1.25, grade="A")
        worth("models", "promote", 1, "--reason", "r")

        rows = json.loads(worth("models", "list", "--json").out)
        assert [row["version"] for row in rows] == ["2", "1"]
        newest = rows[0]
        assert newest["trained_at"].endswith("+00:00")
        assert 0 < newest["size_bytes"] < 5_000_000
        assert {name: newest[name] for name in ("as_of", "horizon_days", "model", "grade")} == {
            "as_of": "1998-06-30",
            "horizon_days": 90,
            "model": "latent",
            "grade": "A",
        }
        assert (newest["loss"], newest["digest"]) == (1.25, bundle.digest)
        assert [row["aliases"] for row in rows] == [["challenger"], ["champion"]]

        shown = [line.split() for line in worth("models", "list").out.splitlines()]
        newest_shown, older = (next(r for r in shown if n in r[1:2]) for n in ("2", "1"))
        assert {"1998-06-30", "90", "latent", "A", "1.25", "challenger"} <= {*newest_shown}
        assert {"-", "1.5", "champion"} <= {*older}

    def test_a_version_without_files_does_not_hide_the_others(
        self, worth: Worth, register: Register, tracking: Tracking
    ) -> None:
        register()
        register()
        client = mlflow.MlflowClient(tracking.uri, registry_uri=tracking.uri)
        location = Path(urlsplit(client.get_model_version_download_uri("worth", "1")).path)
        location.rename(location.with_name("elsewhere"))

        ran = worth("models", "list")
        assert ran.code == 0
        assert "Note: The files of version 1 cannot be had" in one_line(ran.out)
        second, first = json.loads(worth("models", "list", "--json").out)
        assert second["model"] == "latent"
        assert first["model"] is first["size_bytes"] is None


class TestShow:
    def test_all_that_is_known_is_shown(
        self, worth: Worth, register: Register, tracking: Tracking
    ) -> None:
        bundle = register(remarks=["Dropout was [not] modelled."], beats_baseline=True)
        register()
        worth("models", "promote", 1, "--reason", "the [first] one")
        worth("models", "promote", 2, "--reason", "newer")
        worth("models", "rollback", "--reason", "too new")

        shown = json.loads(worth("models", "show", "champion", "--json").out)
        assert shown["version"] == "1"
        assert shown["facts"] == bundle.facts
        assert shown["digest"] == bundle.digest
        assert shown["figures"]["naive"] == {"value_tweedie": 2.0, "value_gini": 0.1}
        assert all(len(file["sha256"]) == 64 and file["size"] for file in shown["files"].values())
        assert [(event["event"], event["reason"]) for event in shown["history"]] == [
            ("champion", "the [first] one"),
            ("gave way to version 2", "newer"),
            ("champion again, by rollback, after version 2", "too new"),
        ]

        out = one_line(worth("models", "show", 1).out)
        for text in ("Dropout was [not] modelled.", "the [first] one", "naive", *shown["files"]):
            assert text in out

    def test_a_version_without_figures_or_history_is_shown_too(
        self, worth: Worth, register: Register, tracking: Tracking
    ) -> None:
        register()
        (version,) = tracking.versions()
        mlflow.MlflowClient(tracking.uri, registry_uri=tracking.uri).delete_run(version.run_id)
        ran = worth("models", "show", 1)
        assert ran.code == 0
        assert "History" not in ran.out


class TestCompare:
    def test_figures_and_scores_are_held_against_each_other(
        self, worth: Worth, register: Register, cdnow: Ledger
    ) -> None:
        register(loss=1.5)
        register(loss=1.25, n_customers=60)
        load_cdnow(worth, cdnow)

        found = json.loads(worth("models", "compare", 1, 2, "--json").out)
        assert found["versions"] == ["1", "2"]
        losses = [found["figures"][number]["value_tweedie"] for number in ("1", "2")]
        assert losses == [1.5, 1.25]
        scores = found["scores"]
        assert (scores["n_customers"], scores["policy"]) == (cdnow.n_customers - 1, "predicted")
        assert 0.5 < scores["rank_correlation"] < 1
        assert 0 < scores["tier_changed_share"] < 0.5
        assert scores["total_value"]["1"] != scores["total_value"]["2"]
        assert found["notes"] == []

        out = one_line(worth("models", "compare", 1, 2).out)
        for text in ("rank correlation", "version 2 (latent)", "1.250", "whose tier changes"):
            assert text in out

    def test_the_same_model_scores_the_same(
        self, worth: Worth, register: Register, cdnow: Ledger
    ) -> None:
        register()
        register()
        load_cdnow(worth, cdnow)
        scores = json.loads(worth("models", "compare", 1, 2, "--json").out)["scores"]
        assert scores["rank_correlation"] == pytest.approx(1)
        assert scores["tier_changed_share"] == 0
        assert scores["total_value"]["1"] == scores["total_value"]["2"]

    def test_without_a_ledger_figures_are_compared_alone(
        self, worth: Worth, register: Register
    ) -> None:
        register()
        register(as_of="1998-03-31")
        found = json.loads(worth("models", "compare", 1, 2, "--json").out)
        assert found["scores"] is None
        assert found["notes"] == [
            "The versions differ in as_of, so their figures do not say which is better.",
            "Scores are not compared, because the store's ledger is empty.",
        ]

    def test_other_definitions_of_the_signals_are_not_compared(
        self, worth: Worth, register: Register
    ) -> None:
        register()
        register(signals_digest="sha256:0")
        ran = worth("models", "compare", 2, 1)
        assert ran.code == 0
        assert "because version 2 learned from other definitions" in one_line(ran.out)


class TestPromoteAndRollBack:
    def test_a_champion_is_made_and_taken_back(self, worth: Worth, register: Register) -> None:
        register()
        register()
        said = [
            worth("models", "promote", 1, "--reason", "first").out,
            worth("models", "promote", "challenger", "--reason", "second").out,
            worth("models", "rollback").out,
        ]
        assert [one_line(out) for out in said] == [
            "Version 1 is champion now. Next: worth score",
            "Version 2 is champion now. Next: worth score",
            "Version 1 is champion again, in place of version 2. Next: worth score",
        ]
        assert worth("models", "rollback").sentence == (
            "Version 1 is the first champion, so there is none to roll back to. "
            "'worth models promote' makes another version champion."
        )
