from collections.abc import Callable
from typing import Any

import pytest

from features.ledger import date_of
from features.usability import Finding, Report

Rows = dict[str, list[dict[str, Any]]]
Check = Callable[..., Report]
Only = Callable[[Report, str], Finding]

TODAY = 20_000


class TestHistory:
    @pytest.mark.parametrize(
        ("horizon", "level"),
        [(288, None), (289, "recommendation"), (361, "warning"), (720, "warning"), (721, "error")],
    )
    def test_short_history(
        self, horizon: int, level: str | None, rows: Rows, check: Check, only: Only
    ) -> None:
        report = check(rows, horizon_days=horizon)
        if level is None:
            assert report.findings == ()
            return
        found = only(report, "short_history")
        assert (found.level, found.step) == (level, "training")
        assert "at most 288" in found.way_out

    def test_history_of_one_day(self, check: Check) -> None:
        line = {"customer_id": "A", "order_id": "1", "day": TODAY, "revenue": 1.0}
        report = check({"order_lines": [line]}, horizon_days=1)
        assert report.findings_of("short_history")[0].level == "error"
        (found,) = report.findings_of("few_customers")
        assert (found.level, found.count) == ("error", 1)

    def test_few_customers(self, rows: Rows, check: Check) -> None:
        some = {f"K{n}" for n in range(1, 201)}
        keep = {t: [row for row in r if row["customer_id"] in some] for t, r in rows.items()}
        assert check(keep).findings_of("few_customers") == ()
        some.remove("K200")
        keep = {t: [row for row in r if row["customer_id"] in some] for t, r in keep.items()}
        (found,) = check(keep).findings_of("few_customers")
        assert (found.level, found.count) == ("warning", 199)

    @pytest.mark.parametrize(("n_repeaters", "fires"), [(100, False), (99, True)])
    def test_few_repeaters(self, n_repeaters: int, fires: bool, rows: Rows, check: Check) -> None:
        kept = {f"K{n}" for n in range(1, n_repeaters + 1)}
        rows["order_lines"] = [
            row
            for row in rows["order_lines"]
            if row["customer_id"] in kept or str(row["order_id"]).endswith("-3")
        ]
        found = check(rows).findings_of("few_repeaters")
        assert bool(found) == fires
        assert not fires or (found[0].count, found[0].of) == (99, 240)

    def test_small_share_of_repeaters(self, check: Check) -> None:
        lines = [
            {"customer_id": f"K{n}", "order_id": f"O{n}", "day": TODAY - n % 700, "revenue": 1.0}
            for n in range(1_010)
        ]
        again = [line | {"order_id": "again", "day": TODAY - 701} for line in lines[:100]]
        (found,) = check({"order_lines": lines + again}).findings_of("few_repeaters")
        assert (found.count, found.of, found.level) == (100, 1_010, "warning")
        assert found.example == "K100"
        assert check({"order_lines": lines[:100] + again}).findings_of("few_repeaters") == ()
        (found,) = check({"order_lines": lines[:50] + again[:50]}).findings_of("few_repeaters")
        assert (found.count, found.of, found.example) == (50, 50, None)
        assert "None" not in found.message

    @pytest.mark.parametrize(
        ("today", "level"),
        [(TODAY - 1, None), (TODAY + 59, None), (TODAY + 60, "warning"), (TODAY - 2, "error")],
    )
    def test_last_day(
        self, today: int, level: str | None, rows: Rows, check: Check, only: Only
    ) -> None:
        report = check(rows, today=today)
        if level is None:
            assert report.findings == ()
            return
        found = only(report, "last_day")
        assert (found.level, found.step) == (level, "scoring")
        if level == "error":
            assert (found.count, found.of) == (4, 980)
            assert "first: order 'O0-0'" in found.message

    @pytest.mark.parametrize(("gap", "fires"), [(60, False), (61, True)])
    def test_lonely_last_day(
        self, gap: int, fires: bool, rows: Rows, check: Check, only: Only
    ) -> None:
        stray = rows["order_lines"][0] | {"day": TODAY - 1 + gap, "order_id": "typo"}
        rows["order_lines"].append(stray)
        report = check(rows, today=TODAY + gap)
        if not fires:
            assert report.findings_of("lonely_day") == ()
            return
        # The months in between are not missed as well.
        found = only(report, "lonely_day")
        assert (found.level, found.example) == ("warning", "typo")
        assert f"the {gap - 1} days before it have none" in found.message
        assert f"--as-of {date_of(TODAY - 1)}" in found.way_out

    def test_a_last_day_with_two_orders_is_not_lonely(self, rows: Rows, check: Check) -> None:
        line = rows["order_lines"][0] | {"day": TODAY + 90}
        rows["order_lines"] += [line | {"order_id": "1"}, line | {"order_id": "2"}]
        report = check(rows, today=TODAY + 90)
        assert report.findings_of("lonely_day") == ()
        assert len(report.findings_of("months_without_sales")) == 1

    def test_lonely_first_day(self, rows: Rows, check: Check) -> None:
        first = rows["order_lines"][3] | {"day": 0, "order_id": "typo", "customer_id": "K2"}
        rows["order_lines"].append(first)
        (found,) = check(rows).findings_of("lonely_day")
        assert "the history looks longer than it is" in found.message
        assert found.example == "typo"
        assert check(rows).findings_of("months_without_sales") == ()

    def test_months_without_sales(self, rows: Rows, check: Check, only: Only) -> None:
        month = date_of(TODAY - 300).replace(day=1)
        rows["order_lines"] = [
            row for row in rows["order_lines"] if date_of(row["day"]).replace(day=1) != month
        ]
        found = only(check(rows), "months_without_sales")
        assert (found.count, found.of, found.example) == (1, 25, f"{month:%Y-%m}")
