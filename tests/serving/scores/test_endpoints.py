from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa

from serving.registry import load_champion
from serving.store import SQLiteStore
from serving.store.tables import LEDGER, SCORES

Ask = Callable[..., httpx.Response]


class TestScore:
    def test_an_unknown_customer_is_404(self, ask: Ask) -> None:
        answer = ask("/v1/customers/nobody/score")

        assert answer.status_code == 404
        assert answer.json()["title"] == "Unknown customer"
        assert "'nobody' among the 2,357 published" in answer.json()["detail"]

    def test_an_id_of_endless_length_is_422(self, ask: Ask) -> None:
        assert ask(f"/v1/customers/{'x' * 201}/score").status_code == 422

    def test_before_the_first_publication_is_503(self, ask_of: Ask, store: SQLiteStore) -> None:
        answer = ask_of(store, "/v1/customers/0001/score")

        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "60"
        assert "'worth score' publishes them" in answer.json()["detail"]

    @pytest.mark.parametrize("who", ["1' OR '1'='1", "1; DROP TABLE scores", "%", '1"', "1\0"])
    def test_an_id_is_never_sql(self, ask: Ask, who: str) -> None:
        assert ask(f"/v1/customers/{quote(who, safe='')}/score").status_code == 404
        assert ask("/v1/customers/0001/score").status_code == 200

    def test_the_answer_has_these_names(self, ask: Ask) -> None:
        score = ask("/v1/customers/0001/score").json()

        assert set(score) == {
            *("customer_id", "as_of", "scored_at", "horizon_days", "currency", "value_basis"),
            *("historic_value", "expected_purchases", "p_alive", "churn_probability"),
            *("clv", "tier", "model", "signals_digest", "stale", "age_hours"),
        }
        assert set(score["clv"]) == {"expected", "lower", "upper"}
        assert set(score["tier"]) == {"code", "policy", "since"}
        assert set(score["model"]) == {"name", "version", "digest"}

    def test_the_answer_is_the_stored_one(self, ask: Ask, scored_store: SQLiteStore) -> None:
        score = ask("/v1/customers/0001/score").json()

        with scored_store.reading() as connection:
            row = connection.execute(sa.select(SCORES).where(SCORES.c.customer_id == "0001")).one()
            lines = LEDGER["order_lines"].c
            spent = connection.execute(
                sa.select(sa.func.sum(lines.revenue)).where(lines.customer_id == "0001")
            ).scalar_one()
        assert score["clv"] == {
            "expected": row.clv_expected,
            "lower": row.clv_lower,
            "upper": row.clv_upper,
        }
        assert 0 <= row.clv_lower < row.clv_upper
        assert score["tier"]["code"] == row.tier
        assert score["historic_value"] == pytest.approx(spent)
        assert score["as_of"] == score["tier"]["since"] == "1998-06-30"
        assert (score["horizon_days"], score["currency"]) == (90, "USD")
        assert score["value_basis"] == "revenue"
        assert 0 <= score["churn_probability"] <= 1

    def test_the_answer_names_its_model(self, ask: Ask, scored_home: Path) -> None:
        champion = load_champion(f"sqlite:///{scored_home / 'mlflow.db'}")

        assert ask("/v1/customers/0001/score").json()["model"] == {
            "name": champion.name,
            "version": champion.version,
            "digest": champion.bundle.digest,
        }

    @pytest.mark.parametrize("who", ["2024/001", "a b", "客户", "score", "x/score", "%2F"])
    def test_an_id_may_hold_any_sign(self, ask: Ask, scored_store: SQLiteStore, who: str) -> None:
        with scored_store.writing() as connection:
            connection.execute(
                sa.update(SCORES).where(SCORES.c.customer_id == "0001").values(customer_id=who)
            )

        answer = ask(f"/v1/customers/{quote(who, safe='')}/score")
        assert answer.json()["customer_id"] == who
