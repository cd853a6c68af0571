from collections.abc import Callable
from datetime import date

import pytest

from features.cleaning import Cleaned
from features.ledger import day_of
from features.schema import TABLES
from features.sources import SourceError

Clean = Callable[..., Cleaned]

ISSUED, DUE = day_of(date(2011, 2, 1)), day_of(date(2011, 3, 3))
NUL = "invoice_id holds a NUL sign, which no text has"


def invoices(clean: Clean, n_rows: int = 1, **columns: list[object]) -> Cleaned:
    """Invoices of numbers of their own; the rest is as usual."""
    ids = {"invoice_id": [f"I-{n}" for n in range(n_rows)]}
    source = {key: columns.pop(key) for key in ("constants",) if key in columns}
    return clean(ids | columns, table="invoices", **source)


def only(cleaned: Cleaned) -> dict[str, object]:
    assert not cleaned.counts_by_reason()
    (row,) = cleaned.rows.to_pylist()
    return row


class TestRows:
    def test_have_the_columns_of_the_ledger(self, clean: Clean) -> None:
        cleaned = invoices(clean)
        assert cleaned.rows.schema == TABLES["invoices"].arrow_schema
        assert only(cleaned) | {"row_key": b""} == {
            "customer_id": "C-1", "row_key": b"", "invoice_id": "I-0", "day": ISSUED,
            "due_day": DUE, "amount": 100.0, "disputed_day": None,
        }  # fmt: skip

    def test_terms_make_the_day_they_are_due(self, clean: Clean) -> None:
        row = only(invoices(clean, due_at=[None], terms_days=[14]))
        assert row["due_day"] == ISSUED + 14

    def test_terms_may_be_the_same_for_all(self, clean: Clean) -> None:
        row = only(invoices(clean, due_at=[None], constants={"terms_days": "30"}))
        assert row["due_day"] == ISSUED + 30

    def test_a_day_due_goes_before_terms(self, clean: Clean) -> None:
        assert only(invoices(clean, terms_days=[14]))["due_day"] == DUE

    def test_may_be_due_after_the_day_of_loading(self, clean: Clean) -> None:
        cleaned = clean({"invoice_id": ["a"]}, table="invoices", latest_day=ISSUED)
        assert only(cleaned)["due_day"] == DUE

    def test_credit_notes_are_invoices_of_negative_amounts(self, clean: Clean) -> None:
        assert only(invoices(clean, amount=[-5.0]))["amount"] == -5.0


class TestReasons:
    @pytest.mark.parametrize(
        ("column", "value", "reason"),
        [
            ("invoice_id", " ", "invoice_id is missing"),
            ("invoice_id", "a\0b", NUL),
            ("customer_id", None, "customer_id is missing"),
            ("issued_at", None, "issued_at is missing"),
            ("issued_at", "1899-12-31", "issued_at is before 1900-01-02"),
            ("issued_at", "2011-03-05", "issued_at is after 2011-03-04, the day of loading"),
            ("due_at", None, "due_at is missing"),
            ("due_at", "2011-01-31", "due_at is before issued_at"),
            ("due_at", "1899-12-31", "due_at is before 1900-01-02"),
            ("terms_days", "soon", "terms_days is not a number"),
            ("terms_days", "1e999", "terms_days is not finite"),
            ("terms_days", "1.5", "terms_days is not a whole number from 0 to 36500"),
            ("terms_days", "-1", "terms_days is not a whole number from 0 to 36500"),
            ("terms_days", "1e300", "terms_days is not a whole number from 0 to 36500"),
            ("amount", None, "amount is missing"),
            ("amount", "ten", "amount is not a number"),
            ("amount", "inf", "amount is not finite"),
            ("disputed", "perhaps", "disputed is neither yes nor no (1 or 0)"),
            ("disputed_at", "2011-01-31", "disputed_at is before issued_at"),
            ("disputed_at", "2011-03-05", "disputed_at is after 2011-03-04, the day of loading"),
            ("settled_at", "2011-01-31", "settled_at is before issued_at"),
            ("settled_at", "9999-12-31", "settled_at is after 2011-03-04, the day of loading"),
            ("settled_amount", "5", "settled_at is missing beside a settled_amount"),
            ("settled_amount", "?", "settled_amount is not a number"),
        ],
    )
    def test_each_has_its_words(
        self, column: str, value: object, reason: str, clean: Clean
    ) -> None:
        today = day_of(date(2011, 3, 4))
        cleaned = clean({column: [value]}, table="invoices", latest_day=today)
        assert cleaned.counts_by_reason() == {reason: 1}

    @pytest.mark.parametrize(
        ("column", "named"),
        [("invoice_id", "invoice_id"), ("amount", "amount"), ("due_at", "due_at .or terms_days.")],
    )
    def test_a_source_without_a_needed_field_is_refused(
        self, column: str, named: str, clean: Clean
    ) -> None:
        with pytest.raises(SourceError, match=f"has no column for {named}. Map it"):
            clean({"x": [1]}, table="invoices", without=[column])

    def test_terms_may_not_lead_beyond_the_calendar(self, clean: Clean) -> None:
        cleaned = invoices(clean, issued_at=["9999-12-20"], due_at=[None], terms_days=[30])
        assert cleaned.counts_by_reason() == {"due_at is after 9999-12-31": 1}


