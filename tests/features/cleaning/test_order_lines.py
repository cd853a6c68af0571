from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.cleaning import FIELDS, Cleaned
from features.cleaning import clean as run_cleaning
from features.ledger import date_of, day_of
from features.schema import TABLES
from features.sources import RawTable, Source, SourceError, read, read_dataframe

Clean = Callable[..., Cleaned]
ReadFile = Callable[..., RawTable]

TOO_OLD = "ordered_at is before 1900-01-02"
INFINITE = "revenue is not finite"
NO_DATE = (
    "ordered_at is not a date that begins with the year or names the month "
    "(date_format says how others are written)"
)


def only(cleaned: Cleaned) -> dict[str, object]:
    """The only row, which is clean."""
    assert not cleaned.counts_by_reason()
    (row,) = cleaned.rows.to_pylist()
    return row


def days(cleaned: Cleaned) -> list[date]:
    assert not cleaned.counts_by_reason()
    return sorted(date_of(day) for day in cleaned.rows["day"].to_pylist())


def reasons(cleaned: Cleaned) -> list[str]:
    assert cleaned.rejected["source_row"].to_pylist() == [*range(1, len(cleaned.rejected) + 1)]
    return cleaned.rejected["reason"].to_pylist()


class TestRows:
    def test_have_the_columns_of_the_ledger(self, clean: Clean) -> None:
        row = clean({"order_id": ["O-1"]}).rows
        assert row.schema == TABLES["order_lines"].arrow_schema
        assert only(clean({"order_id": ["O-1"]})) | {"row_key": b""} == {
            "customer_id": "C-1", "day": day_of(date(2011, 2, 28)), "row_key": b"",
            "order_id": "O-1", "revenue": 10.0, "product_id": None, "category": None,
            "quantity": None, "cost": None, "discount": None, "channel": None,
        }  # fmt: skip

    def test_rejected_rows_say_where_what_and_why(self, clean: Clean) -> None:
        cleaned = clean({"revenue": ["1", "one", "2"], "category": ["a", 'b"', "c"]})
        (row,) = cleaned.rejected.to_pylist()
        assert row["source_row"] == 2
        assert row["reason"] == "revenue is not a number"
        assert '"revenue":"one","category":"b\\""' in row["content"]
        assert cleaned.counts_by_reason() == {"revenue is not a number": 1}

    def test_malformed_rows_are_rejected_with_the_others(self, read_file: ReadFile) -> None:
        raw = read_file(b"customer_id,ordered_at,revenue\nshort\na,2011-02-28,5\n,2011-02-28,5\n")
        cleaned = run_cleaning(raw, Source())
        assert (cleaned.n_read, len(cleaned.rows)) == (3, 1)
        assert {(r["source_row"], r["reason"]) for r in cleaned.rejected.to_pylist()} == {
            (1, "row has 1 fields, not 3"),
            (3, "customer_id is missing"),
        }

    def test_the_most_frequent_reason_comes_first(self, clean: Clean) -> None:
        cleaned = clean({"revenue": ["x", "", "", "y", ""]})
        assert [*cleaned.counts_by_reason().items()] == [
            ("revenue is missing", 3),
            ("revenue is not a number", 2),
        ]

    @pytest.mark.parametrize(
        ("missing", "named"),
        [
            ("customer_id", "customer_id"),
            ("ordered_at", "ordered_at"),
            ("revenue", r"revenue \(or unit_price and quantity\)"),
        ],
    )
    def test_a_source_without_a_needed_field_is_refused(self, missing: str, named: str) -> None:
        fields = {"customer_id", "ordered_at", "revenue", "unit_price"} - {missing}
        frame = pd.DataFrame({field: ["1"] for field in fields - {missing}})
        raw = read_dataframe(frame, name="shop", fields=[*FIELDS["order_lines"]])
        with pytest.raises(SourceError, match=rf"Source 'shop' has no column for {named}\. Map it"):
            run_cleaning(raw, Source())

    def test_a_source_without_any_field_may_have_no_header(self, read_file: ReadFile) -> None:
        raw = read_file(b"C-1,2011-02-28,5\nC-2,2011-02-28,5\n")
        with pytest.raises(SourceError, match=r"\(C-1, 2011-02-28, 5\) may not be a header"):
            run_cleaning(raw, Source())


