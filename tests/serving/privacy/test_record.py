import json
from collections.abc import Callable

import httpx
import sqlalchemy as sa

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


def test_an_erased_person_is_gone_for_every_reader(ask: Ask) -> None:
    receipt = ask("/v1/customers/1981", method="DELETE", scopes=_ONLY)

    assert receipt.status_code == 200
    assert receipt.json()["removed"]["scores"] == 1
    assert "1981" not in json.dumps(receipt.json()["removed"])
    assert ask("/v1/customers/1981/score").status_code == 404
    assert ask(_PATH, scopes=_ONLY).status_code == 404