class TestDisputes:
    def test_a_mark_counts_from_the_day_due(self, clean: Clean) -> None:
        """When it was disputed is not known; by then it was, and sooner it may not have been."""
        cleaned = invoices(clean, 3, disputed=["yes", "no", None])
        days = cleaned.rows.sort_by("invoice_id")["disputed_day"].to_pylist()
        assert days == [DUE, None, None]

    def test_a_mark_counts_from_the_day_settled_where_that_was_before(self, clean: Clean) -> None:
        row = only(invoices(clean, disputed=[1], settled_at=["2011-02-11"]))
        assert row["disputed_day"] == ISSUED + 10

    def test_a_day_goes_before_a_mark(self, clean: Clean) -> None:
        row = only(invoices(clean, disputed=[1], disputed_at=["2011-02-02"]))
        assert row["disputed_day"] == ISSUED + 1


class TestSettled:
    def test_rows_are_invoices_and_payments(self, clean: Clean) -> None:
        cleaned = invoices(clean, settled_at=["2011-02-11"])
        (payment,) = cleaned.payments.to_pylist()
        assert cleaned.payments.schema == TABLES["payments"].arrow_schema
        assert payment == {
            "customer_id": "C-1", "row_key": only(cleaned)["row_key"], "payment_id": "I-0",
            "invoice_id": "I-0", "day": ISSUED + 10, "amount": 100.0,
        }  # fmt: skip

    def test_the_amount_settled_may_be_another(self, clean: Clean) -> None:
        cleaned = invoices(
            clean, 3, settled_at=["2011-02-11"] * 3, settled_amount=[60.0, None, 0.0]
        )
        payments = cleaned.payments.sort_by("payment_id")
        assert payments["amount"].to_pylist() == [60.0, 100.0]

    def test_open_and_rejected_invoices_have_none(self, clean: Clean) -> None:
        cleaned = invoices(clean, 2, settled_at=[None, "2011-02-11"], amount=["100", "a hundred"])
        assert (len(cleaned.rows), len(cleaned.payments)) == (1, 0)

    def test_of_the_earlier_of_two_rows_is_none(self, clean: Clean) -> None:
        cleaned = invoices(clean, 2, invoice_id=["a", "a"], settled_at=["2011-02-11", "2011-02-12"])
        assert cleaned.payments["day"].to_pylist() == [ISSUED + 11]

    def test_a_source_that_says_nothing_of_it_has_no_payments(self, clean: Clean) -> None:
        assert invoices(clean).payments is None


class TestKeys:
    def test_an_exact_duplicate_is_rejected(self, clean: Clean) -> None:
        cleaned = invoices(clean, invoice_id=["a", "a"])
        assert cleaned.counts_by_reason() == {"exact duplicate": 1}

    def test_the_later_of_two_contents_wins(self, clean: Clean) -> None:
        cleaned = invoices(clean, invoice_id=["a", "a"], amount=[1.0, 2.0])
        assert cleaned.rows["amount"].to_pylist() == [2.0]
        assert cleaned.counts_by_reason() == {"replaced by a later row of the same invoice_id": 1}

    def test_two_customers_may_have_the_same_number(self, clean: Clean) -> None:
        cleaned = invoices(clean, invoice_id=["a", "a"], customer_id=["A", "B"])
        assert len(cleaned.rows) == len(set(cleaned.rows["row_key"].to_pylist())) == 2


def test_money_that_came_before_its_invoice_counts_from_the_day_of_issue(clean: Clean) -> None:
    columns = {"invoice_id": ["I-0"], "settled_at": ["2011-01-31"]}
    kept = clean(columns, table="invoices", prepayments="keep")
    assert not kept.counts_by_reason()
    assert kept.payments is not None
    assert kept.payments["day"].to_pylist() == [ISSUED]