class TestReasons:
    @pytest.mark.parametrize(
        ("columns", "reason"),
        [
            ({"customer_id": [None, "", "  ", "\u3000"]}, "customer_id is missing"),
            ({"customer_id": [np.nan, None]}, "customer_id is missing"),
            ({"order_id": [None, " "]}, "order_id is missing"),
            ({"line_id": [None, ""], "order_id": ["a", "b"]}, "line_id is missing"),
            ({"ordered_at": [None, "", " "]}, "ordered_at is missing"),
            ({"ordered_at": ["2011-02-30", "2011-13-01", "2011-02-28 25:00"]}, NO_DATE),
            ({"ordered_at": ["01/02/2011", "1.2.2011", "1 Fév 2011", "today"]}, NO_DATE),
            ({"ordered_at": ["0001-01-01", "1900-01-01", "1899-12-30"]}, TOO_OLD),
            ({"ordered_at": ["epoch", "infinity", "-infinity"]}, TOO_OLD),
            ({"revenue": [None, "", " "]}, "revenue is missing"),
            ({"revenue": ["$5", "five", "1,5", "5-", "(5)", "0x10"]}, "revenue is not a number"),
            ({"revenue": ["nan", "inf", "-inf", "1e999"]}, "revenue is not finite"),
            ({"revenue": [np.inf, -np.inf]}, "revenue is not finite"),
            ({"cost": ["?"]}, "cost is not a number"),
            ({"discount": [np.inf]}, "discount is not finite"),
            ({"quantity": ["two"]}, "quantity is not a number"),
            ({"revenue": [None], "unit_price": [1e200], "quantity": [1e200]}, INFINITE),
            ({"revenue": [None], "unit_price": [None], "quantity": [2]}, "revenue is missing"),
        ],
    )  # fmt: skip
    def test_each_has_its_words(
        self, columns: Mapping[str, list[object]], reason: str, clean: Clean
    ) -> None:
        cleaned = clean(columns)
        assert reasons(cleaned) == [reason] * cleaned.n_read

    def test_nan_in_a_file_is_no_number_but_no_customer_either(
        self, clean: Clean, tmp_path: Path
    ) -> None:
        """Some programs write NaN to Parquet where they mean null."""
        frame = pd.DataFrame({"customer_id": ["a", "b"], "ordered_at": "2011-02-28"})
        table = read_dataframe(frame, name="x", fields=["customer_id", "ordered_at"]).rows
        table = table.select(["customer_id", "ordered_at"])
        table = table.append_column("revenue", [np.array([np.nan, 1.0])])
        table = table.append_column("product_id", [np.array([1.0, np.nan])])
        pq.write_table(table, tmp_path / "orders.parquet")
        raw = read(
            Source(path=tmp_path / "orders.parquet"),
            name="shop",
            fields=[*FIELDS["order_lines"]],
        )
        cleaned = run_cleaning(raw, Source())
        assert cleaned.counts_by_reason() == {"revenue is not finite": 1}
        assert cleaned.rows["product_id"].to_pylist() == [None]

    def test_the_first_fault_is_the_reason(self, clean: Clean) -> None:
        assert reasons(clean({"customer_id": [""], "ordered_at": ["?"], "revenue": ["?"]})) == [
            "customer_id is missing"
        ]


