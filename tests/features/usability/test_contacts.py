from collections.abc import Callable
from typing import Any

import pytest

from features.usability import Finding, Report

Rows = dict[str, list[dict[str, Any]]]
Check = Callable[..., Report]
Only = Callable[[Report, str], Finding]

TODAY = 20_000


class TestContacts:
    @pytest.mark.parametrize(("n", "level"), [(12, "recommendation"), (13, "warning")])
    def test_complaints_without_topic(
        self, n: int, level: str, rows: Rows, check: Check, only: Only
    ) -> None:
        for row in [row for row in rows["interactions"] if row["kind"] == "complaint"][:n]:
            row["topic"] = None
        found = only(check(rows), "complaints_without_topic")
        assert (found.level, found.count, found.of) == (level, n, 24)

    @pytest.mark.parametrize(("n", "level"), [(2, "recommendation"), (3, "warning")])
    def test_complaints_unresolved(
        self, n: int, level: str, rows: Rows, check: Check, only: Only
    ) -> None:
        complaints = [row for row in rows["interactions"] if row["kind"] == "complaint"]
        for row in complaints:
            row["day"], row["resolved_day"] = TODAY - 366, None
        assert check(rows).findings == ()
        for row in complaints[:n]:
            row["day"] = TODAY - 367
        found = only(check(rows), "complaints_unresolved")
        assert (found.level, found.count, found.of) == (level, n, 24)

    def test_satisfaction_equal(self, rows: Rows, check: Check, only: Only) -> None:
        for row in rows["interactions"]:
            if row["kind"] == "survey":
                row["satisfaction"] = 0.5
        found = only(check(rows), "satisfaction_equal")
        assert (found.count, found.example) == (240, "0.5")

    @pytest.mark.parametrize(
        "spoil", [{"campaign_id": "autumn"}, {"campaign_id": None}, {"day": 9}]
    )
    def test_unprompted_responses(
        self, spoil: dict[str, object], rows: Rows, check: Check, only: Only
    ) -> None:
        responses = [row for row in rows["interactions"] if row["kind"] == "campaign_response"]
        responses[0].update(spoil)
        found = only(check(rows), "unprompted_responses")
        assert (found.level, found.count, found.of) == ("recommendation", 1, 80)
        for response in responses[:9]:
            response.update(spoil)
        assert only(check(rows), "unprompted_responses").level == "warning"
