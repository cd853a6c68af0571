from collections.abc import Callable, Mapping, Sequence
from datetime import date

import pyarrow as pa
import pytest

from features.cleaning import Cleaned
from features.ledger import day_of
from features.schema import TABLES

Clean = Callable[..., Cleaned]

ISSUED, PAID = day_of(date(2011, 2, 1)), day_of(date(2011, 2, 28))
# I-1 is A's, I-2 is A's and B's.
KNOWN = pa.table(
    {
        "invoice_id": ["I-1", "I-2", "I-2"],
        "customer_id": ["A", "A", "B"],
        "day": pa.array([ISSUED] * 3, pa.int32()),
    }
)


def payments(clean: Clean, columns: Mapping[str, Sequence[object]], **source: object) -> Cleaned:
    return clean(columns, table="payments", invoices=KNOWN, latest_day=PAID, **source)


class TestRows:
    def test_have_the_columns_of_the_ledger(self, clean: Clean) -> None:
        cleaned = payments(clean, {"payment_id": ["P-1"]})
        assert cleaned.rows.schema == TABLES["payments"].arrow_schema
        (row,) = cleaned.rows.to_pylist()
        assert row | {"row_key": b""} == {
            "customer_id": "A", "row_key": b"", "payment_id": "P-1", "invoice_id": "I-1",
            "day": PAID, "amount": 100.0,
        }  # fmt: skip

    def test_belong_to_the_customer_of_their_invoice(self, clean: Clean) -> None:
        cleaned = payments(clean, {"invoice_id": ["I-1", "I-2"], "customer_id": ["B", "B"]})
        assert sorted(cleaned.rows["customer_id"].to_pylist()) == ["A", "B"]
        assert cleaned.warnings == (
            "Payments that name another customer than their invoice: 1. "
            "The invoice's customer counts.",
        )

    def test_may_be_several_of_one_invoice_and_negative(self, clean: Clean) -> None:
        cleaned = payments(clean, {"amount": [60.0, 60.0, -20.0]})
        assert sorted(cleaned.rows["amount"].to_pylist()) == [-20.0, 60.0, 60.0]

    def test_without_an_id_are_named_by_their_key(self, clean: Clean) -> None:
        cleaned = payments(clean, {"amount": [60.0, 60.0]})
        for row in cleaned.rows.to_pylist():
            assert row["payment_id"] == row["row_key"].hex()
        assert "Exact duplicates kept: 1. " in cleaned.warnings[0]
        assert "map payment_id" in cleaned.warnings[0]


class TestReasons:
    @pytest.mark.parametrize(
        ("column", "value", "reason"),
        [
            ("payment_id", None, "payment_id is missing"),
            ("invoice_id", None, "invoice_id is missing"),
            ("invoice_id", "I-9", "invoice_id is not among the invoices"),
            ("invoice_id", "I-2", "invoice_id belongs to several customers"),
            ("paid_at", "", "paid_at is missing"),
            ("paid_at", "2011-01-31", "paid_at is before the invoice was issued"),
            ("paid_at", "2011-03-01", "paid_at is after 2011-02-28, the day of loading"),
            ("amount", None, "amount is missing"),
            ("amount", "0.00", "amount is zero"),
            ("amount", "nan", "amount is not finite"),
        ],
    )
    def test_each_has_its_words(
        self, column: str, value: object, reason: str, clean: Clean
    ) -> None:
        assert payments(clean, {column: [value]}).counts_by_reason() == {reason: 1}

    def test_without_any_invoice_none_is_clean(self, clean: Clean) -> None:
        cleaned = clean({"amount": [1.0]}, table="payments")
        assert cleaned.counts_by_reason() == {"invoice_id is not among the invoices": 1}

    def test_a_customer_without_such_an_invoice_does_not_decide(self, clean: Clean) -> None:
        cleaned = payments(clean, {"invoice_id": ["I-2"], "customer_id": ["C"]})
        assert cleaned.counts_by_reason() == {"invoice_id belongs to several customers": 1}

    def test_the_later_of_two_contents_of_an_id_wins(self, clean: Clean) -> None:
        cleaned = payments(clean, {"payment_id": ["p", "p"], "amount": [1.0, 2.0]})
        assert cleaned.rows["amount"].to_pylist() == [2.0]
        assert cleaned.counts_by_reason() == {"replaced by a later row of the same payment_id": 1}

    def test_exact_duplicates_are_rejected_on_demand(self, clean: Clean) -> None:
        cleaned = payments(clean, {"amount": [60.0, 60.0]}, duplicates="reject")
        assert cleaned.counts_by_reason() == {"exact duplicate": 1}

    def test_one_payment_may_settle_several_invoices(self, clean: Clean) -> None:
        both = {"payment_id": ["p", "p"], "invoice_id": ["I-1", "I-2"], "customer_id": ["A", "A"]}
        assert payments(clean, both).rows["payment_id"].to_pylist() == ["p", "p"]

    def test_a_deposit_is_a_slip_or_counts_from_the_day_of_issue(self, clean: Clean) -> None:
        early = {"paid_at": ["2011-01-01"]}
        reason = "paid_at is before the invoice was issued"
        assert payments(clean, early).counts_by_reason() == {reason: 1}
        assert payments(clean, early, prepayments="keep").rows["day"].to_pylist() == [ISSUED]