class TestDays:
    @pytest.mark.parametrize(
        "written",
        ["2011-02-28", "2011/02/28", "2011.02.28", "20110228", "2011-2-28", " 2011-02-28 ",
         "2011-02-28 23:59", "2011-02-28 23:59:59", "2011-02-28 23:59:59.999999",
         "2011-02-28T23:59", "2011-02-28T23:59:59", "2011/02/28 23:59"],
    )  # fmt: skip
    def test_that_begin_with_the_year_are_read(self, written: str, clean: Clean) -> None:
        assert days(clean({"ordered_at": [written]})) == [date(2011, 2, 28)]

    @pytest.mark.parametrize(
        ("date_format", "day"), [("%d/%m/%Y", date(2011, 2, 1)), ("%m/%d/%Y", date(2011, 1, 2))]
    )
    def test_ambiguous_ones_are_read_where_the_format_is_given(
        self, date_format: str, day: date, clean: Clean
    ) -> None:
        cleaned = clean({"ordered_at": ["01/02/2011", "2011-02-28"]}, date_format=date_format)
        assert cleaned.rows["day"].to_pylist() == [day_of(day)]
        assert cleaned.counts_by_reason() == {
            f"ordered_at is not a date written as {date_format}": 1
        }

    @pytest.mark.parametrize(
        "written",
        ["28 Feb 2011", "28-Feb-2011", "28/feb/2011", "Feb 28, 2011", "February 28 2011",
         "28 February 2011 23:59", "28-FEB-2011 23:59:59", "February 28, 2011"],
    )  # fmt: skip
    def test_that_name_the_month_are_read(self, written: str, clean: Clean) -> None:
        assert days(clean({"ordered_at": [written]})) == [date(2011, 2, 28)]

    def test_a_long_name_of_a_month_is_no_time_zone(self, clean: Clean) -> None:
        assert days(clean({"ordered_at": ["28-September-2011"]})) == [date(2011, 9, 28)]

    def test_of_several_formats_the_first_that_fits_counts(self, clean: Clean) -> None:
        formats = ["%d.%m.%Y", "%d/%m/%Y"]
        cleaned = clean({"ordered_at": ["28.02.2011", "01/02/2011", "?"]}, date_format=formats)
        found = sorted(date_of(day) for day in cleaned.rows["day"].to_pylist())
        assert found == [date(2011, 2, 1), date(2011, 2, 28)]
        assert cleaned.counts_by_reason() == {
            "ordered_at is not a date written as %d.%m.%Y or %d/%m/%Y": 1
        }

    def test_after_the_last_year_of_the_calendar_are_rejected(self, clean: Clean) -> None:
        columns = {"ordered_at": pd.Series([date(2011, 2, 28)]).astype("datetime64[s]")}
        columns["ordered_at"] = columns["ordered_at"] + np.timedelta64(365 * 9000, "D")
        assert reasons(clean(columns)) == ["ordered_at is after 9999-12-31"]

    def test_a_format_that_is_none_is_refused(self, clean: Clean) -> None:
        with pytest.raises(SourceError, match=r"date_format of source 'shop' .*Got '%Q'"):
            clean({"ordered_at": ["2011-02-28"]}, date_format="%Q")

    @pytest.mark.parametrize(
        "written", ["2011-02-28T17:30:00Z", "2011-02-28 17:30:00+0000", "2011-02-28T12:30-05:00"]
    )
    def test_texts_with_a_zone_move_to_the_companys(self, written: str, clean: Clean) -> None:
        columns = {"ordered_at": [written]}
        assert days(clean(columns)) == [date(2011, 2, 28)]
        assert days(clean(columns, time_zone="Asia/Shanghai")) == [date(2011, 3, 1)]

    def test_an_impossible_day_with_a_zone_is_none(self, clean: Clean) -> None:
        assert reasons(clean({"ordered_at": ["2011-02-30T10:00:00Z"]})) == [NO_DATE]

    def test_a_format_may_name_the_zone(self, clean: Clean) -> None:
        columns = {"ordered_at": ["28.02.2011 17:30 +0000"]}
        cleaned = clean(columns, date_format="%d.%m.%Y %H:%M %z", time_zone="Asia/Shanghai")
        assert days(cleaned) == [date(2011, 3, 1)]

    def test_timestamps_move_only_where_they_have_a_zone(self, clean: Clean) -> None:
        local = pd.Timestamp("2011-02-28 23:30")
        moments = {"ordered_at": [local]}, {"ordered_at": [local.tz_localize("America/New_York")]}
        found = [days(clean(columns, time_zone="Europe/Zurich")) for columns in moments]
        assert found == [[date(2011, 2, 28)], [date(2011, 3, 1)]]

    @pytest.mark.parametrize("column", [[20110228, 20110301], [20110228.0, 20110301.0]])
    def test_may_be_written_as_numbers(self, column: list[float], clean: Clean) -> None:
        assert days(clean({"ordered_at": column})) == [date(2011, 2, 28), date(2011, 3, 1)]

    def test_may_be_dates(self, clean: Clean) -> None:
        assert days(clean({"ordered_at": [date(2011, 2, 28)]})) == [date(2011, 2, 28)]

    def test_after_the_latest_day_are_rejected(self, clean: Clean) -> None:
        columns = {"ordered_at": ["2011-03-01", "2011-02-28"]}
        cleaned = clean(columns, latest_day=day_of(date(2011, 2, 28)))
        assert reasons(cleaned) == ["ordered_at is after 2011-02-28, the day of loading"]


