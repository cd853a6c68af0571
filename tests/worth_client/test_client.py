import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from serving.access.keys import create_key
from serving.access.scopes import SCOPES
from serving.app import create_app
from serving.store import SQLiteStore
from worth_client import ServiceAwayError, WorthClient, WorthError, answers, model_answers

# Operations for those who keep the service up, not for its clients.
_NOT_FOR_CLIENTS = {"tell_health", "tell_readiness", "tell_metrics"}


class _InProcess(httpx.BaseTransport):
    """Sends requests to an app of this process."""

    def __init__(self, app: Any) -> None:
        self._transport = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def send() -> httpx.Response:
            answer = await self._transport.handle_async_request(request)
            content = b"".join([part async for part in answer.stream])  # type: ignore[union-attr]
            return httpx.Response(answer.status_code, headers=answer.headers, content=content)

        return asyncio.run(send())


@pytest.fixture
def worth(scored_store: SQLiteStore) -> Iterator[WorthClient]:
    key = create_key(scored_store, list(SCOPES))
    with WorthClient("http://worth", key, transport=_InProcess(create_app(scored_store))) as client:
        yield client


def _answering(*responses: httpx.Response) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    """A service that answers so, one after the other."""
    waiting, seen = list(responses), []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return waiting.pop(0)

    return httpx.MockTransport(answer), seen


def _problem(status: int, **headers: str) -> httpx.Response:
    content = {"title": "No", "status": status, "detail": "Because."}
    kind = {"Content-Type": "application/problem+json"}
    return httpx.Response(status, json=content, headers=kind | headers)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the service says of itself."""
    store = SQLiteStore.open(tmp_path_factory.mktemp("described") / "worth.db")
    return create_app(store).openapi()


def test_every_operation_is_a_method(described: dict[str, Any]) -> None:
    paths = described["paths"].values()
    operations = {operation["operationId"] for path in paths for operation in path.values()}
    assert operations - _NOT_FOR_CLIENTS == {
        name for name in vars(WorthClient) if not name.startswith("_") and name != "close"
    }


@pytest.mark.parametrize("name", [*answers.__all__, *model_answers.__all__])
def test_every_answer_has_the_fields_the_service_describes(
    described: dict[str, Any], name: str
) -> None:
    schemas = described["components"]["schemas"]
    module = answers if name in answers.__all__ else model_answers
    assert vars(module)[name].__annotations__.keys() == schemas[name]["properties"].keys()


def test_a_score_is_had_with_its_parts(worth: WorthClient) -> None:
    score = worth.get_score("1981", include=["interval"])
    assert score["customer_id"] == "1981"
    assert score["interval"]["lower_80"] == score["clv"]["lower"]


def test_several_scores_are_had_at_once(worth: WorthClient) -> None:
    found = worth.get_scores(["1981", "nobody"])
    assert [score["customer_id"] for score in found["scores"]] == ["1981"]
    assert found["missing"] == ["nobody"]


def test_all_scores_are_gone_through_page_by_page(worth: WorthClient) -> None:
    ids = [score["customer_id"] for score in worth.list_scores()]
    assert len(ids) == 2357
    assert ids == sorted(set(ids))


def test_an_event_is_taken(worth: WorthClient) -> None:
    order = {
        "type": "order",
        "event_id": "e-1",
        "customer_id": "1981",
        "order_id": "o-1",
        "ordered_at": "1998-06-30",
        "lines": [{"revenue": 10.0}],
    }
    assert worth.post_events([order])["answers"][0]["status"] == "accepted"


def test_a_refusal_says_why(worth: WorthClient) -> None:
    with pytest.raises(WorthError, match="There is no score for customer 'nobody'") as refusal:
        worth.get_score("nobody")
    assert refusal.value.status == 404


def test_what_is_asked_to_come_later_is_tried_again_under_the_same_idempotency_key() -> None:
    transport, seen = _answering(
        _problem(503), _problem(429), httpx.Response(200, json={"accepted": 0, "answers": []})
    )
    with WorthClient("http://worth", "key", transport=transport) as worth:
        worth.post_events([])
    assert len(seen) == 3
    assert len({request.headers["Idempotency-Key"] for request in seen}) == 1


def test_patience_ends() -> None:
    transport, seen = _answering(_problem(503, **{"Retry-After": "60"}))
    with (
        WorthClient("http://worth", "key", patience_seconds=1.0, transport=transport) as worth,
        pytest.raises(ServiceAwayError, match="Because"),
    ):
        worth.list_signals()
    assert len(seen) == 1


def test_a_service_that_is_not_there_is_said() -> None:
    with (
        WorthClient("http://127.0.0.1:9", "key", patience_seconds=0.2) as worth,
        pytest.raises(ServiceAwayError, match="No answer"),
    ):
        worth.list_signals()


@pytest.mark.parametrize("status", [500, 502])
def test_an_answer_of_something_else_is_an_error(status: int) -> None:
    transport, _ = _answering(httpx.Response(status, text="<html>"))
    with (
        WorthClient("http://worth", "key", transport=transport) as worth,
        pytest.raises(WorthError) as refusal,
    ):
        worth.list_signals()
    assert refusal.value.status == status


def test_an_id_with_a_slash_stays_one_id() -> None:
    transport, seen = _answering(httpx.Response(200, json={}))
    with WorthClient("http://worth", "key", transport=transport) as worth:
        worth.get_score("a/b?c")
    assert seen[0].url.raw_path == b"/v1/customers/a%2Fb%3Fc/score"
