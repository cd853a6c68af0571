import json
from collections.abc import Callable, Iterator
from typing import Annotated, Literal

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field
from structlog.testing import capture_logs

from serving.app import create_app
from serving.errors import Problem, ServiceError
from serving.store import SQLiteStore
from serving.store.base import UnstorableError

Ask = Callable[..., httpx.Response]


class _Line(BaseModel):
    revenue: float = Field(gt=0)


class _Order(BaseModel):
    kind: Literal["order"]
    lines: list[_Line] = []
    note: str = ""


class _Payment(BaseModel):
    kind: Literal["payment"]
    amount: float


class _Events(BaseModel):
    events: list[Annotated[_Order | _Payment, Field(discriminator="kind")]]


@pytest.fixture
def app(store: SQLiteStore) -> FastAPI:
    """The service, and operations that tests send their inputs to."""
    app = create_app(store)

    @app.post("/take")
    def take(events: _Events) -> int:
        return len(events.events)

    @app.post("/keep")
    def keep(text: dict[str, str]) -> int:
        if "\0" in text["text"]:
            raise UnstorableError("no NUL")
        return len(text["text"].encode())

    @app.post("/nest")
    def nest() -> int:
        raise RecursionError

    @app.get("/fail")
    def fail() -> None:
        raise KeyError("secret")

    return app


def _problem(answer: httpx.Response) -> Problem:
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = Problem.model_validate(answer.json())
    assert problem.status == answer.status_code
    assert problem.request_id == answer.headers["X-Request-ID"]
    return problem


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/", 404, "about:blank"),
        ("GET", "/v1/signals/", 404, "about:blank"),
        ("POST", "/v1/signals", 405, "about:blank"),
        ("DELETE", "/readyz", 405, "about:blank"),
        ("GET", "/docs/../app.py", 404, "about:blank"),
        ("GET", "/v1/signals", 401, "/problems/not-authenticated"),
        ("POST", "/nest", 400, "about:blank"),
    ],
)
def test_every_refusal_is_a_problem_with_the_id_of_its_request(
    ask_app: Ask, app: FastAPI, method: str, path: str, status: int, kind: str
) -> None:
    problem = _problem(ask_app(app, path, method=method))

    assert (problem.status, problem.type) == (status, kind)
    assert problem.title
    assert problem.detail


def test_a_method_that_is_not_allowed_is_told_which_is(ask_app: Ask, app: FastAPI) -> None:
    answer = ask_app(app, "/readyz", method="DELETE")

    assert answer.headers["Allow"] == "GET"
    assert answer.json()["detail"] == "This path takes GET."


def test_no_other_website_may_ask(ask_app: Ask, app: FastAPI) -> None:
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}

    preflight = ask_app(app, "/v1/signals", method="OPTIONS", headers=headers)
    asked = ask_app(app, "/healthz", headers=headers)

    assert _problem(preflight).status == 405
    assert not [name for name in (*preflight.headers, *asked.headers) if "access-control" in name]


def test_a_422_names_each_wrong_parameter(ask: Ask) -> None:
    problem = _problem(ask("/v1/target-lists/preview?limit=0&tier=Z"))

    assert problem.type == "/problems/invalid-request"
    assert {fault.parameter for fault in problem.errors} == {"limit", "tier"}
    assert {fault.pointer for fault in problem.errors} == {None}
    assert "Got 'Z' instead" in problem.detail


@pytest.mark.parametrize(
    ("event", "pointer"),
    [
        (
            {"kind": "order", "lines": [{"revenue": 1}, {"revenue": -1}]},
            "#/events/1/lines/1/revenue",
        ),
        ({"kind": "order", "lines": [{}]}, "#/events/1/lines/0/revenue"),
        ({"kind": "payment"}, "#/events/1/amount"),
        ({"kind": "rain"}, "#/events/1"),
        ({"kind": "order", "note": 7}, "#/events/1/note"),
    ],
)
def test_a_422_points_into_the_body(
    ask_app: Ask, app: FastAPI, event: object, pointer: str
) -> None:
    body = {"events": [{"kind": "order"}, event]}

    problem = _problem(ask_app(app, "/take", method="POST", json=body))

    assert [(fault.pointer, fault.parameter) for fault in problem.errors] == [(pointer, None)]
    assert problem.detail.startswith(f"{pointer}: ")