class TestNumbers:
    @pytest.mark.parametrize(
        ("written", "decimal", "thousands", "number"),
        [
            ("1234.5", ".", "", 1234.5),
            ("1,234.5", ".", ",", 1234.5),
            ("1234,5", ",", "", 1234.5),
            ("1.234.567,5", ",", ".", 1234567.5),
            ("1 234,5", ",", " ", 1234.5),
            ("1'234.5", ".", "'", 1234.5),
            (" 1e3 ", ".", "", 1000.0),
        ],
    )
    def test_are_written_in_many_ways(
        self, written: str, decimal: str, thousands: str, number: float, clean: Clean
    ) -> None:
        cleaned = clean({"revenue": [written]}, decimal=decimal, thousands=thousands)
        assert only(cleaned)["revenue"] == number

    def test_a_point_is_no_fraction_where_the_comma_is(self, clean: Clean) -> None:
        assert (
            reasons(clean({"revenue": ["1.234", "1.234,5"]}, decimal=","))
            == ["revenue is not a number"] * 2
        )

    def test_signs_matter_in_texts_only(self, clean: Clean) -> None:
        assert only(clean({"revenue": [1234.5]}, decimal=",", thousands="."))["revenue"] == 1234.5

    @pytest.mark.parametrize(
        ("column", "words"),
        [
            ([17850.0, None], ["17850"]),
            ([17850, 1], ["1", "17850"]),
            ([2.5], ["2.5"]),
            ([1e39], ["1e+39"]),
            (["007", " 7 "], ["007", "7"]),
        ],
    )
    def test_as_ids_are_whole(self, column: list[object], words: list[str], clean: Clean) -> None:
        assert sorted(clean({"customer_id": column}).rows["customer_id"].to_pylist()) == words


class TestMoney:
    def test_unit_price_times_quantity_is_revenue(self, clean: Clean) -> None:
        given = {"revenue": [None], "unit_price": [2.5], "quantity": [4], "unit_cost": [1.5]}
        row = only(clean(given))
        assert (row["revenue"], row["quantity"], row["cost"]) == (10.0, 4.0, 6.0)

    def test_revenue_that_is_given_counts(self, clean: Clean) -> None:
        row = only(clean({"revenue": [9.0], "unit_price": [2.5], "quantity": [4]}))
        assert row["revenue"] == 9.0

    def test_profit_leaves_the_cost(self, clean: Clean) -> None:
        assert only(clean({"profit": [4.0]}))["cost"] == 6.0
        assert only(clean({"profit": [-4.0]}))["cost"] == 14.0

    def test_cost_goes_before_unit_cost_before_profit(self, clean: Clean) -> None:
        both = {"unit_cost": [3.0], "quantity": [1], "profit": [1.0]}
        assert only(clean(both | {"cost": [2.0]}))["cost"] == 2.0
        assert only(clean(both))["cost"] == 3.0

    @pytest.mark.parametrize("sign", [1, -1])
    @pytest.mark.parametrize(
        ("columns", "source"),
        [
            ({"quantity": [-2]}, {}),
            ({"quantity": [2], "order_id": ["C536379"]}, {"cancelled_prefix": "C"}),
            ({"quantity": [2], "cancelled": [True]}, {}),
            ({"quantity": [2], "cancelled": ["Yes"]}, {}),
            ({"quantity": [2], "cancelled": [1.0]}, {}),
        ],
    )
    def test_of_a_return_is_negative_however_its_source_writes_it(
        self, columns: dict[str, list[object]], source: dict[str, str], sign: int, clean: Clean
    ) -> None:
        row = only(clean(columns | {"revenue": [sign * 10.0], "cost": [sign * 6.0]}, **source))
        assert (row["revenue"], row["quantity"], row["cost"]) == (-10.0, -2.0, -6.0)

    def test_of_a_return_by_price_and_profit_is_negative_too(self, clean: Clean) -> None:
        given = {"revenue": [None], "unit_price": [5.0], "quantity": [-2], "profit": [-4.0]}
        row = only(clean(given))
        assert (row["revenue"], row["cost"]) == (-10.0, -6.0)

    def test_of_other_orders_keeps_its_sign(self, clean: Clean) -> None:
        columns = {"order_id": ["536379"], "quantity": [2], "cancelled": [None], "cost": [6.0]}
        row = only(clean(columns, cancelled_prefix="C"))
        assert (row["revenue"], row["quantity"], row["cost"]) == (10.0, 2.0, 6.0)


