from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from features.signals.catalogue import CATALOGUE
from serving.app import create_app
from serving.auth import create_key
from serving.options import ServiceOptions
from serving.scores.schemas import DetailedScore, Score
from serving.store import SQLiteStore
from serving.store.tables import LEDGER, SCORE_SETS

Send = Callable[..., httpx.Response]

_PATH = "/v1/customers/0001/score"
_ALL = "factors,interval,scorecard,signals"


class TestRefusals:
    @pytest.mark.parametrize(
        ("query", "parameter", "told"),
        [
            ("fields=clv,worth", "fields", "historic_value"),
            ("fields=", "fields", "historic_value"),
            ("include=reasons", "include", "factors, interval, scorecard, signals"),
            ("included=factors", "included", "fields, include"),
        ],
    )
    def test_a_word_that_is_not_known_is_422_and_the_known_ones_are_listed(
        self, send: Send, query: str, parameter: str, told: str
    ) -> None:
        answer = send(f"{_PATH}?{query}")

        assert answer.status_code == 422
        assert [fault["parameter"] for fault in answer.json()["errors"]] == [parameter]
        assert told in answer.json()["errors"][0]["detail"]

    def test_an_empty_id_is_422(self, send: Send) -> None:
        assert send("/v1/customers//score").status_code == 422

    @pytest.mark.parametrize("query", ["", f"?include={_ALL}"])
    def test_who_opted_out_of_profiling_has_no_score(
        self, send: Send, opt_out: Callable[[str], None], query: str
    ) -> None:
        opt_out("0001")

        answer = send(f"{_PATH}{query}")
        assert (answer.status_code, answer.json()["title"]) == (404, "No score")
        assert "opted out of profiling" in answer.json()["detail"]

    def test_a_key_without_the_scope_is_403(self, scored_store: SQLiteStore, ask_app: Send) -> None:
        key = create_key(scored_store, ["lists:read"])

        answer = ask_app(create_app(scored_store), _PATH, headers={"X-API-Key": key})
        assert answer.status_code == 403
        assert "scores:read" in answer.json()["detail"]


class TestAnswer:
    @pytest.mark.parametrize("query", ["", f"?include={_ALL}"])
    def test_it_is_what_the_schema_says(self, send: Send, query: str) -> None:
        answer = send(f"{_PATH}{query}").json()

        said = DetailedScore.model_validate(answer).model_dump(mode="json", exclude_unset=True)
        instants = [datetime.fromisoformat(one.pop("scored_at")) for one in (said, answer)]
        assert said == answer
        assert instants[0] == instants[1]
        assert set(Score.model_fields) <= {*answer, "scored_at"}

    def test_fields_leave_out_all_others(self, send: Send) -> None:
        assert set(send(f"{_PATH}?fields=clv,tier").json()) == {"clv", "tier"}

    def test_what_is_included_is_there_whatever_the_fields(self, send: Send) -> None:
        answer = send(f"{_PATH}?fields=clv&include=interval").json()

        assert set(answer) == {"clv", "interval"}

    def test_the_interval_holds_the_bounds_in_order(self, send: Send) -> None:
        answer = send(f"{_PATH}?include=interval").json()

        bounds = [
            answer["interval"][name]
            for name in ("lower_95", "lower_80", "median", "upper_80", "upper_95")
        ]
        assert bounds == sorted(bounds)
        assert answer["clv"]["lower"] == answer["interval"]["lower_80"]

    def test_the_factors_add_up_to_the_published_value_to_the_cent(self, send: Send) -> None:
        for who in ("0001", "0111", "1000"):
            answer = send(f"/v1/customers/{who}/score?include=factors").json()

            found = answer["factors"]
            cents = round(found["base"] * 100) + sum(
                round(one["amount"] * 100) for one in found["contributions"]
            )
            assert cents == round(round(answer["clv"]["expected"], 2) * 100)
            assert answer["factors_missing"] is None

    def test_the_signals_are_those_of_the_day_of_the_score(
        self, send: Send, scored_store: SQLiteStore
    ) -> None:
        before = send(f"{_PATH}?include=signals").json()
        with scored_store.writing() as connection:
            lines = LEDGER["order_lines"]
            row = connection.execute(sa.select(lines).where(lines.c.customer_id == "0001")).first()
            assert row is not None
            later = dict(row._mapping) | {"row_key": b"later", "day": row.day + 3_650}
            connection.execute(sa.insert(lines).values(later))

        assert set(before["signals"]) == set(CATALOGUE)
        assert send(f"{_PATH}?include=signals").json()["signals"] == before["signals"]

    def test_the_scorecard_rates_from_0_to_100(self, send: Send) -> None:
        card = send(f"{_PATH}?include=scorecard").json()["scorecard"]

        assert 0 <= card["purchase"] <= 100
        assert 0 <= card["future"] <= 100
        assert card["safety"] is None
        assert 0 < card["revenue_share"] < 1


