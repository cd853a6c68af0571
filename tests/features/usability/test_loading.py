from collections.abc import Callable
from typing import Any

import pytest

from features.usability import Finding, RejectedReason, Report

Rows = dict[str, list[dict[str, Any]]]
Check = Callable[..., Report]
Only = Callable[[Report, str], Finding]


class TestLoading:
    @pytest.mark.parametrize("table", ["invoices", "payments", "interactions", "customers"])
    def test_a_missing_table_is_recommended_with_what_it_would_bring(
        self, table: str, rows: Rows, check: Check
    ) -> None:
        rows[table] = []
        (found,) = check(rows).findings_of("missing_table")
        assert (found.level, found.table) == ("recommendation", table)
        assert f'table = "{table}". It brings ' in found.way_out

    @pytest.mark.parametrize(
        ("counts", "level"), [((3, 2), None), ((4, 2), "warning"), ((16, 15), "error")]
    )
    def test_rejected_rows(
        self, counts: tuple[int, int], level: str | None, rows: Rows, check: Check, only: Only
    ) -> None:
        reasons = ["revenue is missing", "ordered_at is missing"]
        rejected = [
            RejectedReason("shop", reason, count, 100, 7, '{"order_id": "<b>"}')
            for reason, count in zip(reasons, counts, strict=True)
        ]
        report = check(rows, rejected=rejected)
        assert report.rejected == tuple(rejected)
        if level is None:
            assert report.findings == ()
            return
        found = only(report, "rejected_rows")
        assert (found.level, found.table, found.count, found.of) == (
            level,
            "shop",
            sum(counts),
            100,
        )
        assert "The commonest reason: revenue is missing (first: row 7)." in found.message
        assert found.example == 'row 7: {"order_id": "<b>"}'

    @pytest.mark.parametrize("reason", ["exact duplicate", "replaced by a later row of the same x"])
    def test_rows_that_others_say_anew_are_no_fault(
        self, reason: str, rows: Rows, check: Check
    ) -> None:
        rejected = [RejectedReason("crm", reason, 90, 100, 7, "{}")]
        assert check(rows, rejected=rejected).findings == ()
