from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from fastapi import APIRouter, Depends, FastAPI, Request

from serving.app import create_app
from serving.auth import create_key, requires
from serving.errors import ServiceError
from serving.idempotency import IdempotentRoute, speaks_of
from serving.options import CompanyFacts, ServiceOptions
from serving.privacy.pseudonym import Pseudonyms
from serving.store import SQLiteStore
from serving.store.tables import IDEMPOTENCY_KEYS

Ask = Callable[..., httpx.Response]
_KEY = {"Idempotency-Key": "order-42"}


class _RefusedError(ServiceError):
    status = 404
    title = "Refused in a test"


class _Counter:
    """Writes that are counted, and may be made to wait or to fail."""

    def __init__(self) -> None:
        self.n = 0
        self.fails: type[Exception] | None = None
        self.may_go_on = Event()
        self.may_go_on.set()
        self.has_begun = Event()

    def router(self) -> APIRouter:
        router = APIRouter(route_class=IdempotentRoute)
        may = [Depends(requires("events:write"))]

        @router.post("/write", dependencies=may, status_code=201)
        def write(request: Request, body: dict[str, Any]) -> dict[str, Any]:
            self.has_begun.set()
            self.may_go_on.wait(10)
            self.n += 1
            if self.fails is not None:
                raise self.fails("as told")
            speaks_of(request, ["a1b2", "c3d4"])
            return {"n": self.n, "of": body}

        @router.delete("/write/{name}", dependencies=may, status_code=204)
        def remove(name: str) -> None:
            self.n += 1

        @router.get("/write", dependencies=may)
        def read() -> int:
            self.n += 1
            return self.n

        return router


@pytest.fixture
def counter() -> _Counter:
    return _Counter()


@pytest.fixture
def app(store: SQLiteStore, counter: _Counter) -> FastAPI:
    app = create_app(store, options=ServiceOptions(request_seconds=5))
    app.include_router(counter.router())
    return app


@pytest.fixture
def key(store: SQLiteStore) -> dict[str, str]:
    return {"X-API-Key": create_key(store, ["events:write"])}


@pytest.fixture
def write(ask_app: Ask, app: FastAPI, key: dict[str, str]) -> Ask:
    def send(body: object = None, headers: dict[str, str] = _KEY, path: str = "/write") -> Any:
        body = {"amount": 3} if body is None else body
        return ask_app(app, path, method="POST", json=body, headers=key | headers)

    return send


def test_a_repeat_is_answered_as_the_first_time_and_done_once(
    write: Ask, counter: _Counter
) -> None:
    first, second, third = write(), write(), write()

    assert counter.n == 1
    assert "Idempotency-Replayed" not in first.headers
    for answer in (second, third):
        assert answer.headers["Idempotency-Replayed"] == "true"
        assert (answer.status_code, answer.content) == (201, first.content)
        assert answer.headers["Content-Type"] == first.headers["Content-Type"]


def test_without_a_key_each_is_done(write: Ask, counter: _Counter) -> None:
    write(headers={})
    write(headers={})

    assert counter.n == 2


def test_another_request_under_the_same_key_is_refused(write: Ask, counter: _Counter) -> None:
    write()
    for answer in (write(body={"amount": 4}), write(path="/write?twice=1")):
        assert answer.status_code == 422
        assert answer.json()["type"] == "/problems/idempotency-key-used-before"
    assert counter.n == 1


def test_a_key_belongs_to_its_caller(
    write: Ask, counter: _Counter, store: SQLiteStore, ask_app: Ask, app: FastAPI
) -> None:
    write()
    other = {"X-API-Key": create_key(store, ["events:write"])} | _KEY

    answer = ask_app(app, "/write", method="POST", json={"amount": 3}, headers=other)

    assert (answer.status_code, counter.n) == (201, 2)


def test_a_key_gives_no_answer_to_who_may_not_ask(
    write: Ask, counter: _Counter, ask_app: Ask, app: FastAPI
) -> None:
    write()

    answer = ask_app(app, "/write", method="POST", json={"amount": 3}, headers=_KEY)

    assert (answer.status_code, counter.n) == (401, 1)


def test_a_repeat_while_the_first_is_at_work_is_told_to_wait(write: Ask, counter: _Counter) -> None:
    counter.may_go_on.clear()
    first = Thread(target=write)
    first.start()
    assert counter.has_begun.wait(10)

    answer = write()
    counter.may_go_on.set()
    first.join()

    assert (answer.status_code, answer.headers["Retry-After"]) == (409, "1")
    assert write().headers["Idempotency-Replayed"] == "true"
    assert counter.n == 1


@pytest.mark.parametrize("error", [_RefusedError, KeyError])
def test_what_was_refused_or_failed_may_be_tried_again(
    write: Ask, counter: _Counter, error: type[Exception]
) -> None:
    counter.fails = error
    assert write().status_code in {404, 500}
    counter.fails = None

    assert write().status_code == 201