class TestNoFactors:
    def test_without_a_model_it_says_so(self, send: Send) -> None:
        answer = send(f"{_PATH}?include=factors", champion=None).json()

        assert answer["factors"] is None
        assert answer["factors_missing"].startswith("No model is loaded")

    def test_of_another_models_score_it_says_so(
        self, send: Send, scored_store: SQLiteStore
    ) -> None:
        with scored_store.writing() as connection:
            other = {"model_version": "7", "model_digest": "sha256:" + "0" * 64}
            connection.execute(sa.update(SCORE_SETS).values(other))

        answer = send(f"{_PATH}?include=factors").json()
        assert answer["factors"] is None
        assert answer["factors_missing"].startswith("Version 7 of the model made this score")

    def test_where_the_ledger_has_changed_it_says_so(
        self, send: Send, scored_store: SQLiteStore
    ) -> None:
        lines = LEDGER["order_lines"]
        with scored_store.writing() as connection:
            connection.execute(sa.update(lines).values(revenue=lines.c.revenue * 2))

        answer = send(f"{_PATH}?include=factors").json()
        assert answer["factors"] is None
        assert "has changed since this score was made" in answer["factors_missing"]


class TestStale:
    def test_a_score_says_that_it_is_old_and_how_old(
        self, send: Send, scored_store: SQLiteStore
    ) -> None:
        made = (datetime.now(UTC) - timedelta(hours=50, minutes=5)).isoformat(timespec="seconds")
        with scored_store.writing() as connection:
            connection.execute(sa.update(SCORE_SETS).values(scored_at=made))

        old = send(_PATH)
        young = send(_PATH, options=ServiceOptions(score_max_age_hours=72))
        assert (old.json()["stale"], old.json()["age_hours"]) == (True, 50)
        assert (young.json()["stale"], young.json()["age_hours"]) == (False, None)
        assert old.headers["ETag"] != young.headers["ETag"]


class TestETag:
    def test_the_same_content_has_the_same_and_is_not_sent_again(self, send: Send) -> None:
        first = send(_PATH)
        etag = first.headers["ETag"]
        assert first.headers["Cache-Control"] == "private, no-cache"
        assert etag == send(_PATH).headers["ETag"]

        for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
            again = send(_PATH, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["ETag"] == etag
        assert send(_PATH, headers={"If-None-Match": '"other"'}).json() == first.json()

    def test_another_content_has_another(self, send: Send) -> None:
        tags = {send(f"{_PATH}{query}").headers["ETag"] for query in ("", "?fields=clv")}
        tags.add(send("/v1/customers/0111/score").headers["ETag"])

        assert len(tags) == 3


class TestBatchGet:
    def _ask(self, send: Send, **wanted: Any) -> httpx.Response:
        return send("/v1/scores:batchGet", method="POST", json=wanted)

    @pytest.mark.parametrize(
        "wanted",
        [
            {"customer_ids": []},
            {"customer_ids": ["1"] * 1_001},
            {"customer_ids": [""]},
            {"customer_ids": ["x" * 201]},
            {"customer_ids": ["1"], "fields": ["worth"]},
            {"customer_ids": ["1"], "include": ["factors"]},
            {"customer_ids": ["1"], "wanted": ["clv"]},
            {},
        ],
    )
    def test_what_cannot_be_asked_is_422(self, send: Send, wanted: dict[str, Any]) -> None:
        assert self._ask(send, **wanted).status_code == 422

    def test_the_scores_come_in_the_order_asked_and_the_missing_are_named(
        self, send: Send, opt_out: Callable[[str], None]
    ) -> None:
        opt_out("0003")

        answer = self._ask(send, customer_ids=["0111", "0003", "no\0body", "0001", "0111"]).json()
        assert [score["customer_id"] for score in answer["scores"]] == ["0111", "0001", "0111"]
        assert answer["missing"] == ["0003", "no\0body"]
        assert answer["scores"][1] == send(_PATH).json()

    def test_it_gives_the_parts_that_were_asked_for(self, send: Send) -> None:
        whole = send(f"{_PATH}?include=interval,scorecard").json()
        (score,) = self._ask(
            send, customer_ids=["0001"], fields=["clv"], include=["interval", "scorecard"]
        ).json()["scores"]

        assert score == {name: whole[name] for name in ("clv", "interval", "scorecard")}

    def test_before_the_first_publication_is_503(
        self, store: SQLiteStore, ask_app: Send, tmp_path: Path
    ) -> None:
        key = create_key(store, ["scores:read"])

        answer = ask_app(
            create_app(store),
            "/v1/scores:batchGet",
            method="POST",
            headers={"X-API-Key": key},
            json={"customer_ids": ["1"]},
        )
        assert answer.status_code == 503


def test_a_pooled_store_is_asked_on_the_loop_and_answers_the_same(
    send: Send, scored_home: Path, ask_app: Send
) -> None:
    whole = send(_PATH)
    pooled = SQLiteStore.open(scored_home / "worth.db", is_pooled=True)
    key = create_key(pooled, ["scores:read"])
    app = create_app(pooled)

    assert app.state.lookup.is_inline
    answer = ask_app(app, _PATH, headers={"X-API-Key": key})
    assert answer.content == whole.content
    assert ask_app(app, "/v1/customers/x/score", headers={"X-API-Key": key}).status_code == 404
    app.state.lookup.close()
    pooled.close()


def test_a_store_that_cannot_be_read_is_503(scored_home: Path, ask_app: Send) -> None:
    pooled = SQLiteStore.open(scored_home / "worth.db", is_pooled=True)
    headers = {"X-API-Key": create_key(pooled, ["scores:read"])}
    app = create_app(pooled)
    assert ask_app(app, _PATH, headers=headers).status_code == 200
    with pooled.writing() as connection:
        connection.execute(sa.text("ALTER TABLE scores RENAME TO scores_gone"))

    answer = ask_app(app, _PATH, headers=headers)
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    app.state.lookup.close()
    pooled.close()