class TestDuplicates:
    SAME = {"order_id": ["a", "a", "b", "a"]}  # noqa: RUF012 - read only

    def test_are_kept_with_a_warning(self, clean: Clean) -> None:
        cleaned = clean(self.SAME)
        assert len(cleaned.rows) == 4
        assert cleaned.warnings[0].startswith("Exact duplicates kept: 2. ")

    def test_are_rejected_on_demand(self, clean: Clean) -> None:
        cleaned = clean(self.SAME, duplicates="reject")
        assert cleaned.rejected["source_row"].to_pylist() == [2, 4]
        assert cleaned.counts_by_reason() == {"exact duplicate": 2}
        assert cleaned.warnings == ()

    @pytest.mark.parametrize(("file", "n"), [("cdnow_master", 255), ("cdnow_sample", 21)])
    def test_of_cdnow_are_counted(self, file: str, n: int, shared: Path) -> None:
        columns = {"ordered_at": "date", "revenue": "dollar_value", "quantity": "number_of_cds"}
        source = Source(path=shared / "cdnow" / f"{file}.parquet", columns=columns)
        raw = read(source, name="cdnow", fields=[*FIELDS["order_lines"]])
        kept = run_cleaning(raw, source)
        rejecting = source.model_copy(update={"duplicates": "reject"})
        left = run_cleaning(raw, rejecting)
        assert f"Exact duplicates kept: {n}." in kept.warnings[0]
        assert left.counts_by_reason() == {"exact duplicate": n}
        assert len(left.rows) + n == len(kept.rows) == kept.n_read == left.n_read

    def test_of_a_line_key_are_rejected(self, clean: Clean) -> None:
        cleaned = clean(self.SAME | {"line_id": [1, 1, 1, 1]})
        assert cleaned.rejected["source_row"].to_pylist() == [1, 2]
        assert cleaned.counts_by_reason() == {"exact duplicate": 2}
        assert cleaned.warnings == ()

    def test_the_later_of_two_contents_of_a_line_key_wins(self, clean: Clean) -> None:
        columns = {"order_id": ["a", "a", "b"], "line_id": [1, 1, 1], "revenue": [5.0, 7.0, 9.0]}
        cleaned = clean(columns)
        assert sorted(cleaned.rows["revenue"].to_pylist()) == [7.0, 9.0]
        assert cleaned.rejected["source_row"].to_pylist() == [1]
        assert cleaned.counts_by_reason() == {"replaced by a later row of the same line_id": 1}

    def test_a_broken_later_row_replaces_nothing(self, clean: Clean) -> None:
        columns = {"order_id": ["a", "a"], "line_id": [1, 1], "revenue": ["5", "?"]}
        cleaned = clean(columns)
        assert cleaned.rows["revenue"].to_pylist() == [5.0]
        assert cleaned.counts_by_reason() == {"revenue is not a number": 1}


class TestKeys:
    def test_same_content_twice_gives_two(self, clean: Clean) -> None:
        assert len(set(clean({"order_id": ["a", "a", "b"]}).rows["row_key"].to_pylist())) == 3

    def test_are_stable_when_loaded_again(self, clean: Clean) -> None:
        columns = {"order_id": ["a", "a", "b"], "revenue": [1.0, 1.0, 2.0]}
        first, second = (clean(columns).rows.sort_by("row_key") for _ in range(2))
        assert first.equals(second)
        turned = clean({name: values[::-1] for name, values in columns.items()})
        assert turned.rows.sort_by("row_key").equals(first)

    def test_of_a_line_key_stay_when_its_content_changes(self, clean: Clean) -> None:
        keys = {
            only(clean({"order_id": ["a"], "line_id": ["1"], "revenue": [revenue]}))["row_key"]
            for revenue in (5.0, 7.0)
        }
        assert len(keys) == 1

    def test_tell_an_order_from_its_line(self, clean: Clean) -> None:
        cleaned = clean({"order_id": ["a1", "a"], "line_id": ["1", "11"]})
        assert len(set(cleaned.rows["row_key"].to_pylist())) == 2

    def test_rejected_rows_have_the_key_they_would_have(self, clean: Clean) -> None:
        """So that loading takes a row that no longer reads from the ledger."""
        columns = {"order_id": ["a"], "line_id": ["1"]}
        (broken,) = clean(columns | {"revenue": ["?"]}).rejected.to_pylist()
        assert broken["row_key"] == only(clean(columns))["row_key"]


class TestOrders:
    def test_without_an_id_are_a_customers_day(self, clean: Clean) -> None:
        cleaned = clean(
            {
                "customer_id": ["a", "a", "a", "b"],
                "ordered_at": ["2011-02-28 09:00", "2011-02-28 10:00", "2011-03-01", "2011-03-01"],
            }
        )
        assert set(cleaned.rows["order_id"].to_pylist()) == {
            *("a 2011-02-28", "a 2011-03-01", "b 2011-03-01")
        }
        assert "There is no order_id" in cleaned.warnings[-1]

    def test_with_an_id_need_no_warning(self, clean: Clean) -> None:
        assert clean({"order_id": ["a"]}).warnings == ()


