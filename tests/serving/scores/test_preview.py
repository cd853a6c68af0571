from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from features.ledger import date_of
from serving.scores.preview_schemas import Preview
from serving.store import SQLiteStore
from serving.store.tables import LEDGER, METADATA

Send = Callable[..., httpx.Response]

_ORDERS = [
    {
        "type": "order",
        "order_id": f"O-{n}",
        "ordered_at": f"1998-0{n}-0{n}",
        "lines": [{"revenue": 10.0 * n, "quantity": n}, {"revenue": 5.0}],
    }
    for n in range(1, 6)
]


def _preview(send: Send, **wanted: Any) -> httpx.Response:
    kept = {name: wanted.pop(name) for name in ("champion",) if name in wanted}
    return send("/v1/scores:preview", method="POST", json=wanted, **kept)


def _events_of(store: SQLiteStore, customer_id: str) -> list[dict[str, Any]]:
    lines = LEDGER["order_lines"].c
    with store.reading() as connection:
        rows = connection.execute(sa.select(lines).where(lines.customer_id == customer_id)).all()
    return [
        {
            "type": "order",
            "order_id": row.order_id,
            "ordered_at": date_of(row.day).isoformat(),
            "lines": [{"revenue": row.revenue, "quantity": row.quantity}],
        }
        for row in rows
    ]


class TestRefusals:
    @pytest.mark.parametrize(
        ("wanted", "pointer"),
        [
            ({"events": [{"type": "order"}]}, "#/events/0/order_id"),
            ({"events": [_ORDERS[0] | {"ordered_at": "3000-01-01"}]}, "#/events/0/ordered_at"),
            ({"events": [_ORDERS[0] | {"currency": "EUR"}]}, "#/events/0/currency"),
            ({"events": _ORDERS, "as_of": "yesterday"}, "#/as_of"),
            ({"events": _ORDERS, "basket": []}, "#/basket"),
            ({"events": _ORDERS, "include": ["reasons"]}, "#/include/0"),
        ],
    )
    def test_what_cannot_be_believed_is_422_and_pointed_to(
        self, send: Send, wanted: dict[str, Any], pointer: str
    ) -> None:
        answer = _preview(send, **wanted)

        assert answer.status_code == 422
        assert pointer in [fault["pointer"] for fault in answer.json()["errors"]]

    @pytest.mark.parametrize("wanted", [{}, {"events": _ORDERS, "as_of": "1997-12-31"}])
    def test_a_history_without_a_purchase_is_nothing_to_score(
        self, send: Send, wanted: dict[str, Any]
    ) -> None:
        answer = _preview(send, **wanted)

        assert (answer.status_code, answer.json()["title"]) == (422, "Nothing to score")
        assert "Give an order" in answer.json()["detail"]

    def test_without_a_model_is_503(self, send: Send) -> None:
        answer = _preview(send, events=_ORDERS, champion=None)

        assert (answer.status_code, answer.json()["title"]) == (503, "No model")

    def test_who_opted_out_is_not_previewed(
        self, send: Send, opt_out: Callable[[str], None]
    ) -> None:
        opt_out("0001")
        said = {"type": "customer", "profiling_opt_out": True}

        assert _preview(send, events=_ORDERS, customer_id="0001").status_code == 404
        assert _preview(send, events=[*_ORDERS, said]).status_code == 404


class TestAnswer:
    def test_it_is_what_the_schema_says(self, send: Send) -> None:
        answer = _preview(send, events=_ORDERS, include=["factors", "signals"]).json()

        said = Preview.model_validate(answer).model_dump(mode="json", exclude_unset=True)
        assert said == answer

    def test_the_history_of_a_customer_gives_the_published_score(
        self, send: Send, scored_store: SQLiteStore
    ) -> None:
        for who in ("0001", "0111", "1000"):
            whole = send(f"/v1/customers/{who}/score?include=interval,scorecard").json()
            answer = _preview(send, events=_events_of(scored_store, who)).json()

            for name in ("as_of", "currency", "horizon_days", "value_basis", "model"):
                assert answer[name] == whole[name]
            for name in ("churn_probability", "p_alive", "expected_purchases"):
                assert answer[name] == pytest.approx(whole[name], rel=1e-9)
            for name in ("interval", "scorecard", "clv"):
                assert set(answer[name]) == set(whole[name])
                for part, value in whole[name].items():
                    same = None if value is None else pytest.approx(value, rel=1e-9)
                    assert answer[name][part] == same
            assert answer["tier"]["code"] == whole["tier"]["code"]
            assert answer["customer_id"] is None

    def test_the_factors_add_up_to_the_value_to_the_cent(self, send: Send) -> None:
        answer = _preview(send, events=_ORDERS, include=["factors"]).json()

        found = answer["factors"]
        cents = round(found["base"] * 100) + sum(
            round(one["amount"] * 100) for one in found["contributions"]
        )
        assert cents == round(round(answer["clv"]["expected"], 2) * 100)


class TestWhatIf:
    def test_a_basket_raises_the_value_of_a_customer(
        self, send: Send, scored_store: SQLiteStore
    ) -> None:
        basket = _ORDERS[0] | {"ordered_at": "1998-06-30"}
        before = _preview(send, customer_id="0001").json()
        after = _preview(send, customer_id="0001", events=[basket]).json()

        known = send("/v1/customers/0001/score").json()
        assert before["clv"]["expected"] == pytest.approx(known["clv"]["expected"], rel=1e-9)
        assert after["historic_value"] == pytest.approx(known["historic_value"] + 15.0)
        assert after["days_since_last_purchase"] == 0
        assert after["clv"]["expected"] > before["clv"]["expected"]

    def test_someone_who_is_not_in_the_ledger_has_what_is_given(self, send: Send) -> None:
        answer = _preview(send, customer_id="new", events=_ORDERS).json()

        assert answer["customer_id"] == "new"
        assert answer["historic_value"] == pytest.approx(175.0)

    def test_an_invoice_told_anew_counts_once(self, send: Send) -> None:
        bill = {"type": "invoice", "invoice_id": "I", "issued_at": "1998-05-01", "terms_days": 10}
        paid = {"type": "payment", "invoice_id": "I", "paid_at": "1998-04-01", "amount": 90.0}
        events = [*_ORDERS, paid, bill | {"amount": 80.0}, bill | {"amount": 90.0}]

        signals = _preview(send, events=events, include=["signals"]).json()["signals"]
        assert signals["paid_in_full_share"] == 1.0
        assert signals["overdue_share"] in {None, 0.0}

    def test_without_a_published_set_there_is_no_tier(
        self, send: Send, scored_store: SQLiteStore
    ) -> None:
        with scored_store.writing() as connection:
            connection.execute(sa.text("DELETE FROM published"))

        answer = _preview(send, events=_ORDERS).json()
        assert answer["tier"] is answer["scorecard"] is None
        assert answer["as_of"] == "1998-05-05"


def test_nothing_is_stored(send: Send, scored_store: SQLiteStore, scored_home: Path) -> None:
    def counts() -> dict[str, int]:
        with scored_store.reading() as connection:
            return {
                name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                for name, table in METADATA.tables.items()
                if name not in {"api_keys", "audit_log"}
            }

    before = counts()
    _preview(send, customer_id="0001", events=_ORDERS)
    assert counts() == before