def _age(store: SQLiteStore, age: timedelta, **values: object) -> None:
    created = (datetime.now(UTC) - age).isoformat(timespec="microseconds")
    with store.writing() as connection:
        connection.execute(sa.update(IDEMPOTENCY_KEYS).values(created_at=created, **values))


def test_a_request_whose_process_is_gone_is_taken_over(
    write: Ask, counter: _Counter, store: SQLiteStore
) -> None:
    write()
    _age(store, timedelta(seconds=4), status=None)
    assert write().status_code == 409

    _age(store, timedelta(seconds=6), status=None)
    assert write().status_code == 201
    assert counter.n == 2


def test_a_claim_from_before_the_clock_was_set_back_is_taken_over(
    write: Ask, counter: _Counter, store: SQLiteStore
) -> None:
    write()
    _age(store, timedelta(seconds=-4), status=None)  # Another machine's clock, perhaps.
    assert write().status_code == 409

    _age(store, timedelta(hours=-1), status=None)
    assert write().status_code == 201
    assert counter.n == 2


def test_an_answer_is_kept_for_a_day(write: Ask, counter: _Counter, store: SQLiteStore) -> None:
    write()
    _age(store, timedelta(hours=23))
    assert write().headers["Idempotency-Replayed"] == "true"

    _age(store, timedelta(hours=25))
    write(headers={"Idempotency-Key": "another"})
    with store.reading() as connection:
        assert (
            connection.execute(sa.select(sa.func.count()).select_from(IDEMPOTENCY_KEYS)).scalar()
            == 1
        )
    write()
    assert counter.n == 3


def test_a_write_without_an_answer_is_kept_too(
    ask_app: Ask, app: FastAPI, key: dict[str, str], counter: _Counter
) -> None:
    for _ in range(2):
        answer = ask_app(app, "/write/a", method="DELETE", headers=key | _KEY)
        assert (answer.status_code, answer.content) == (204, b"")
    assert counter.n == 1


def test_a_read_needs_no_key(
    ask_app: Ask, app: FastAPI, key: dict[str, str], counter: _Counter
) -> None:
    for _ in range(2):
        ask_app(app, "/write", headers=key | _KEY)

    assert counter.n == 2


@pytest.mark.parametrize("sent", ["", "x" * 201])
def test_a_key_that_is_none_is_refused(write: Ask, counter: _Counter, sent: str) -> None:
    answer = write(headers={"Idempotency-Key": sent})

    assert (answer.status_code, counter.n) == (422, 0)
    assert answer.json()["errors"][0]["parameter"] == "Idempotency-Key"


def test_the_store_keeps_neither_key_nor_request(write: Ask, store: SQLiteStore) -> None:
    write(body={"name": "Mary"}, headers={"Idempotency-Key": "key-of-Mary"})

    with store.reading() as connection:
        row = connection.execute(sa.select(IDEMPOTENCY_KEYS)).one()
    assert row.operation == "POST /write"
    assert row.subjects == "a1b2 c3d4"
    assert "key-of-Mary" not in str(row)


def test_the_document_offers_the_header_for_writes_alone(app: FastAPI) -> None:
    app.openapi_schema = None
    paths = app.openapi()["paths"]

    names = {
        method: [parameter["name"] for parameter in operation.get("parameters", ())]
        for method, operation in paths["/write"].items()
    }
    assert names == {"post": ["Idempotency-Key"], "get": []}


def test_every_write_of_the_service_heeds_the_header(store: SQLiteStore) -> None:
    reads = {"get_scores", "preview_score"}  # They are asked by POST for their bodies alone.
    for operations in create_app(store).openapi()["paths"].values():
        for method, operation in operations.items():
            names = {parameter["name"] for parameter in operation.get("parameters", ())}
            is_write = method != "get" and operation["operationId"] not in reads
            assert ("Idempotency-Key" in names) == is_write, operation["operationId"]


def test_events_are_answered_again_and_forgotten_with_their_customer(
    ask_app: Ask, store: SQLiteStore, key: dict[str, str], tmp_path: Path
) -> None:
    app = create_app(store, CompanyFacts(home=tmp_path))
    order = {
        "event_id": "E-1",
        "type": "order",
        "customer_id": "C-0192",
        "order_id": "O-1",
        "ordered_at": "2024-01-01",
        "lines": [{"revenue": 10}],
    }

    def send() -> httpx.Response:
        return ask_app(
            app, "/v1/events", method="POST", json={"events": [order]}, headers=key | _KEY
        )

    first, second = send(), send()
    assert first.status_code == 200, first.text
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.content == first.content
    with store.reading() as connection:
        row = connection.execute(sa.select(IDEMPOTENCY_KEYS)).one()
    assert row.subjects == Pseudonyms.kept_in(tmp_path).of("C-0192")
    assert "C-0192" not in row.operation