_MESSY: dict[str, list[object]] = {
    "customer_id": [None, "", "a", "b", "O'Brien", "\n"],
    "ordered_at": [None, "2011-02-28", "2011-02-30", "1/2/2011", "2011-03-01T10:00:00Z", "0"],
    "revenue": [None, "", "5", "-5", "1e999", "nan", "five", "1,5"],
    "unit_price": [None, "2", "?"],
    "quantity": [None, "1", "-1", "0", "inf", "x"],
    "cost": [None, "3", "-3", "?"],
    "profit": [None, "1"],
    "order_id": [None, "o1", "C2"],
    "line_id": [None, "1", "2"],
    "cancelled": [None, "yes", "no"],
    "category": [None, "", '"', "{}"],
}
_NEEDED = ["customer_id", "ordered_at", "revenue"]
_frames = st.sets(st.sampled_from([*_MESSY])).flatmap(
    lambda chosen: st.lists(
        st.fixed_dictionaries({f: st.sampled_from(_MESSY[f]) for f in {*chosen, *_NEEDED}}),
        min_size=1,
        max_size=20,
    )
)


@settings(max_examples=25, deadline=None)
@given(rows=_frames, duplicates=st.sampled_from(["keep", "reject"]))
def test_every_row_is_clean_or_rejected(
    rows: list[dict[str, object]], duplicates: str, clean: Clean
) -> None:
    frame = pd.DataFrame(rows, dtype=object)
    cleaned = clean(frame, duplicates=duplicates, cancelled_prefix="C")
    assert cleaned.n_read == len(frame) == len(cleaned.rows) + len(cleaned.rejected)
    rejected = cleaned.rejected["source_row"].to_pylist()
    assert rejected == sorted(set(rejected))
    assert None not in cleaned.rejected["reason"].to_pylist()
    keys = cleaned.rows["row_key"].to_pylist()
    assert len(set(keys)) == len(keys)
    assert np.isfinite(cleaned.rows["revenue"].to_numpy()).all()


def test_moments_are_on_the_same_day_as_texts_and_as_timestamps(clean: Clean) -> None:
    chance = np.random.default_rng(0)
    zones = [timezone(timedelta(minutes=int(m))) for m in chance.integers(-720, 840, 200)]
    seconds = chance.integers(-2_000_000_000, 7_000_000_000, 200)
    moments = [
        datetime(1970, 1, 1, tzinfo=UTC).astimezone(zone) + timedelta(seconds=int(s))
        for s, zone in zip(seconds, zones, strict=True)
    ]
    columns = [m.isoformat() for m in moments], pd.to_datetime(pd.Series(moments), utc=True)
    found = [days(clean({"ordered_at": column}, time_zone="Asia/Tokyo")) for column in columns]
    assert found == [sorted((m.astimezone(ZoneInfo("Asia/Tokyo"))).date() for m in moments)] * 2


def test_a_line_key_without_an_order_names_the_line_whatever_its_day(clean: Clean) -> None:
    line = {"line_id": ["7"], "customer_id": ["a"], "revenue": [5.0]}
    before = clean(line | {"ordered_at": ["2020-01-01"]})
    after = clean(line | {"ordered_at": ["2020-01-02"]})
    assert before.rows["row_key"].to_pylist() == after.rows["row_key"].to_pylist()


def test_a_credit_note_is_a_return_whatever_its_quantity_says(clean: Clean) -> None:
    credit = {"customer_id": ["a"], "ordered_at": ["2020-01-01"], "revenue": [-5.0]}
    row = only(clean(credit | {"quantity": [2], "cost": [3.0]}))
    assert (row["revenue"], row["quantity"], row["cost"]) == (-5.0, -2.0, -3.0)


def test_a_cancelled_order_takes_another_back_or_never_came_about(clean: Clean) -> None:
    columns = {"order_id": ["1", "2"], "revenue": [100.0, 100.0], "cancelled": ["no", "canceled"]}
    assert sorted(clean(columns).rows["revenue"].to_pylist()) == [-100.0, 100.0]
    void = clean(columns, cancelled_rows="void")
    assert void.rows["revenue"].to_pylist() == [100.0]
    assert void.counts_by_reason() == {"the order was cancelled": 1}
