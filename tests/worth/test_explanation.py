"""The command explain, on the demo's ledger and champion."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models.bundle import Bundle
from serving.ingest import ingest
from serving.store import SQLiteStore
from training.tracking import Tracking
from worth.commands import explanation
from worth.demo import DEMO_SOURCE

Worth = Callable[..., Any]


@pytest.fixture
def store(worth: Worth, tmp_path: Path) -> SQLiteStore:
    """A store with the ledger of CDNOW."""
    del worth
    store = SQLiteStore.open(tmp_path / "home" / "worth.db")
    ingest(store, {"cdnow": DEMO_SOURCE}, time_zone="UTC")
    return store


@pytest.fixture
def _champion(
    register: Callable[..., Bundle], tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    register()
    tracking.promote("1", "It is the only one.")
    monkeypatch.setenv("WORTH_TRACKING_URI", tracking.uri)
    monkeypatch.setenv("WORTH_CURRENCY", "USD")
    monkeypatch.setenv("WORTH_DISCOUNT_RATE", "0.1")


def _cents(amount: float) -> int:
    return round(amount * 100)


def _opt_out(store: SQLiteStore, customers: list[str]) -> None:
    with closing(sqlite3.connect(str(store.engine.url.database))) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(customers)")]
        for number, customer in enumerate(customers):
            row = dict.fromkeys(names) | {"customer_id": customer, "profiling_opt_out": 1}
            row["row_key"] = number.to_bytes(16)
            marks = ", ".join("?" * len(row))
            connection.execute(
                f"INSERT INTO customers ({', '.join(row)}) VALUES ({marks})", list(row.values())
            )
        connection.commit()


class TestRefusals:
    @pytest.mark.parametrize(
        "arguments", [(), ("--customer", "0001", "--company")], ids=["nothing", "both"]
    )
    def test_either_a_customer_or_the_company_is_asked_for(
        self, worth: Worth, arguments: tuple[str, ...]
    ) -> None:
        assert worth("explain", *arguments).code == 2

    @pytest.mark.parametrize("what", [("--customer", "0001"), ("--company",)])
    def test_an_empty_ledger_is_refused(self, worth: Worth, what: tuple[str, ...]) -> None:
        assert worth("explain", *what).sentence.startswith("The ledger holds no order lines.")

    @pytest.mark.parametrize("what", [("--customer", "0001"), ("--company",)])
    @pytest.mark.usefixtures("store")
    def test_without_a_champion_there_is_nothing_to_explain(
        self, worth: Worth, what: tuple[str, ...]
    ) -> None:
        assert "'worth train' makes one" in worth("explain", *what).sentence

    @pytest.mark.usefixtures("store")
    def test_an_unknown_customer_is_named(self, worth: Worth) -> None:
        sentence = worth("explain", "--customer", "nobody").sentence
        assert sentence.startswith("The ledger holds no purchase of customer 'nobody' by 1998-06-")

    def test_who_opted_out_of_profiling_is_not_explained(
        self, worth: Worth, store: SQLiteStore
    ) -> None:
        _opt_out(store, ["0001"])
        sentence = worth("explain", "--customer", "0001").sentence
        assert sentence.startswith("Customer '0001' has opted out of profiling")

    @pytest.mark.usefixtures("_champion")
    def test_a_company_of_which_all_opted_out_is_not_explained(
        self, worth: Worth, store: SQLiteStore
    ) -> None:
        everybody = store.read_ledger().order_lines["customer_id"].unique().to_pylist()
        _opt_out(store, everybody)
        assert "nobody to explain" in worth("explain", "--company").sentence

    @pytest.mark.usefixtures("store")
    def test_a_model_of_other_signals_is_refused(
        self,
        worth: Worth,
        register: Callable[..., Bundle],
        tracking: Tracking,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        register(signals_digest="sha256:other")
        tracking.promote("1", "It is the only one.")
        monkeypatch.setenv("WORTH_TRACKING_URI", tracking.uri)
        sentence = worth("explain", "--customer", "0001").sentence
        assert "learned from other definitions of the signals" in sentence


@pytest.mark.usefixtures("_champion", "store")
class TestCustomer:
    def test_the_reasons_add_up_to_the_value(self, worth: Worth) -> None:
        ran = worth("explain", "--customer", "0001", "--json")

        assert ran.code == 0, ran.err
        answer = json.loads(ran.out)
        amounts = [factor["amount"] for factor in answer["factors"]]
        assert _cents(answer["base"]) + sum(map(_cents, amounts)) == _cents(answer["clv"])
        assert (answer["as_of"], answer["currency"]) == ("1998-06-30", "USD")
        assert len(amounts) <= 10
        names = {factor["signal"] for factor in answer["factors"]}
        assert "frequency" in names
        assert all(factor["label_zh"] for factor in answer["factors"])

    def test_they_are_shown_to_people(self, worth: Worth) -> None:
        ran = worth("explain", "--customer", "0001")

        assert ran.code == 0, ran.err
        for text in ("Customer 0001 as of 1998-06-30", "a typical customer", "Repeat purchases"):
            assert text in ran.out
        assert "Note: version 1 of the model does not say who is typical" in ran.err


@pytest.mark.usefixtures("_champion", "store")
class TestCompany:
    def test_the_drivers_add_up_to_the_mean(self, worth: Worth) -> None:
        ran = worth("explain", "--company", "--json")

        assert ran.code == 0, ran.err
        answer = json.loads(ran.out)
        found = pd.DataFrame(answer["drivers"])
        assert answer["n_customers"] == answer["n_explained"] == 2357
        total = answer["base"] + found["mean_signed"].sum()
        assert total == pytest.approx(answer["mean_clv"], abs=0.05)

    def test_a_large_company_is_explained_by_some(
        self, worth: Worth, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(explanation, "_MOST_CUSTOMERS", 100)
        ran = worth("explain", "--company")

        assert ran.code == 0, ran.err
        assert "100 of 2,357 customers, chosen by a hash of their ids" in " ".join(ran.out.split())
        assert "Repeat purchases" in ran.out

    def test_who_opted_out_does_not_count(self, worth: Worth, store: SQLiteStore) -> None:
        _opt_out(store, ["0001", "0004"])
        answer = json.loads(worth("explain", "--company", "--json").out)
        assert answer["n_customers"] == 2355


@pytest.mark.usefixtures("store")
def test_a_model_that_knows_who_is_typical_is_asked(
    worth: Worth,
    register: Callable[..., Bundle],
    tracking: Tracking,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    typical = {
        **{"frequency": 1.0, "recency": 100.0, "T": 300.0, "n_purchase_days": 2.0},
        **{"mean_purchase_revenue": 20.0, "purchase_revenue": 40.0, "revenue": 40.0},
    }
    register(explainer={"reference": typical})
    tracking.promote("1", "It is the only one.")
    monkeypatch.setenv("WORTH_TRACKING_URI", tracking.uri)

    ran = worth("explain", "--customer", "0001", "--json")

    assert ran.code == 0, ran.err
    assert "does not say who is typical" not in ran.err
    named = {factor["signal"]: factor["typical"] for factor in json.loads(ran.out)["factors"]}
    assert named["frequency"] == 1.0
