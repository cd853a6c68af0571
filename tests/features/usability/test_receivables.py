from collections.abc import Callable
from typing import Any

import pytest

from features.usability import Finding, Report

Rows = dict[str, list[dict[str, Any]]]
Check = Callable[..., Report]
Only = Callable[[Report, str], Finding]

TODAY = 20_000


class TestReceivables:
    def test_paid_on_issue_day(self, rows: Rows, check: Check, only: Only) -> None:
        issued = {row["invoice_id"]: row["day"] for row in rows["invoices"]}
        n_few = int(0.89 * len(rows["payments"]))
        for row in rows["payments"][:n_few]:
            row["day"] = issued[row["invoice_id"]]
        assert check(rows).findings == ()
        for row in rows["payments"]:
            row["day"] = issued[row["invoice_id"]]
        found = only(check(rows), "paid_on_issue_day")
        assert found.count == found.of == len(rows["payments"])
        assert "made up" in found.message

    def test_due_on_issue_day(self, rows: Rows, check: Check, only: Only) -> None:
        for row in rows["invoices"][:-50]:
            row["due_day"] = row["day"]
        found = only(check(rows), "due_on_issue_day")
        assert (found.level, found.count, found.of) == ("warning", 910, 960)

    def test_days_of_few_invoices_prove_nothing(self, rows: Rows, check: Check) -> None:
        rows["invoices"] = [row | {"due_day": row["day"]} for row in rows["invoices"][:9]]
        assert check(rows).findings_of("due_on_issue_day") == ()

    @pytest.mark.parametrize(("n", "level"), [(9, "recommendation"), (10, "warning")])
    def test_overpaid(self, n: int, level: str, rows: Rows, check: Check, only: Only) -> None:
        for row in rows["payments"]:
            row["amount"] *= 1.009
        assert check(rows).findings == ()
        for row in rows["payments"][:n]:
            row["amount"] *= 2
        found = only(check(rows), "overpaid")
        assert (found.level, found.count, found.of) == (level, n, 960)
        assert "of 50.00" in found.message

    @pytest.mark.parametrize(("n", "level"), [(48, "recommendation"), (49, "warning")])
    def test_long_unpaid(self, n: int, level: str, rows: Rows, check: Check, only: Only) -> None:
        old = [row for row in rows["payments"] if row["day"] < TODAY - 450]
        for row in old[:n]:
            row["amount"] /= 2
        found = only(check(rows), "long_unpaid")
        assert (found.level, found.count, found.of) == (level, n, 960)

    def test_unpaid_for_less_than_a_year_is_fine(self, rows: Rows, check: Check) -> None:
        rows["payments"] = [row for row in rows["payments"] if row["day"] < TODAY - 320]
        due = {row["invoice_id"]: row["due_day"] for row in rows["invoices"]}
        paid = {row["invoice_id"] for row in rows["payments"]}
        assert min(day for one, day in due.items() if one not in paid) >= TODAY - 366
        assert check(rows).findings == ()

    @pytest.mark.parametrize(("n", "level"), [(9, "recommendation"), (10, "warning")])
    def test_stray_payments(self, n: int, level: str, rows: Rows, check: Check, only: Only) -> None:
        stray = {"customer_id": "K1", "invoice_id": "none", "day": TODAY, "amount": 3.0}
        rows["payments"] += [stray | {"payment_id": f"S{k}"} for k in range(n)]
        found = only(check(rows), "stray_payments")
        assert (found.level, found.count, found.example) == (level, n, "S0")
