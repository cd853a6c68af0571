import json
from collections.abc import Callable

import httpx
import pytest

from serving.auth import create_key
from serving.scores.preview_schemas import PreviewWanted
from serving.store import SQLiteStore

Send = Callable[..., httpx.Response]

_PATH = "/v1/scores:batchGet"
_BODY = b'{"customer_ids": ["0001"]}'


def _post(send: Send, body: bytes, media_type: str = "application/json") -> httpx.Response:
    return send(_PATH, method="POST", content=body, headers={"Content-Type": media_type})


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (_BODY, "application/json"),
        (_BODY, "Application/JSON; charset=utf-8"),
        (_BODY, "application/worth+json"),
        (b"\xef\xbb\xbf" + _BODY, "application/json"),
        (_BODY.decode().encode("utf-16"), "application/json"),
        (b'{"customer_ids": ["x"], "customer_ids": ["0001"]}', "application/json"),
    ],
)
def test_what_the_framework_reads_is_read(send: Send, body: bytes, media_type: str) -> None:
    answer = _post(send, body, media_type)

    assert answer.status_code == 200
    assert [score["customer_id"] for score in answer.json()["scores"]] == ["0001"]


@pytest.mark.parametrize(
    ("body", "media_type", "status", "said"),
    [
        (_BODY, "text/plain", 415, "The body must be JSON"),
        (b"", "application/json", 422, "#: Field required"),
        (b'{"customer_ids": [', "application/json", 422, "No JSON at character 18"),
        (b'{"customer_ids": [1]}', "application/json", 422, "#/customer_ids/0: "),
        (b'{"customer_ids": ["\xff"]}', "application/json", 400, "not in UTF-8"),
        (b"[" * 50_000, "application/json", 400, "nested too deep"),
    ],
)
def test_what_is_wrong_with_a_body_is_said_and_counts_once(
    send: Send, body: bytes, media_type: str, status: int, said: str
) -> None:
    answer = _post(send, body, media_type)

    assert answer.status_code == status
    assert said in answer.json()["detail"]
    if "RateLimit" in answer.headers:
        policy = int(answer.headers["RateLimit-Policy"].split("q=")[1].split(";")[0])
        assert answer.headers["RateLimit"] == f'"default";r={policy - 1};t=1'


@pytest.mark.parametrize("path", [_PATH, "/v1/scores:preview"])
def test_a_body_that_is_right_lets_nobody_in(
    send: Send, scored_store: SQLiteStore, path: str
) -> None:
    body = _BODY if path == _PATH else b'{"events": []}'
    headers = {"Content-Type": "application/json"}
    ask = {"method": "POST", "content": body}

    none = send(path, headers=headers | {"X-API-Key": ""}, **ask)
    key = create_key(scored_store, ["lists:read"])
    wrong = send(path, headers=headers | {"X-API-Key": key}, **ask)
    assert (none.status_code, wrong.status_code) == (401, 403)


def test_bytes_and_what_they_hold_are_one_request() -> None:
    line = {"revenue": 1, "quantity": 2.5, "product_id": " P "}
    order = {"type": "order", "order_id": "O", "ordered_at": "1998-05-01", "lines": [line]}
    bill = {"type": "invoice", "invoice_id": "I", "issued_at": "1998-05-01T10:00:00+02:00"}
    events = [order, bill | {"terms_days": 30, "amount": 7}]
    wanted = {"events": events, "as_of": "1998-06-30", "include": ["signals"]}

    read = PreviewWanted.model_validate_json(json.dumps(wanted))
    assert read == PreviewWanted.model_validate(wanted)
