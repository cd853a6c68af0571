from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from serving.app import create_app
from serving.auth import create_key
from serving.store import SQLiteStore

Ask = Callable[..., httpx.Response]


@pytest.fixture
def app(scored_store: SQLiteStore) -> FastAPI:
    """The service with CDNOW's scores."""
    return create_app(scored_store)


@pytest.fixture
def key(scored_store: SQLiteStore) -> dict[str, str]:
    """What lets a request pass."""
    return {"X-API-Key": create_key(scored_store, ["scores:read"])}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/customers/0001/score", 200),
        ("/v1/customers/a/b/score", 404),
        ("/v1/customers/a%2Fb/score", 404),
        ("/v1/customers//score", 422),
        ("/v1/customers/0001/score?fields=worth", 422),
        ("/v1/customers/score", 405),
        ("/v1/customers/0001/score/", 405),
        ("/v1/customers/a%0Ab/score", 404),
    ],
)
def test_it_answers_as_the_router_does(
    ask_app: Ask, app: FastAPI, key: dict[str, str], path: str, status: int
) -> None:
    short = ask_app(app, path, headers=key)
    # Below a path the app leaves all to the router.
    app.root_path = "/"
    routed = ask_app(app, path, headers=key)

    assert short.status_code == routed.status_code == status
    for answer in (short, routed):
        for one_s_own in ("x-request-id", "ratelimit"):
            answer.headers.pop(one_s_own, None)
    assert short.headers == routed.headers
    if status == 200:
        assert short.content == routed.content
    else:
        assert short.json() | {"request_id": ""} == routed.json() | {"request_id": ""}


@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_another_method_is_the_router_s_to_refuse(ask_app: Ask, app: FastAPI, method: str) -> None:
    answer = ask_app(app, "/v1/customers/0001/score", method=method)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


def test_a_fault_is_told_as_everywhere(ask_app: Ask, app: FastAPI, key: dict[str, str]) -> None:
    app.state.lookup = None

    with capture_logs() as log:
        answer = ask_app(app, "/v1/customers/0001/score", headers=key)

    assert (answer.status_code, answer.json()["title"]) == (500, "Internal error")
    assert [line["event"] for line in log] == ["request.failed", "request.answered"]
    assert {line["route"] for line in log} == {"/v1/customers/{customer_id}/score"}
