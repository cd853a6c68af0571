import csv
import io
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest
import sqlalchemy as sa

from serving.auth import create_key
from serving.champion import Champion
from serving.lists.schemas import PageOfScores
from serving.publish import publish
from serving.store import SQLiteStore
from serving.store.tables import LEDGER, LIVE_SCORES, SCORE_SETS, SCORES

Ask = Callable[..., httpx.Response]

_PATH = "/v1/scores"
_CSV = {"Accept": "text/csv"}


def _publish(store: SQLiteStore, champion: Champion) -> None:
    publish(store, champion, currency="USD", discount_rate=0.1, policy="predicted")


def _turn(
    ask: Ask, query: str = "limit=500", *, between: Callable[[int], None] = lambda _: None
) -> list[dict[str, Any]]:
    scores, cursor, n = [], "", 0
    while cursor is not None:
        answer = ask(f"{_PATH}?{query}{cursor and f'&cursor={cursor}'}")
        assert answer.status_code == 200, answer.text
        scores += answer.json()["scores"]
        cursor = answer.json()["next_cursor"]
        n += 1
        between(n)
    return scores


def _ids(store: SQLiteStore) -> list[str]:
    with store.reading() as connection:
        return sorted(connection.execute(sa.select(SCORES.c.customer_id).distinct()).scalars())


def _live(store: SQLiteStore, like: str, who: str, position: int) -> None:
    """Let an event have made a score."""
    with store.writing() as connection:
        found = sa.select(SCORES, *(c for c in SCORE_SETS.c if c.name != "id")).join(
            SCORE_SETS, SCORE_SETS.c.id == SCORES.c.set_id
        )
        row = connection.execute(found.where(SCORES.c.customer_id == like)).first()
        assert row is not None
        names = [column.name for column in LIVE_SCORES.c]
        values = {name: row._mapping[name] for name in names if name in row._mapping}
        values |= {"customer_id": who, "position": position}
        connection.execute(sa.insert(LIVE_SCORES).values(values))


class TestRefusals:
    @pytest.mark.parametrize(
        "cursor",
        [
            "nonsense",
            "%00",
            urlsafe_b64encode(b"[1]").decode(),
            urlsafe_b64encode(b'["1","x",null]').decode(),
            urlsafe_b64encode(b'[0,"x",null]').decode(),
            urlsafe_b64encode(b'[1,"x",null,1]').decode(),
            urlsafe_b64encode(orjson.dumps([2**40, "x", None])).decode(),
            urlsafe_b64encode(orjson.dumps([1, "x\0", None])).decode(),
        ],
    )
    def test_a_cursor_that_is_none_of_ours_is_422(self, ask: Ask, cursor: str) -> None:
        answer = ask(f"{_PATH}?cursor={cursor}")

        assert answer.status_code == 422
        assert [fault["parameter"] for fault in answer.json()["errors"]] == ["cursor"]

    def test_a_cursor_goes_with_its_tier(self, ask: Ask) -> None:
        cursor = ask(f"{_PATH}?tier=A&limit=1").json()["next_cursor"]

        assert ask(f"{_PATH}?tier=B&cursor={cursor}").status_code == 422
        assert ask(f"{_PATH}?tier=A&cursor={cursor}").status_code == 200

    @pytest.mark.parametrize("query", ["limit=0", "limit=10001", "tier=Z", "page=2"])
    def test_a_query_out_of_range_is_422(self, ask: Ask, query: str) -> None:
        assert ask(f"{_PATH}?{query}").status_code == 422

    def test_before_the_first_publication_is_503(self, ask_of: Ask, store: SQLiteStore) -> None:
        assert ask_of(store, _PATH).status_code == 503

    def test_pages_of_a_set_that_is_gone_are_410(self, ask: Ask, scored_store: SQLiteStore) -> None:
        cursor = ask(f"{_PATH}?limit=1").json()["next_cursor"]
        with scored_store.writing() as connection:
            connection.execute(sa.update(SCORES).values(set_id=SCORES.c.set_id + 7))
            connection.execute(sa.text("UPDATE score_sets SET id = id + 7"))
            connection.execute(sa.text("UPDATE published SET set_id = set_id + 7"))

        answer = ask(f"{_PATH}?cursor={cursor}")
        assert (answer.status_code, answer.json()["title"]) == (410, "Pages gone")
        assert "Begin anew" in answer.json()["detail"]


