import csv
import io
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from serving.store import SQLiteStore
from serving.store.tables import LEDGER, SCORES

Ask = Callable[..., httpx.Response]

_PATH = "/v1/target-lists/preview"
_CSV = {"Accept": "text/csv"}
_HEADER = (
    "customer_id,tier,clv_expected,clv_lower,clv_upper,currency,churn_probability,p_alive,"
    "expected_purchases,days_since_last_purchase,reason,as_of,horizon_days,model_version"
)


def _ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200
    return [customer["customer_id"] for customer in answer.json()["customers"]]


def _rows(answer: httpx.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def _rename(store: SQLiteStore, who: str, name: str) -> None:
    with store.writing() as connection:
        connection.execute(
            sa.update(SCORES).where(SCORES.c.customer_id == who).values(customer_id=name)
        )


class TestPreview:
    @pytest.mark.parametrize(
        ("query", "parameter"),
        [
            ("limit=10000000", "limit"),
            ("limit=0", "limit"),
            ("limit=many", "limit"),
            ("min_churn=2", "min_churn"),
            ("min_churn=nan", "min_churn"),
            ("tier=Z", "tier"),
            ("tier=A'--", "tier"),
        ],
    )
    def test_a_filter_out_of_range_is_422(self, ask: Ask, query: str, parameter: str) -> None:
        answer = ask(f"{_PATH}?{query}")

        assert answer.status_code == 422
        assert [fault["parameter"] for fault in answer.json()["errors"]] == [parameter]

    @pytest.mark.parametrize("accept", ["application/xml", "image/*", "text/html"])
    def test_another_media_type_is_406(self, ask: Ask, accept: str) -> None:
        answer = ask(_PATH, headers={"Accept": accept})

        assert answer.status_code == 406
        assert answer.json()["detail"].endswith(f"Got Accept: {accept}.")

    def test_before_the_first_publication_is_503(self, ask_of: Ask, store: SQLiteStore) -> None:
        assert ask_of(store, _PATH).status_code == 503

    def test_the_most_valuable_come_first(self, ask: Ask) -> None:
        target_list = ask(f"{_PATH}?limit=10000").json()

        assert target_list["n_matching"] == len(target_list["customers"]) == 2357
        values = [customer["clv"]["expected"] for customer in target_list["customers"]]
        assert values == sorted(values, reverse=True)

    def test_the_answer_has_these_names(self, ask: Ask) -> None:
        target_list = ask(f"{_PATH}?limit=1").json()

        assert set(target_list) == {
            *("as_of", "scored_at", "horizon_days", "currency", "value_basis", "model"),
            *("signals_digest", "stale", "age_hours", "n_matching", "customers"),
        }
        assert set(target_list["customers"][0]) == {
            *("customer_id", "expected_purchases", "p_alive", "churn_probability", "clv", "tier"),
            *("days_since_last_purchase", "reason"),
        }

    def test_equal_values_come_in_the_order_of_ids(
        self, ask: Ask, scored_store: SQLiteStore
    ) -> None:
        with scored_store.writing() as connection:
            connection.execute(sa.update(SCORES).values(clv_expected=1.0))

        ids = _ids(ask(_PATH))
        assert all(before < after for before, after in pairwise(ids))

    def test_the_filters_narrow_it(self, ask: Ask) -> None:
        everyone = ask(f"{_PATH}?limit=10000").json()["customers"]
        target_list = ask(f"{_PATH}?tier=B&min_churn=0.5&limit=5").json()

        matching = [
            customer["customer_id"]
            for customer in everyone
            if customer["tier"]["code"] == "B" and customer["churn_probability"] >= 0.5
        ]
        assert target_list["n_matching"] == len(matching) > 5
        assert [c["customer_id"] for c in target_list["customers"]] == matching[:5]

    @pytest.mark.parametrize(
        "refusal",
        [
            {"marketing_consent": 0},
            {"profiling_opt_out": 1},
            {"marketing_consent": 1, "profiling_opt_out": 1},
        ],
    )
    @pytest.mark.parametrize("headers", [{}, _CSV])
    def test_who_refused_is_never_on_it(
        self, ask: Ask, scored_store: SQLiteStore, refusal: dict[str, int], headers: Any
    ) -> None:
        refused, consents, silent = _ids(ask(f"{_PATH}?limit=3"))
        with scored_store.writing() as connection:
            for row in (
                {"customer_id": refused} | refusal,
                {"customer_id": consents, "marketing_consent": 1, "profiling_opt_out": 0},
                {"customer_id": silent},
            ):
                row |= {"row_key": row["customer_id"].encode()}
                connection.execute(sa.insert(LEDGER["customers"]).values(row))

        answer = ask(f"{_PATH}?limit=10000", headers=headers)
        rows = _rows(answer) if headers else answer.json()["customers"]
        assert [row["customer_id"] for row in rows[:2]] == [consents, silent]
        assert refused not in {row["customer_id"] for row in rows}
        assert ask(_PATH).json()["n_matching"] == 2356


class TestPreviewAsCsv:
    @pytest.mark.parametrize("accept", ["text/csv", "text/csv;q=0.9, */*;q=0.1", "TEXT/CSV"])
    def test_the_client_may_ask_for_it(self, ask: Ask, accept: str) -> None:
        answer = ask(_PATH, headers={"Accept": accept})

        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.headers["Content-Disposition"].startswith("attachment")

    @pytest.mark.parametrize("accept", ["*/*", "application/json, text/csv", "application/*"])
    def test_json_is_for_all_others(self, ask: Ask, accept: str) -> None:
        assert ask(_PATH, headers={"Accept": accept}).headers["Content-Type"] == "application/json"

    def test_it_says_what_the_json_says(self, ask: Ask) -> None:
        customers = ask(f"{_PATH}?limit=20").json()["customers"]
        rows = _rows(ask(f"{_PATH}?limit=20", headers=_CSV))

        assert [
            (row["customer_id"], float(row["clv_expected"]), row["reason"]) for row in rows
        ] == [(c["customer_id"], c["clv"]["expected"], c["reason"]) for c in customers]
        assert [float(row["clv_lower"]) for row in rows] == [c["clv"]["lower"] for c in customers]
        assert [float(row["clv_upper"]) for row in rows] == [c["clv"]["upper"] for c in customers]

    def test_an_empty_list_is_its_header(self, ask: Ask) -> None:
        answer = ask(f"{_PATH}?min_churn=1&tier=A", headers=_CSV)

        assert answer.text == f"{_HEADER}\r\n"

    @pytest.mark.parametrize("who", ["=cmd|'/c calc'!A1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
    def test_no_id_becomes_a_formula(self, ask: Ask, scored_store: SQLiteStore, who: str) -> None:
        (best,) = _ids(ask(f"{_PATH}?limit=1"))
        _rename(scored_store, best, who)

        (row,) = _rows(ask(f"{_PATH}?limit=1", headers=_CSV))
        assert row["customer_id"] == f"'{who}"
        assert _ids(ask(f"{_PATH}?limit=1")) == [who]

    def test_an_id_with_a_comma_and_quotes_stays_one_field(
        self, ask: Ask, scored_store: SQLiteStore
    ) -> None:
        (best,) = _ids(ask(f"{_PATH}?limit=1"))
        _rename(scored_store, best, 'Smith, "Jo"\n')

        (row,) = _rows(ask(f"{_PATH}?limit=1", headers=_CSV))
        assert row["customer_id"] == 'Smith, "Jo"\n'
