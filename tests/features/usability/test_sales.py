from collections.abc import Callable
from typing import Any

import pytest

from features.usability import Finding, Report

Rows = dict[str, list[dict[str, Any]]]
Check = Callable[..., Report]
Only = Callable[[Report, str], Finding]


class TestSales:
    @pytest.mark.parametrize(
        ("n_unknown", "level", "says"),
        [
            (1, "recommendation", "Margins leave them out"),
            (98, "recommendation", "Margins leave them out"),
            (99, "warning", "value counts revenue"),
            (980, "recommendation", "gross_margin, gross_margin_30d"),
        ],
    )
    def test_cost_unknown(
        self, n_unknown: int, level: str, says: str, rows: Rows, check: Check, only: Only
    ) -> None:
        for row in rows["order_lines"][:n_unknown]:
            row["cost"] = None
        found = only(check(rows), "cost_unknown")
        assert (found.level, found.count, found.of, found.column) == (level, n_unknown, 980, "cost")
        assert says in found.message

    @pytest.mark.parametrize("column", ["product_id", "category", "quantity", "discount"])
    def test_empty_column(self, column: str, rows: Rows, check: Check, only: Only) -> None:
        for row in rows["order_lines"]:
            row[column] = None
        found = only(check(rows), "empty_column")
        assert (found.level, found.column) == ("recommendation", column)
        assert "these signals are null: " in found.message
        rows["order_lines"][0][column] = "1" if column in {"product_id", "category"} else 1.0
        assert check(rows).findings == ()

    @pytest.mark.parametrize(
        ("name", "revenue", "n_fine"), [("revenue_zero", 0.0, 49), ("many_returns", -3.0, 176)]
    )
    def test_revenue_zero_and_many_returns(
        self, name: str, revenue: float, n_fine: int, rows: Rows, check: Check
    ) -> None:
        sold = [row for row in rows["order_lines"] if row["revenue"] > 0]
        for row in sold[:n_fine]:
            row["revenue"] = revenue
        assert check(rows).findings_of(name) == ()
        sold[n_fine]["revenue"] = revenue
        (found,) = check(rows).findings_of(name)
        assert (found.level, found.column, found.of) == ("warning", "revenue", 980)
        assert found.count in {50, 197}

    def test_revenue_outlier(self, rows: Rows, check: Check, only: Only) -> None:
        rows["order_lines"][5]["revenue"] = 53_000.0
        assert check(rows).findings == ()
        rows["order_lines"][5]["revenue"] = -60_000.0
        found = only(check(rows), "revenue_outlier")
        assert (found.level, found.count, found.example) == ("warning", 1, "O1-0")
        assert "60,000.00" in found.message

    @pytest.mark.parametrize("n", [1, 10])
    def test_lines_repeated(self, n: int, rows: Rows, check: Check, only: Only) -> None:
        rows["order_lines"] += rows["order_lines"][:n]
        found = only(check(rows), "lines_repeated")
        assert (found.level, found.count, found.of) == ("recommendation", n, 980 + n)
        assert found.example == "O0-0"