class TestPages:
    def test_they_are_complete_and_in_the_order_of_ids(
        self, ask: Ask, scored_store: SQLiteStore
    ) -> None:
        scores = _turn(ask)

        assert [score["customer_id"] for score in scores] == _ids(scored_store)
        assert scores[0] == ask(f"/v1/customers/{scores[0]['customer_id']}/score").json()
        PageOfScores.model_validate({"scores": scores, "next_cursor": None})

    def test_a_tier_has_its_own(self, ask: Ask) -> None:
        everyone = _turn(ask, "limit=10000")
        wanted = [score for score in everyone if score["tier"]["code"] == "A"]

        assert _turn(ask, "tier=A&limit=37") == wanted

    def test_while_a_set_is_published_they_stay_complete_and_without_doubles(
        self, ask: Ask, scored_store: SQLiteStore, champion: Champion
    ) -> None:
        before = _ids(scored_store)

        def between(n: int) -> None:
            if n == 2:
                _publish(scored_store, champion)

        scores = _turn(ask, between=between)
        assert [score["customer_id"] for score in scores] == before
        assert {score["model"]["digest"] for score in scores} != {champion.bundle.digest}
        assert len({score["model"]["digest"] for score in scores}) == 1

    def test_who_had_a_score_by_an_event_stays_when_it_moves_into_the_new_set(
        self, ask: Ask, scored_store: SQLiteStore
    ) -> None:
        before = _ids(scored_store)
        _live(scored_store, before[0], "new", position=1)

        def between(n: int) -> None:
            if n != 2:
                return
            with scored_store.writing() as connection:
                # As publishing does: the new set holds the event's customer, and all others.
                connection.execute(
                    sa.text(
                        "INSERT INTO score_sets SELECT 99, as_of, scored_at, horizon_days,"
                        " currency, value_basis, discount_rate, policy, model_name, model_version,"
                        " model_digest, signals_digest, ledger_fingerprint, n_customers, company, 1"
                        " FROM score_sets"
                    )
                )
                names = ", ".join(c.name for c in SCORES.c if c.name != "set_id")
                new = f"INSERT INTO scores (set_id, {names}) SELECT 99, {names} FROM "
                for table in ("scores", "live_scores"):
                    connection.execute(sa.text(new + table))
                connection.execute(sa.delete(LIVE_SCORES))
                connection.execute(sa.text("UPDATE published SET set_id = 99"))

        scores = _turn(ask, between=between)
        assert [score["customer_id"] for score in scores] == sorted([*before, "new"])

    def test_an_events_score_stands_for_the_batchs(
        self, ask: Ask, scored_store: SQLiteStore
    ) -> None:
        first = _ids(scored_store)[0]
        _live(scored_store, first, first, position=1)

        assert [score["customer_id"] for score in _turn(ask)] == _ids(scored_store)

    def test_who_opted_out_is_on_none(self, ask: Ask, scored_store: SQLiteStore) -> None:
        first = _ids(scored_store)[0]
        row = {"customer_id": first, "row_key": b"1", "profiling_opt_out": 1}
        with scored_store.writing() as connection:
            connection.execute(sa.insert(LEDGER["customers"]).values(row))

        assert _turn(ask)[0]["customer_id"] != first


class TestCsv:
    def test_it_needs_a_key_that_may_export(self, ask_of: Ask, scored_store: SQLiteStore) -> None:
        for path in (_PATH, "/v1/target-lists/preview"):
            refused = ask_of(scored_store, path, scopes=["lists:read"], headers=_CSV)
            assert refused.status_code == 403
            assert "lists:export" in refused.json()["detail"]
            assert ask_of(scored_store, path, scopes=["lists:read"]).status_code == 200
            both = ["lists:read", "lists:export"]
            assert ask_of(scored_store, path, scopes=both, headers=_CSV).status_code == 200

    def test_the_next_page_is_linked_and_no_id_becomes_a_formula(
        self, ask: Ask, scored_store: SQLiteStore
    ) -> None:
        first = _ids(scored_store)[0]
        with scored_store.writing() as connection:
            is_first = SCORES.c.customer_id == first
            connection.execute(sa.update(SCORES).where(is_first).values(customer_id="=1+1"))

        rows: list[dict[str, str]] = []
        path = f"{_PATH}?limit=1000"
        while path:
            answer = ask(path, headers=_CSV)
            rows += csv.DictReader(io.StringIO(answer.text, newline=""))
            link = answer.headers.get("Link", "")
            path = link.removeprefix("<").removesuffix('>; rel="next"')
        ids = [row["customer_id"] for row in rows]
        assert "'=1+1" in ids
        assert len(set(ids)) == len(ids) == 2357
        assert float(rows[0]["clv_expected"]) >= 0


def test_a_key_without_the_scope_is_403(ask_of: Ask, scored_store: SQLiteStore) -> None:
    assert create_key(scored_store, ["scores:read"])
    assert ask_of(scored_store, _PATH, scopes=["scores:read"]).status_code == 403
