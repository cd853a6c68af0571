from collections.abc import Callable
from typing import Any

import pytest

from features.ledger import date_of
from features.usability import Finding, Report

Rows = dict[str, list[dict[str, Any]]]
Check = Callable[..., Report]
Only = Callable[[Report, str], Finding]

TODAY = 20_000


class TestIdentities:
    @pytest.mark.parametrize("spelt", ["k7", " K7", "K 7", "00K7"])
    def test_ids_spelt_differently(self, spelt: str, rows: Rows, check: Check) -> None:
        rows["order_lines"][0]["customer_id"] = spelt
        (found,) = check(rows).findings_of("ids_spelt_differently")
        assert (found.count, found.of, found.level) == (2, 241, "warning")
        assert found.example == " and ".join(f"'{one}'" for one in sorted([spelt, "K7"]))

    def test_ids_of_zeros_are_told_apart_from_none(self, rows: Rows, check: Check) -> None:
        rows["order_lines"][0]["customer_id"] = "000"
        assert check(rows).findings_of("ids_spelt_differently") == ()
        rows["order_lines"][1]["customer_id"] = "0"
        assert len(check(rows).findings_of("ids_spelt_differently")) == 1

    @pytest.mark.parametrize("table", ["invoices", "payments", "interactions", "customers"])
    def test_ids_that_miss(self, table: str, rows: Rows, check: Check) -> None:
        for row in rows[table]:
            row["customer_id"] = row["customer_id"].lower()
        report = check(rows)
        (found,) = report.findings_of("ids_that_miss")
        assert (found.level, found.table, found.count, found.of) == ("warning", table, 240, 240)
        assert found.example == "'k1' and 'K1'"
        assert [f.table for f in report.findings_of("never_bought")] == [table]

    @pytest.mark.parametrize(
        ("table", "n_fine", "level"),
        [
            ("invoices", 12, "warning"),
            ("payments", 12, "warning"),
            ("interactions", 240, "recommendation"),
            ("customers", 240, "recommendation"),
        ],
    )
    def test_never_bought(
        self, table: str, n_fine: int, level: str, rows: Rows, check: Check
    ) -> None:
        strangers = [
            rows[table][0] | {"customer_id": f"X{n}", "acquired_day": 3} for n in range(n_fine + 1)
        ]
        rows[table] += strangers[:-1]
        assert check(rows).findings_of("never_bought") == ()
        rows[table] += strangers[-1:]
        (found,) = check(rows).findings_of("never_bought")
        assert (found.level, found.count, found.of) == (level, n_fine + 1, 240 + n_fine + 1)
        assert found.example == "X0"

    @pytest.mark.parametrize(
        ("table", "n_fine", "level"),
        [("customers", 12, "warning"), ("invoices", 120, "recommendation")],
    )
    def test_buyers_missing(
        self, table: str, n_fine: int, level: str, rows: Rows, check: Check
    ) -> None:
        def without(n: int) -> Rows:
            gone = {f"K{k}" for k in range(1, n + 1)}
            return rows | {table: [row for row in rows[table] if row["customer_id"] not in gone]}

        assert check(without(n_fine)).findings_of("buyers_missing") == ()
        (found,) = check(without(n_fine + 1)).findings_of("buyers_missing")
        assert (found.level, found.table, found.count) == (level, table, n_fine + 1)

    def test_collective_account(self, rows: Rows, check: Check, only: Only) -> None:
        usual = rows["order_lines"][0]
        n_all = len({row["order_id"] for row in rows["order_lines"]})
        till = [usual | {"order_id": f"T{n}", "day": TODAY - n % 700} for n in range(420)]
        rows["order_lines"] += till
        found = only(check(rows), "collective_account")
        assert found.of == n_all + 420
        assert found.count > 0.3 * found.of
        assert (found.example, found.level) == ("K1", "warning")
        del rows["order_lines"][-10:]
        assert check(rows).findings == ()

    def test_acquired_late(self, rows: Rows, check: Check, only: Only) -> None:
        rows["customers"][3]["acquired_day"] += 1
        found = only(check(rows), "acquired_late")
        assert (found.level, found.count, found.of, found.example) == ("warning", 1, 240, "K4")
        assert str(date_of(rows["customers"][3]["acquired_day"])) in found.message

    def test_consent_unknown(self, rows: Rows, check: Check, only: Only) -> None:
        for row in rows["customers"][4:]:
            row["marketing_consent"] = None
        found = only(check(rows), "consent_unknown")
        assert (found.level, found.step, found.count) == ("recommendation", "scoring", 236)
