import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date

import pandas as pd
import pytest

from features.cleaning import Cleaned, Company
from features.ledger import day_of
from features.schema import TABLES
from features.sources import SourceError

Clean = Callable[..., Cleaned]


def customers(clean: Clean, columns: Mapping[str, Sequence[object]], **source: object) -> Cleaned:
    return clean(columns, table="customers", **source)


def only(cleaned: Cleaned) -> dict[str, object]:
    (row,) = cleaned.rows.to_pylist()
    return row


def attributes(clean: Clean, columns: Mapping[str, Sequence[object]], **source: object) -> object:
    cleaned = customers(clean, columns, attributes=list(columns), **source)
    rows = cleaned.rows.to_pylist()
    return [json.loads(row["attributes"]) for row in sorted(rows, key=lambda r: r["customer_id"])]


class TestRows:
    def test_have_the_columns_of_the_ledger(self, clean: Clean) -> None:
        cleaned = customers(
            clean,
            {"name": ["Zoë"], "kind": ["agent"], "region": ["N"], "owner": ["O"],
             "acquired_at": ["2010-01-02"], "planned_revenue": [5e4]},
        )  # fmt: skip
        assert cleaned.rows.schema == TABLES["customers"].arrow_schema
        assert only(cleaned) | {"row_key": b""} == {
            "customer_id": "C-1", "row_key": b"", "name": "Zoë", "kind": "agent", "region": "N",
            "owner": "O", "acquired_day": day_of(date(2010, 1, 2)), "marketing_consent": None,
            "profiling_opt_out": None, "planned_revenue": 5e4, "attributes": None,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("written", "flag"),
        [
            *((word, 1) for word in ("1", "TRUE", "t", "Yes", "y", " x ", True, 1, 1.0)),
            *((word, 0) for word in ("0", "false", "F", "no", "N", False, 0, 0.0)),
            *((word, None) for word in ("", " ", None)),
        ],
    )
    def test_flags_are_written_in_many_ways(
        self, written: object, flag: int | None, clean: Clean
    ) -> None:
        row = only(customers(clean, {"marketing_consent": [written]}))
        assert row["marketing_consent"] == flag


class TestReasons:
    @pytest.mark.parametrize(
        ("column", "value", "reason"),
        [
            ("customer_id", "", "customer_id is missing"),
            ("acquired_at", "1899-01-01", "acquired_at is before 1900-01-02"),
            ("acquired_at", "2011-03-01", "acquired_at is after 2011-02-28, the day of loading"),
            ("marketing_consent", "ask", "marketing_consent is neither yes nor no (1 or 0)"),
            ("profiling_opt_out", "2", "profiling_opt_out is neither yes nor no (1 or 0)"),
            ("planned_revenue", "lots", "planned_revenue is not a number"),
            ("planned_revenue", "inf", "planned_revenue is not finite"),
        ],
    )
    def test_each_has_its_words(
        self, column: str, value: object, reason: str, clean: Clean
    ) -> None:
        cleaned = customers(clean, {column: [value]}, latest_day=day_of(date(2011, 2, 28)))
        assert cleaned.counts_by_reason() == {reason: 1}

    def test_the_later_row_of_an_id_wins_entirely(self, clean: Clean) -> None:
        cleaned = customers(clean, {"profiling_opt_out": [1, None], "name": ["a", "b"]})
        assert (only(cleaned)["name"], only(cleaned)["profiling_opt_out"]) == ("b", None)
        assert cleaned.counts_by_reason() == {"replaced by a later row of the same customer_id": 1}


class TestAttributes:
    def test_numbers_stay_numbers(self, clean: Clean) -> None:
        assert attributes(clean, {"Income": [1.5], "Kids": [2], "Education": ["PhD"]}) == [
            {"Income": 1.5, "Kids": 2, "Education": "PhD"}
        ]

    def test_texts_are_numbers_where_all_are(self, clean: Clean) -> None:
        columns = {"customer_id": ["a", "b", "c"]}
        kept = {"all": ["1.234,5", "2", ""], "some": ["1", "two", None], "zip": ["01", "2", "3"]}
        cleaned = customers(
            clean, columns | kept, attributes=list(kept), decimal=",", thousands="."
        )
        rows = sorted(cleaned.rows.to_pylist(), key=lambda row: row["customer_id"])
        assert [json.loads(row["attributes"]) for row in rows] == [
            {"all": 1234.5, "some": "1", "zip": "01"},
            {"all": 2.0, "some": "two", "zip": "2"},
            {"all": None, "some": None, "zip": "3"},
        ]

    def test_others_are_texts_and_what_json_cannot_say_is_null(self, clean: Clean) -> None:
        columns = {
            "since": [date(2011, 2, 28)],
            "is_new": [True],
            "odds": [float("inf")],
            'a "b" \'; DROP TABLE x; --': ["c"],
        }
        assert attributes(clean, columns) == [
            {"since": "2011-02-28", "is_new": "true", "odds": None,
             "a \"b\" '; DROP TABLE x; --": "c"}
        ]  # fmt: skip

    def test_a_column_the_source_lacks_is_named(self, clean: Clean) -> None:
        with pytest.raises(SourceError, match=r"keeps the attribute 'Incme'.*did you mean 'Income"):
            clean(pd.DataFrame({"customer_id": ["a"], "Income": [1]}), table="customers",
                  attributes=["Incme"])  # fmt: skip


class TestSeveralThatAreOne:
    COMPANY = Company(aliases={"old": "new", "older": "new"})

    def both(self, clean: Clean, ids: list[str], **columns: list[object]) -> Cleaned:
        return customers(clean, {"customer_id": ids} | columns, company=self.COMPANY)

    def test_the_later_row_wins(self, clean: Clean) -> None:
        cleaned = self.both(clean, ["new", "old"], name=["a", "b"])
        assert (only(cleaned)["customer_id"], only(cleaned)["name"]) == ("new", "b")
        assert cleaned.counts_by_reason() == {"replaced by a later row of the same customer_id": 1}

    def test_the_strictest_consent_survives(self, clean: Clean) -> None:
        row = only(
            self.both(
                clean,
                ["older", "old", "new"],
                marketing_consent=[1, 0, 1],
                profiling_opt_out=[1, 0, None],
            )
        )
        assert (row["marketing_consent"], row["profiling_opt_out"]) == (0, 1)

    def test_what_an_id_takes_back_itself_does_not_count(self, clean: Clean) -> None:
        row = only(self.both(clean, ["old", "old", "new"], profiling_opt_out=[1, 0, 0]))
        assert row["profiling_opt_out"] == 0

    def test_unknown_consent_stays_unknown(self, clean: Clean) -> None:
        row = only(self.both(clean, ["old", "new"], marketing_consent=[1, None]))
        assert row["marketing_consent"] is None
