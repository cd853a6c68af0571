"""Hostile bodies at every operation that takes one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from serving.app import create_app
from serving.errors import PROBLEM
from serving.options import ServiceOptions
from serving.store import SQLiteStore

Attack = Callable[..., list[httpx.Response]]

_DAY = "1998-06-01"
_NESTED = b"[" * 100_000 + b"]" * 100_000
_JSON = {"Content-Type": "application/json"}
_BODY_ATTACKS: dict[str, tuple[bytes, dict[str, str], set[int]]] = {
    "nothing": (b"", _JSON, {400, 422}),
    "no JSON": (b"customer_ids=1", _JSON, {400, 422}),
    "cut off": (b'{"events": [{"type": "or', _JSON, {400, 422}),
    "100,000 brackets": (_NESTED, _JSON, {400, 422}),
    "100,000 braces": (b'{"events":' * 100_000, _JSON, {400, 422}),
    "a deep value": (b'{"reason": ' + _NESTED + b"}", _JSON, {400, 422}),
    "not UTF-8": (b'{"reason": "\xff\xfe"}', _JSON, {400, 422}),
    # Only some of JSON's readers know it.
    "UTF-32": ('{"reason": "x"}'.encode("utf-32"), _JSON, {400, 404, 409, 422}),
    "infinite": (b'{"version": 1e400, "events": 1e400, "customer_ids": 1e400}', _JSON, {422}),
    "NaN": (b'{"version": NaN, "events": [NaN], "customer_ids": [NaN]}', _JSON, {400, 422}),
    "a number of 100,000 digits": (b'{"reason": ' + b"9" * 100_000 + b"}", _JSON, {400, 422}),
    "no object": (b'"text"', _JSON, {422}),
    "10 MB": (b'{"reason": "' + b"x" * 10_000_000 + b'"}', _JSON, {413}),
    "another type": (b"<reason/>", {"Content-Type": "application/xml"}, {415}),
    "a form": (b"reason=x", {"Content-Type": "application/x-www-form-urlencoded"}, {415}),
    "an unreadable type": (b"{}", {"Content-Type": "json; charset=\x00\x01"}, {415, 422}),
    "gzip": (b"\x1f\x8b\x08\x00", _JSON | {"Content-Encoding": "gzip"}, {400, 415, 422}),
}


@pytest.mark.parametrize("kind", _BODY_ATTACKS)
def test_a_hostile_body_is_refused_in_a_sentence(
    attack: Attack, operations: Any, kind: str
) -> None:
    content, headers, statuses = _BODY_ATTACKS[kind]
    wheres = [operation["operationId"] for _, _, operation in _taking_bodies(operations)]
    requests = [
        {"method": method, "url": path, "content": content, "headers": headers}
        for method, path, _ in _taking_bodies(operations)
    ]

    for where, answer in zip(wheres, attack(requests), strict=True):
        assert answer.status_code in statuses, (where, answer.text[:500])


def _taking_bodies(operations: Any) -> list[tuple[str, str, dict[str, Any]]]:
    return [one for one in operations if "requestBody" in one[2]]


def test_a_body_in_parts_is_refused_where_it_becomes_too_large(
    attack: Attack, operations: Any
) -> None:
    sent = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += 1
            yield b"x" * 100_000

    for method, path, _ in _taking_bodies(operations):
        sent = 0
        request = {"method": method, "url": path, "content": parts(), "headers": _JSON}
        (answer,) = attack([request])

        assert answer.status_code == 413
        assert sent <= 51  # of 5 MB


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("field", ["revenue", "quantity", "cost", "discount"])
def test_no_number_without_an_end_is_taken_in(attack: Attack, field: str, number: str) -> None:
    line = f'{{"revenue": 1.0, "{field}": {number}}}'
    order = f'{{"type": "order", "order_id": "o", "ordered_at": "{_DAY}", "lines": [{line}]'
    preview = f'{{"events": [{order}}}]}}'
    event = f'{{"events": [{order}, "event_id": "e", "customer_id": "0002"}}]}}'
    doors = (("/v1/scores:preview", preview), ("/v1/events", event))
    requests = [
        {"method": "POST", "url": url, "content": body.encode(), "headers": _JSON}
        for url, body in doors
    ]

    for answer in attack(requests):
        assert answer.status_code in {400, 422}, answer.text


def test_of_a_name_that_stands_twice_all_doors_take_the_last(attack: Attack) -> None:
    # RFC 8259 leaves it open. What must not be is that one reader checks the first of them and
    # another does what the last says.
    event = (
        f'{{"type": "order", "event_id": "twice", "customer_id": "0001", "customer_id": "0004", '
        f'"order_id": "o", "ordered_at": "{_DAY}", "lines": [{{"revenue": 1e400, '
        '"revenue": 2.0}]}'
    )
    batch = '{"customer_ids": ["0001"], "customer_ids": ["0004"], "fields": ["customer_id"]}'
    sent = [("/v1/scores:batchGet", batch), ("/v1/events", f'{{"events": [{event}]}}')]
    requests = [
        {"method": "POST", "url": url, "content": body.encode(), "headers": _JSON}
        for url, body in sent
    ]
    read, written = attack(requests)

    assert [score["customer_id"] for score in read.json()["scores"]] == ["0004"]
    assert [answer["customer_id"] for answer in written.json()["answers"]] == ["0004"]


@pytest.mark.parametrize("path", ["/v1/events", "/v1/scores:batchGet", "/v1/models:pin"])
def test_a_body_that_drips_in_is_cut_off(
    attacked_store: SQLiteStore, headers: dict[str, str], path: str
) -> None:
    app = create_app(attacked_store, options=ServiceOptions(request_seconds=0.3))

    async def drip() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" "
            await asyncio.sleep(0.1)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://worth"
        ) as client:
            return await client.post(path, content=drip(), headers=headers | _JSON)

    answer = asyncio.run(ask())

    assert answer.status_code in {408, 503}
    assert answer.headers["content-type"] == PROBLEM