def test_a_thousand_faults_are_told_by_the_first_twenty(ask_app: Ask, app: FastAPI) -> None:
    body = {"events": [{"kind": "order", "note": 1}] * 1000}

    problem = _problem(ask_app(app, "/take", method="POST", json=body))

    assert len(problem.errors) == 20


def test_what_is_no_json_is_pointed_at(ask_app: Ask, app: FastAPI) -> None:
    headers = {"Content-Type": "application/json"}

    problem = _problem(ask_app(app, "/take", method="POST", content='{"a": ', headers=headers))

    assert (problem.status, problem.errors[0].pointer) == (422, "#")
    assert problem.errors[0].detail.startswith("No JSON at character 6")


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", None])
def test_a_body_that_is_not_said_to_be_json_is_415(
    ask_app: Ask, app: FastAPI, kind: str | None
) -> None:
    headers = {"Content-Type": kind} if kind else {}

    answer = ask_app(app, "/take", method="POST", content=b'{"events": []}', headers=headers)

    assert _problem(answer).status == 415
    assert answer.headers["Accept"] == "application/json"


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"events":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"events": "\xff\xfe"}',
    ],
)
def test_a_body_that_cannot_be_read_is_400(ask_app: Ask, app: FastAPI, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}

    assert (
        _problem(ask_app(app, "/take", method="POST", content=content, headers=headers)).status
        == 400
    )


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "a\udfffb"])
def test_a_text_that_cannot_be_stored_is_422(ask_app: Ask, app: FastAPI, text: str) -> None:
    headers = {"Content-Type": "application/json"}
    content = json.dumps({"text": text})

    assert (
        _problem(ask_app(app, "/keep", method="POST", content=content, headers=headers)).status
        == 422
    )


@pytest.mark.parametrize("key", ["\ud800", "a/b~c", "‮", "k" * 10_000])
def test_a_strange_key_does_not_break_its_pointer(ask_app: Ask, app: FastAPI, key: str) -> None:
    headers = {"Content-Type": "application/json"}
    content = json.dumps({"text": "", key: {}})

    answer = ask_app(app, "/keep", method="POST", content=content, headers=headers)

    problem = _problem(answer)
    assert problem.status == 422
    assert len(problem.detail) < 1000


def _kinds(kind: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _kinds(child)


def test_each_kind_of_refusal_has_a_title_of_its_own(app: FastAPI) -> None:
    del app  # It has imported them all.
    kinds = {kind for kind in _kinds(ServiceError) if "status" in vars(kind)}
    titles = {(kind.title, kind.status) for kind in kinds}

    assert len({title for title, _ in titles}) == len(titles)


def test_a_fault_hides_its_details(ask_app: Ask, app: FastAPI) -> None:
    with capture_logs() as log:
        answer = ask_app(app, "/fail")

    problem = _problem(answer)
    assert [entry["event"] for entry in log] == ["request.failed", "request.answered"]
    assert log[0]["request_id"] == log[1]["request_id"] == problem.request_id
    assert (problem.status, problem.title) == (500, "Internal error")
    assert problem.detail == "The service failed. Its log says why."
    assert "secret" not in answer.text


def test_a_store_that_fails_is_503_without_its_words(ask: Ask, scored_store: SQLiteStore) -> None:
    with scored_store.writing() as connection:
        connection.exec_driver_sql("DROP TABLE scores")

    answer = ask("/v1/customers/0001/score")

    assert _problem(answer).detail == "The store did not answer."
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
