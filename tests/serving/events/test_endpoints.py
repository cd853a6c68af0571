"""POST /v1/events: first the refusals, then the answer."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import httpx
import pytest
import sqlalchemy as sa

from serving.auth import Scope, create_key
from serving.events import intake
from serving.privacy.pseudonym import Pseudonyms
from serving.store import SQLiteStore, Store, StoreError
from serving.store.tables import (
    EVENTS,
    LEDGER,
    LIVE_SCORES,
    SCORE_CHANGES,
    SUPPRESSED,
    UNSCORED,
)

Post = Callable[..., httpx.Response]
_DAYS = [("C-1", 0, 20.0), ("C-1", 30, 25.0), ("C-2", 10, 5.0), ("C-3", 60, 80.0)]


@pytest.fixture
def known(store: SQLiteStore, load: Callable[..., int], first_set: Callable[[Store], int]) -> Store:
    """A store with three customers and their scores; its last day is 2024-03-01."""
    load(_DAYS)
    first_set(store)
    return store


@pytest.fixture
def post_to(app_of: Callable[..., Any]) -> Post:
    """Send events to the app of a store."""

    def send(
        store: Store,
        events: Sequence[Any],
        *,
        body: bytes | None = None,
        media_type: str = "application/json",
        scopes: Sequence[Scope] = ("events:write",),
        **company: Any,
    ) -> httpx.Response:
        key = create_key(store, list(scopes))
        content = json.dumps({"events": events}).encode() if body is None else body
        headers = {"Authorization": f"Bearer {key}", "Content-Type": media_type}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app_of(store, **company), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://worth") as client:
                return await client.post("/v1/events", content=content, headers=headers)

        return asyncio.run(ask())

    return send


@pytest.fixture
def post(known: Store, post_to: Post) -> Post:
    """Send events to the service of three customers."""
    return lambda *events, **more: post_to(known, events, **more)


def _pointers(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [fault["pointer"] for fault in answer.json()["errors"]]


def _n_rows(store: Store, table: sa.Table) -> int:
    with store.reading() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


class TestRefusals:
    def test_needs_its_scope(self, post: Post, order: Callable[..., Any]) -> None:
        assert post(order(), scopes=["scores:read"]).status_code == 403

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("customer_id", ""),
            ("customer_id", " "),
            ("customer_id", "a\0b"),
            ("customer_id", "x" * 201),
            ("event_id", 7),
            ("ordered_at", "2024-02-30"),
            ("ordered_at", "2024-03-01T10:00:00"),
            ("ordered_at", "01.03.2024"),
            ("ordered_at", "1900-01-01"),
            ("ordered_at", "2999-01-01"),
            ("ordered_at", 5),
            ("currency", "EUR"),
            ("currency", "usd"),
            ("lines", []),
            ("note", "unknown field"),
        ],
    )
    def test_point_to_the_field(
        self, field: str, value: object, known: Store, post: Post, order: Callable[..., Any]
    ) -> None:
        answer = post(order("e-0"), order(**{field: value}))
        assert _pointers(answer) == [f"#/events/1/{field}"]
        assert _n_rows(known, EVENTS) == 0  # all or nothing

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1e13", '"5"'])
    def test_take_no_number_that_is_none(
        self, number: str, post: Post, order: Callable[..., Any]
    ) -> None:
        body = json.dumps({"events": [order(revenue=4711.0)]}).replace("4711.0", number)
        assert _pointers(post(body=body.encode())) == ["#/events/0/lines/0/revenue"]

    @pytest.mark.parametrize(
        ("event", "pointer"),
        [
            ({"type": "invoice", "invoice_id": "I", "issued_at": "2024-02-01", "amount": 5}, ""),
            (
                {
                    "type": "invoice",
                    "invoice_id": "I",
                    "issued_at": "2024-02-02",
                    "due_at": "2024-02-01",
                    "amount": 5,
                },
                "/due_at",
            ),
            (
                {"type": "payment", "invoice_id": "I", "paid_at": "2024-02-02", "amount": 0},
                "/amount",
            ),
            ({"type": "interaction", "contacted_at": "2024-02-02", "kind": "chat"}, "/kind"),
            (
                {
                    "type": "interaction",
                    "contacted_at": "2024-02-02",
                    "kind": "complaint",
                    "topic": "weather",
                },
                "",
            ),
            (
                {
                    "type": "interaction",
                    "contacted_at": "2024-02-02",
                    "kind": "survey",
                    "satisfaction": 1.1,
                },
                "/satisfaction",
            ),
            (
                {
                    "type": "interaction",
                    "contacted_at": "2024-02-02",
                    "kind": "complaint",
                    "resolved_at": "2024-02-01",
                },
                "/resolved_at",
            ),
            ({"type": "customer", "marketing_consent": "yes"}, "/marketing_consent"),
            ({"type": "customer", "attributes": {"a": [1]}}, "/attributes/a"),
            ({"type": "refund"}, ""),
        ],
    )
    def test_hold_the_rules_of_files(
        self, event: Mapping[str, Any], pointer: str, post: Post
    ) -> None:
        answer = post({"event_id": "e", "customer_id": "C-1", **event})
        assert f"#/events/0{pointer}" in _pointers(answer)

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"events": []}', b'{"events": 1}'])
    def test_of_no_events(self, body: bytes, post: Post) -> None:
        assert post(body=body).status_code in {400, 422}

    def test_of_a_thousand_and_one(self, post: Post, order: Callable[..., Any]) -> None:
        assert post(*(order(f"e-{n}") for n in range(1_001))).status_code == 422

    def test_of_another_media_type(self, post: Post) -> None:
        assert post(media_type="text/csv").status_code == 415

    def test_of_a_line_that_is_no_json_point_to_it(
        self, post: Post, order: Callable[..., Any]
    ) -> None:
        body = json.dumps(order()).encode() + b'\n\n{"type": \n'
        answer = post(body=body, media_type="application/x-ndjson")
        assert _pointers(answer) == ["#/events/1"]


class TestAnswer:
    def test_is_the_new_score_and_readers_see_it(
        self, known: Store, post: Post, order: Callable[..., Any]
    ) -> None:
        answer = post(order(customer_id="C-2"))
        assert answer.status_code == 200
        assert answer.headers["Worth-Repeated"] == "0"
        (event,) = answer.json()["answers"]
        assert (event["status"], event["position"]) == ("accepted", 1)
        assert event["score"]["historic_value"] == 25.0
        assert event["score"]["as_of"] == "2024-03-01"
        with known.reading() as connection:
            live = connection.execute(sa.select(LIVE_SCORES)).one()
        assert live.clv_expected == event["score"]["clv"]["expected"]
        assert _n_rows(known, UNSCORED) == 0

    def test_of_a_repeat_is_the_first_one(
        self, known: Store, post: Post, order: Callable[..., Any]
    ) -> None:
        first = post(order())
        post(order("e-2"))
        again = post(order(), order())
        assert again.headers["Worth-Repeated"] == "2"
        assert again.json()["answers"] == first.json()["answers"] * 2
        assert _n_rows(known, EVENTS) == 2

    def test_of_one_id_with_another_content_is_a_conflict_and_others_go_on(
        self, known: Store, post: Post, order: Callable[..., Any]
    ) -> None:
        post(order())
        answer = post(order(revenue=21.0), order("e-2"), order("e-2", revenue=1.0))
        assert [a["status"] for a in answer.json()["answers"]] == [
            "conflict",
            "accepted",
            "conflict",
        ]
        assert answer.json()["accepted"] == 1
        assert _n_rows(known, LEDGER["order_lines"]) == len(_DAYS) + 2

    def test_of_lines_is_that_of_one_object(self, post: Post, order: Callable[..., Any]) -> None:
        body = b"\n".join(json.dumps(order(f"e-{n}")).encode() for n in range(3))
        answer = post(body=body, media_type="application/x-ndjson")
        assert answer.json()["accepted"] == 3

    def test_is_of_the_company_s_day(self, known: Store, post: Post, order: Any) -> None:
        post(order(ordered_at="2024-03-01T23:30:00+00:00"), time_zone="Asia/Tokyo")
        with known.reading() as connection:
            days = connection.scalars(sa.select(LEDGER["order_lines"].c.day)).all()
        assert max(days) == 19_784  # 2024-03-02

    def test_of_an_erased_customer_is_that_they_stay_out(
        self, known: Store, post: Post, order: Callable[..., Any], tmp_path: Any
    ) -> None:
        subject = Pseudonyms.kept_in(tmp_path).of("C-1")
        with known.writing() as connection:
            row = {"subject": subject, "erased_at": "2024-01-01", "receipt": "{}"}
            connection.execute(sa.insert(SUPPRESSED).values(**row))
        answer = post(order(), order("e-2", customer_id="C-2"))
        assert [a["status"] for a in answer.json()["answers"]] == ["suppressed", "accepted"]
        assert _n_rows(known, EVENTS) == 1

    def test_without_a_model_says_so_and_keeps_the_event(
        self, known: Store, post: Post, order: Callable[..., Any]
    ) -> None:
        answer = post(order(), model=None).json()["answers"][0]
        assert answer["score"] is None
        assert "No model is loaded" in answer["score_missing"]
        assert post(order()).json()["answers"] == [answer]
        assert _n_rows(known, UNSCORED) == 1  # The score is owed still.

    def test_before_anything_is_published_says_so(
        self, store: SQLiteStore, post_to: Post, order: Callable[..., Any]
    ) -> None:
        answer = post_to(store, [order()]).json()["answers"][0]
        assert "published" in answer["score_missing"]

    def test_of_a_customer_who_never_bought_has_no_score(self, post: Post) -> None:
        visit = {"type": "interaction", "contacted_at": "2024-03-01", "kind": "visit"}
        answer = post({**visit, "event_id": "e", "customer_id": "new"}).json()["answers"][0]
        assert "No purchase" in answer["score_missing"]


class TestCustomers:
    def _row(self, store: Store) -> Any:
        with store.reading() as connection:
            return connection.execute(sa.select(LEDGER["customers"])).one()

    def test_change_what_is_given_and_keep_the_rest(self, known: Store, post: Post) -> None:
        event = {"type": "customer", "customer_id": "C-1"}
        post({**event, "event_id": "1", "name": "Ann", "attributes": {"size": 4, "sector": "x"}})
        post({**event, "event_id": "2", "region": "North", "attributes": {"size": 5}})
        post({**event, "event_id": "3", "name": None, "attributes": {"sector": None}})
        row = self._row(known)
        assert (row.name, row.region) == (None, "North")
        assert json.loads(row.attributes) == {"size": 5}

    def test_who_opt_out_are_not_scored_until_they_opt_in(self, post: Post) -> None:
        event = {"type": "customer", "customer_id": "C-1"}
        out = post({**event, "event_id": "1", "profiling_opt_out": True}).json()["answers"][0]
        assert "opted out" in out["score_missing"]
        back = post({**event, "event_id": "2", "profiling_opt_out": False}).json()["answers"][0]
        assert back["score"] is not None


class TestReceivables:
    _INVOICE: ClassVar[dict[str, Any]] = {
        "type": "invoice",
        "event_id": "i",
        "customer_id": "C-1",
        "invoice_id": "I-1",
        "issued_at": "2024-02-10",
        "terms_days": 30,
        "amount": 100.0,
    }
    _PAYMENT: ClassVar[dict[str, Any]] = {
        "type": "payment",
        "event_id": "p",
        "customer_id": "C-1",
        "invoice_id": "I-1",
        "paid_at": "2024-02-01",
        "amount": 100.0,
    }

    @pytest.mark.parametrize("is_paid_first", [False, True])
    def test_a_prepayment_counts_from_the_invoice_on_whichever_came_first(
        self, is_paid_first: bool, known: Store, post: Post
    ) -> None:
        told = [self._INVOICE, self._PAYMENT]
        for event in reversed(told) if is_paid_first else told:
            post(event)
        with known.reading() as connection:
            assert connection.scalars(sa.select(LEDGER["payments"].c.day)).all() == [19_763]

    @pytest.mark.parametrize("is_disputed_first", [False, True])
    def test_what_is_told_anew_forgets_nothing(
        self, is_disputed_first: bool, known: Store, post: Post
    ) -> None:
        told = [self._INVOICE, {**self._INVOICE, "event_id": "d", "disputed_at": "2024-02-20"}]
        for event in reversed(told) if is_disputed_first else told:
            post(event)
        with known.reading() as connection:
            (row,) = connection.execute(sa.select(LEDGER["invoices"])).all()
        assert (row.due_day - row.day, row.disputed_day) == (30, 19_773)


class TestCrash:
    def test_between_the_two_transactions_loses_no_event_and_no_score(
        self,
        known: Store,
        post: Post,
        order: Callable[..., Any],
        app_of: Callable[..., Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def fail(*_: object) -> None:
            raise StoreError("The power is gone.")

        with monkeypatch.context() as broken:
            broken.setattr(intake, "publish_live", fail)
            answer = post(order())
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
        assert (_n_rows(known, EVENTS), _n_rows(known, UNSCORED)) == (1, 1)
        assert intake.score_pending(app_of(known).state.service) == 1
        assert (_n_rows(known, UNSCORED), _n_rows(known, SCORE_CHANGES)) == (0, 1)
        again = post(order())
        assert again.headers["Worth-Repeated"] == "1"
        assert again.json()["answers"][0]["score"]["historic_value"] == 65.0

    def test_is_made_good_by_the_repeat_too(
        self, known: Store, post: Post, order: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise StoreError("The power is gone.")

        with monkeypatch.context() as broken:
            broken.setattr(intake, "publish_live", fail)
            post(order())
        assert post(order()).json()["answers"][0]["score"] is not None


class TestManyTills:
    def test_are_answered_together_and_reads_do_not_wait_for_them(
        self, known: Store, order: Callable[..., Any], app_of: Callable[..., Any]
    ) -> None:
        key = create_key(known, ["events:write", "scores:read"])
        app, n_tills = app_of(known), 60
        headers = {"Authorization": f"Bearer {key}"}

        async def ask() -> tuple[httpx.Response, list[httpx.Response]]:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://worth", headers=headers, timeout=60
            ) as client:
                with app.state.intake._turn:  # No event gets into the store meanwhile.
                    posts = [
                        asyncio.create_task(
                            client.post("/v1/events", json={"events": [order(f"e-{n}")]})
                        )
                        for n in range(n_tills)
                    ]
                    limiter = app.state.intake.limiter
                    while limiter.borrowed_tokens < limiter.total_tokens:
                        await asyncio.sleep(0.01)
                    score = client.get("/v1/customers/C-2/score")
                    read = await asyncio.wait_for(score, timeout=60)
                return read, await asyncio.gather(*posts)

        read, answers = asyncio.run(ask())
        assert read.status_code == 200
        assert {answer.status_code for answer in answers} == {200}
        told = [answer.json()["answers"][0] for answer in answers]
        assert len({one["position"] for one in told}) == n_tills
        assert all(one["score"]["historic_value"] >= 65.0 for one in told)
        assert (_n_rows(known, EVENTS), _n_rows(known, UNSCORED)) == (n_tills, 0)
        assert _n_rows(known, SCORE_CHANGES) < n_tills
