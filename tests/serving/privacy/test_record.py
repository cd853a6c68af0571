import json
from collections.abc import Callable

import httpx
import pytest
import sqlalchemy as sa

from serving.access.keys import list_keys
from serving.audit import last_rows
from serving.store import SQLiteStore
from serving.store.tables import LEDGER

Ask = Callable[..., httpx.Response]
_PATH = "/v1/customers/1981/record"
_ONLY = ["subjects:erase"]


def test_of_an_unknown_person_nothing_is_held(ask: Ask) -> None:
    answer = ask("/v1/customers/nobody/record", scopes=_ONLY)
    assert answer.status_code == 404
    assert "Nothing is held about customer 'nobody'" in answer.json()["detail"]


def test_a_record_holds_the_ledger_the_score_the_signals_and_the_history(ask: Ask) -> None:
    told = ask(_PATH, scopes=_ONLY).json()

    assert told["customer_id"] == told["score"]["customer_id"] == "1981"
    lines = told["ledger"]["order_lines"]
    assert sum(line["revenue"] for line in lines) == told["score"]["historic_value"]
    assert told["first_known_on"] == min(line["day"] for line in lines)
    assert told["signals"]["n_purchase_days"] == len({line["day"] for line in lines})
    assert [former["tier"] for former in told["former_scores"]] == [told["score"]["tier"]["code"]]


def test_the_account_says_the_score_in_plain_words(ask: Ask) -> None:
    told = ask(_PATH, scopes=_ONLY).json()
    text = " ".join(told["account"])

    assert f"{told['score']['clv']['expected']:,.2f} USD" in text
    assert f"class {told['score']['tier']['code']}" in text
    assert "days before" in text


def test_who_opted_out_has_a_record_without_a_score(ask: Ask, scored_store: SQLiteStore) -> None:
    with scored_store.writing() as connection:
        connection.execute(
            sa.insert(LEDGER["customers"]).values(
                customer_id="1981", row_key=b"k", profiling_opt_out=1
            )
        )
    told = ask(_PATH, scopes=_ONLY).json()

    assert (told["score"], told["signals"]) == (None, None)
    assert "opted out of profiling" in told["account"][0]
    assert told["ledger"]["order_lines"]


def test_who_read_a_record_stands_in_the_audit_log_and_whose_does_not(
    ask: Ask, scored_store: SQLiteStore
) -> None:
    ask("/v1/customers/nobody/record", scopes=_ONLY)
    ask(_PATH, scopes=_ONLY)

    with scored_store.reading() as connection:
        newest = last_rows(connection, 1)[0]
        n_read = [row["action"] for row in last_rows(connection, 99)].count("record.read")
    with_key = [key.prefix for key in list_keys(scored_store)]
    assert (newest["action"], n_read) == ("record.read", 1)
    assert newest["actor"] in with_key
    assert newest["object"] != "1981"
    assert len(newest["object"]) == 64


def test_an_erased_person_is_gone_for_every_reader(ask: Ask) -> None:
    receipt = ask("/v1/customers/1981", method="DELETE", scopes=_ONLY)

    assert receipt.status_code == 200
    assert receipt.json()["removed"]["scores"] == 1
    assert "1981" not in json.dumps(receipt.json()["removed"])
    assert ask("/v1/customers/1981/score").status_code == 404
    assert ask(_PATH, scopes=_ONLY).status_code == 404


@pytest.mark.parametrize("part", ["score", "history", "record"])
def test_an_id_that_ends_like_another_path_is_erased_by_its_encoded_slash(
    ask_of: Ask, store: SQLiteStore, part: str
) -> None:
    with store.writing() as connection:
        for who in ("A", f"A/{part}"):
            row = {"customer_id": who, "row_key": who.encode()}
            connection.execute(sa.insert(LEDGER["customers"]).values(row))

    refused = ask_of(store, f"/v1/customers/A/{part}", method="DELETE", scopes=_ONLY)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET")
    erased = ask_of(store, f"/v1/customers/A%2F{part}", method="DELETE", scopes=_ONLY)
    assert erased.json()["removed"] == {"customers": 1}
    with store.reading() as connection:
        assert connection.scalars(sa.select(LEDGER["customers"].c.customer_id)).all() == ["A"]
