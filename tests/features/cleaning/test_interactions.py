from collections.abc import Callable, Mapping, Sequence
from datetime import date

import pytest

from features.cleaning import Cleaned
from features.ledger import day_of
from features.schema import TABLES

Clean = Callable[..., Cleaned]

DAY = day_of(date(2011, 2, 28))
KINDS = ["complaint", "visit", "service", "campaign_contact", "campaign_response", "survey"]
OUT_OF_RANGE = (
    "satisfaction is not between {} (satisfaction_scale says what is none and what is full)"
)


def contacts(clean: Clean, columns: Mapping[str, Sequence[object]], **source: object) -> Cleaned:
    return clean(columns, table="interactions", **source)


class TestRows:
    def test_have_the_columns_of_the_ledger(self, clean: Clean) -> None:
        cleaned = contacts(clean, {"interaction_id": ["X"], "cost": [5.0], "campaign_id": ["K"]})
        assert cleaned.rows.schema == TABLES["interactions"].arrow_schema
        (row,) = cleaned.rows.to_pylist()
        assert row | {"row_key": b""} == {
            "customer_id": "C-1", "row_key": b"", "interaction_id": "X", "day": DAY,
            "kind": "visit", "topic": None, "resolved_day": None, "satisfaction": None,
            "cost": 5.0, "campaign_id": "K",
        }  # fmt: skip

    def test_kinds_and_topics_are_read_in_any_case(self, clean: Clean) -> None:
        cleaned = contacts(clean, {"kind": [kind.upper() for kind in KINDS], "topic": "Quality"})
        assert sorted(cleaned.rows["kind"].to_pylist()) == sorted(KINDS)
        topics = {row["kind"]: row["topic"] for row in cleaned.rows.to_pylist()}
        assert (topics["complaint"], topics["survey"]) == ("quality", "Quality")

    def test_a_constant_kind_is_of_the_whole_source(self, clean: Clean) -> None:
        cleaned = contacts(
            clean, {"topic": ["service"]}, without=["kind"], constants={"kind": "complaint"}
        )
        assert cleaned.rows["kind"].to_pylist() == ["complaint"]

    @pytest.mark.parametrize("scale", [(1, 5), (5, 1)])
    def test_satisfaction_is_brought_to_its_scale(
        self, scale: tuple[int, int], clean: Clean
    ) -> None:
        cleaned = contacts(clean, {"satisfaction": [1, 2, 5]}, satisfaction_scale=scale)
        found = sorted(cleaned.rows["satisfaction"].to_pylist())
        assert found == ([0.0, 0.25, 1.0] if scale == (1, 5) else [0.0, 0.75, 1.0])

    def test_without_an_id_are_named_by_their_key(self, clean: Clean) -> None:
        (row,) = contacts(clean, {"cost": [5.0]}).rows.to_pylist()
        assert row["interaction_id"] == row["row_key"].hex()


class TestReasons:
    @pytest.mark.parametrize(
        ("columns", "reason"),
        [
            ({"customer_id": [None]}, "customer_id is missing"),
            ({"interaction_id": [None]}, "interaction_id is missing"),
            ({"contacted_at": [None]}, "contacted_at is missing"),
            ({"kind": [None]}, "kind is missing"),
            ({"kind": ["fax"]}, f"kind is none of {', '.join(KINDS)}"),
            (
                {"kind": ["Complaint"], "topic": ["colour"]},
                "topic of a complaint is none of quality, contract, transport, service",
            ),
            ({"resolved_at": ["2011-02-27"]}, "resolved_at is before contacted_at"),
            (
                {"resolved_at": ["2011-03-01"]},
                "resolved_at is after 2011-02-28, the day of loading",
            ),
            ({"satisfaction": ["very"]}, "satisfaction is not a number"),
            ({"satisfaction": ["inf"]}, "satisfaction is not finite"),
            ({"satisfaction": ["1.1"]}, OUT_OF_RANGE.format("0 and 1")),
            ({"cost": ["much"]}, "cost is not a number"),
        ],
    )
    def test_each_has_its_words(
        self, columns: Mapping[str, list[object]], reason: str, clean: Clean
    ) -> None:
        assert contacts(clean, columns, latest_day=DAY).counts_by_reason() == {reason: 1}

    def test_a_score_beyond_its_scale_is_rejected(self, clean: Clean) -> None:
        cleaned = contacts(clean, {"satisfaction": [0, 6]}, satisfaction_scale=(1, 5))
        assert cleaned.counts_by_reason() == {OUT_OF_RANGE.format("1 and 5"): 2}

    def test_the_later_of_two_contents_of_an_id_wins(self, clean: Clean) -> None:
        cleaned = contacts(clean, {"interaction_id": ["x", "x"], "cost": [1.0, 2.0]})
        assert cleaned.rows["cost"].to_pylist() == [2.0]
        assert cleaned.counts_by_reason() == {
            "replaced by a later row of the same interaction_id": 1
        }
