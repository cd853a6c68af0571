import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict
from typing import Any

import pytest

from features.ledger import Ledger
from features.schema import TABLES
from features.usability import CHECKS, Finding, Report, check_ledger
from features.usability.finding import LEVELS

Rows = dict[str, list[dict[str, Any]]]
Check = Callable[..., Report]
Only = Callable[[Report, str], Finding]

TODAY = 20_000


class TestReport:
    def test_of_data_that_leave_nothing_to_wish_for_is_empty(
        self, rows: Rows, check: Check
    ) -> None:
        report = check(rows)
        assert report.findings == ()
        assert not report.has_errors
        assert report.n_customers == 240
        assert report.rows == {name: len(rows[name]) for name in TABLES}
        assert (report.first_day, report.as_of, report.days) == (TODAY - 720, TODAY - 1, 720)

    def test_of_an_empty_ledger_has_an_error_and_no_days(self) -> None:
        report = check_ledger(Ledger({}), horizon_days=90, today=TODAY)
        assert [f.check for f in report.findings] == ["no_order_lines"] + ["missing_table"] * 4
        assert report.has_errors
        assert (report.as_of, report.first_day, report.days) == (None, None, 0)
        assert report.count_of("recommendation") == 4

    def test_names_what_is_wrong_with_order_lines_missing_and_all_else_there(
        self, rows: Rows, check: Check, only: Only
    ) -> None:
        rows["order_lines"] = []
        only(check(rows), "no_order_lines")

    def test_is_in_order_whatever_the_order_of_rows(self, cdnow: Ledger) -> None:
        report = check_ledger(cdnow, horizon_days=400, today=cdnow.last_day + 90)
        levels = [LEVELS.index(finding.level) for finding in report.findings]
        assert levels == sorted(levels)
        lines = cdnow.order_lines
        turned = Ledger({"order_lines": lines.take(list(range(len(lines)))[::-1])})
        assert check_ledger(turned, horizon_days=400, today=cdnow.last_day + 90) == report

    def test_of_the_demo_has_no_errors_and_no_warnings(self, cdnow: Ledger) -> None:
        report = check_ledger(cdnow, horizon_days=180, today=cdnow.last_day + 1)
        assert report.count_of("error") == report.count_of("warning") == 0
        found = {(finding.check, finding.table, finding.column) for finding in report.findings}
        assert ("cost_unknown", "order_lines", "cost") in found
        assert ("missing_table", "invoices", None) in found
        assert report.days == 546

    def test_every_finding_is_plain_and_bears_the_name_of_its_check(self, cdnow: Ledger) -> None:
        report = check_ledger(cdnow, horizon_days=400, today=cdnow.last_day - 9)
        for finding in report.findings:
            assert finding.check in CHECKS
            assert finding.message.endswith(".")
            assert finding.way_out.endswith(".")
            assert finding.count is None or type(finding.count) is int
            assert json.dumps(asdict(finding))
        with pytest.raises(FrozenInstanceError):
            report.findings[0].count = 3  # type: ignore[misc]

    def test_of_no_horizon_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"must be an int of at least 1\. Got 0 instead"):
            check_ledger(Ledger({}), horizon_days=0, today=TODAY)


def test_ids_that_look_like_sql_are_only_ids(rows: Rows, check: Check) -> None:
    for table in rows.values():
        for row in table:
            row["customer_id"] = row["customer_id"].replace("K", "O'Brien; DROP TABLE orders--")
    assert check(rows).findings == ()
