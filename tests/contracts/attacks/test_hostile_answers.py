"""What comes back to people: CSV without formulas, ids without line ends, no file but ours."""

import csv
import io
from collections.abc import Callable

import httpx
import pytest
import sqlalchemy as sa

from serving.store import SQLiteStore
from serving.store.tables import SCORES

Attack = Callable[..., list[httpx.Response]]


@pytest.mark.parametrize("part", ["score", "history", "record"])
def test_to_delete_a_part_of_a_customer_erases_nobody(attack: Attack, part: str) -> None:
    url = f"/v1/customers/0005/{part}"
    requests = [{"method": method, "url": url, "headers": {}} for method in ("DELETE", "GET")]
    refusal, read = attack(requests)

    assert (refusal.status_code, refusal.headers["Allow"]) == (405, "GET")
    assert refusal.json()["detail"] == "This path takes GET."
    assert read.status_code == 200


_FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1"]


def test_no_csv_holds_a_formula(attack: Attack, attacked_store: SQLiteStore) -> None:
    with attacked_store.writing() as connection:
        row = dict(connection.execute(sa.select(SCORES).limit(1)).mappings().one())
        for formula in _FORMULAS:
            hostile = row | {"customer_id": formula, "clv_expected": 1e6, "tier": "A"}
            connection.execute(sa.insert(SCORES).values(hostile))
    urls = ("/v1/scores?limit=10000", "/v1/target-lists/preview?limit=10000")
    requests = [{"method": "GET", "url": url, "headers": {"Accept": "text/csv"}} for url in urls]

    for answer in attack(requests):
        rows = list(csv.reader(io.StringIO(answer.text, newline="")))
        texts = {cell for row in rows[1:] for cell in row if not _is_number(cell)}
        assert {f"'{formula}" for formula in _FORMULAS} <= texts
        assert not [text for text in texts if text.startswith(tuple("=+-@\t\r\n＝＋－＠"))]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_a_request_id_that_is_no_word_is_replaced(attack: Attack) -> None:
    hostile = [b"a\r\nSet-Cookie: own=1", b"a\nb", b"a" * 10_000, b"<script>", b"\xff\x00", b"=1+1"]
    requests = [
        {"method": "GET", "url": "/v1/nowhere", "headers": {"X-Request-ID": sent}}
        for sent in hostile
    ]

    for answer in attack(requests):
        assert answer.headers["X-Request-ID"].isalnum()
        assert len(answer.headers["X-Request-ID"]) == 16


@pytest.mark.parametrize("path", ["/docs/../../etc/passwd", "/docs/%2e%2e/%2e%2e/etc/passwd"])
@pytest.mark.parametrize("tail", ["", "?url=https://example.org/<script>"])
def test_the_pages_for_people_serve_no_other_file(attack: Attack, path: str, tail: str) -> None:
    (answer,) = attack([{"method": "GET", "url": f"{path}{tail}", "headers": {}}])

    assert answer.status_code == 404
