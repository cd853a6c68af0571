from collections.abc import Callable
from datetime import date

import pyarrow as pa
import pytest

from features.cleaning import Cleaned, Company
from features.ledger import day_of
from features.sources import SourceError

Clean = Callable[..., Cleaned]

RATES = {"USD": {date(2011, 1, 1): 0.5, date(2011, 2, 1): 0.8}, "JPY": {date(2011, 1, 1): 0.01}}
COMPANY = Company("EUR", RATES)


def revenue(clean: Clean, day: str, currency: str | None) -> float:
    columns = {"ordered_at": [day], "currency": [currency]}
    (row,) = clean(columns, company=COMPANY).rows.to_pylist()
    return float(row["revenue"])


class TestRates:
    @pytest.mark.parametrize(
        ("day", "rate"), [("2011-01-01", 0.5), ("2011-01-31", 0.5), ("2011-02-01", 0.8),
                          ("2024-01-01", 0.8)],
    )  # fmt: skip
    def test_are_in_force_until_the_next(self, day: str, rate: float, clean: Clean) -> None:
        assert revenue(clean, day, "USD") == 10 * rate

    @pytest.mark.parametrize("currency", ["EUR", " eur ", None, ""])
    def test_the_companys_own_needs_none(self, currency: str | None, clean: Clean) -> None:
        assert revenue(clean, "1990-01-01", currency) == 10.0

    def test_codes_are_read_in_any_case(self, clean: Clean) -> None:
        assert revenue(clean, "2011-02-01", " usd ") == 8.0

    def test_hold_for_all_money_of_a_row_and_nothing_else(self, clean: Clean) -> None:
        columns = {"quantity": [2], "cost": [5.0], "discount": [1.0], "currency": ["USD"]}
        (row,) = clean(columns, company=COMPANY).rows.to_pylist()
        assert (row["revenue"], row["cost"], row["discount"]) == (8.0, 4.0, 0.8)
        assert row["quantity"] == 2

    def test_a_constant_currency_is_of_the_whole_source(self, clean: Clean) -> None:
        cleaned = clean({"order_id": ["a"]}, company=COMPANY, constants={"currency": "USD"})
        assert cleaned.rows["revenue"].to_pylist() == [8.0]

    def test_of_payments_interactions_and_customers(self, clean: Clean) -> None:
        usd = {"currency": ["USD"]}
        invoices = pa.table({"invoice_id": ["I-1"], "customer_id": ["A"], "day": [0]})
        for table, columns, money in (
            ("payments", {"amount": [10]}, "amount"),
            ("interactions", {"cost": [10]}, "cost"),
            ("customers", {"planned_revenue": [10]}, "planned_revenue"),
        ):
            cleaned = clean(columns | usd, table=table, invoices=invoices, company=COMPANY)
            assert cleaned.rows[money].to_pylist() == [8.0], table

    def test_of_an_invoice_holds_for_its_settlement(self, clean: Clean) -> None:
        columns = {"issued_at": ["2011-01-31"], "settled_at": ["2011-02-05"], "currency": ["USD"]}
        cleaned = clean(columns, table="invoices", company=COMPANY)
        assert cleaned.rows["amount"].to_pylist() == [50.0]
        assert cleaned.payments["amount"].to_pylist() == [50.0]

    def test_of_customers_are_those_of_the_day_of_loading(self, clean: Clean) -> None:
        cleaned = clean(
            {"planned_revenue": [10.0], "currency": ["USD"]},
            table="customers", company=COMPANY, latest_day=day_of(date(2011, 1, 15)),
        )  # fmt: skip
        assert cleaned.rows["planned_revenue"].to_pylist() == [5.0]


class TestReasons:
    @pytest.mark.parametrize(
        ("currency", "reason"),
        [
            ("GBP", "there is no rate of GBP (add it under [rates.GBP] in worth.toml)"),
            (
                "JPY",
                "there is no rate of JPY before 2011-01-01 (add it under [rates.JPY] in "
                "worth.toml)",
            ),
            ("$", "currency is not a code of three letters such as EUR"),
        ],
    )
    def test_each_has_its_words(self, currency: str, reason: str, clean: Clean) -> None:
        columns = {"ordered_at": ["2010-12-31"], "currency": [currency]}
        assert clean(columns, company=COMPANY).counts_by_reason() == {reason: 1}

    def test_money_too_large_in_the_companys_currency(self, clean: Clean) -> None:
        company = Company("EUR", {"USD": {date(2000, 1, 1): 1e10}})
        cleaned = clean({"revenue": [1e300], "currency": ["USD"]}, company=company)
        assert cleaned.counts_by_reason() == {"revenue is not finite": 1}

    def test_a_company_without_a_currency_is_refused(self, clean: Clean) -> None:
        with pytest.raises(SourceError, match=r"'shop' says what currency .* Set it, for example"):
            clean({"currency": ["USD"]})


def test_another_rate_makes_no_other_row(clean: Clean) -> None:
    columns = {"currency": ["USD", "EUR"]}
    companies = COMPANY, Company("EUR", {"USD": {date(2011, 1, 1): 2.0}})
    keys = [set(clean(columns, company=c).rows["row_key"].to_pylist()) for c in companies]
    assert keys[0] == keys[1]
    assert len(keys[0]) == 2
