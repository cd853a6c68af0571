import sqlite3
from collections.abc import Callable, Mapping
from datetime import date

import pandas as pd
import pyarrow.compute as pc
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from features.ledger import Ledger, date_of, day_of
from features.pipeline import DIALECTS, Dialect
from features.schema import TABLES
from features.views import (
    VIEWS,
    abc,
    compute_view,
    view_names,
    view_statement,
)
from features.views.company import calendar

CompanyOf = Callable[..., Ledger]
Row = Mapping[str, object]


def on(text: str) -> int:
    return day_of(date.fromisoformat(text))


class TestStatement:
    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("name", view_names())
    def test_selects_the_catalogues_columns_in_every_dialect(
        self, name: str, dialect: Dialect
    ) -> None:
        statement = sqlglot.parse_one(view_statement(name, dialect), dialect=dialect)
        assert statement.named_selects == [column.name for column in VIEWS[name].columns]
        own = {part.alias for part in statement.find_all(exp.CTE)}
        read = {table.name for table in statement.find_all(exp.Table)} - own
        assert read <= {*TABLES, "calendar"}
        named = {p.name or str(p.this) for p in statement.find_all(exp.Placeholder, exp.Parameter)}
        assert named - {"as_of"} == ({"since"} if VIEWS[name].has_window else set())

    def test_of_no_view_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"A view is one of by_kind, .* Got 'sales' instead"):
            view_statement("sales")

    def test_days_are_refused_where_there_is_no_window(self, cdnow: Ledger) -> None:
        with pytest.raises(ValueError, match=r"movements is of the whole history\. Got days=30"):
            compute_view("movements", cdnow, cdnow.last_day, days=30)
        with pytest.raises(ValueError, match=r"at least 1\. Got 0 instead"):
            abc(cdnow, cdnow.last_day, days=0)

    @pytest.mark.parametrize("name", view_names())
    def test_means_the_same_on_sqlite(self, name: str, superstore: Ledger) -> None:
        as_of = on("2018-05-20")
        tables = dict(superstore.tables) | {"calendar": calendar(superstore.first_day, as_of)}
        with sqlite3.connect(":memory:") as connection:
            for table, rows in tables.items():
                rows.to_pandas().to_sql(table, connection, index=False)
            parameters = {"as_of": as_of, "since": as_of - 365}
            found = pd.read_sql(view_statement(name, "sqlite"), connection, params=parameters)
        connection.close()
        days = 365 if VIEWS[name].has_window else None
        expected = compute_view(name, superstore, as_of, days=days)
        pd.testing.assert_frame_equal(found.astype(expected.dtypes), expected, rtol=1e-9)


class TestCalendar:
    def test_is_the_calendars(self) -> None:
        days = calendar(on("1999-12-31"), on("2000-03-01")).to_pylist()
        assert len(days) == 365 + 366
        for row in days:
            day = date_of(row["day"])
            assert (row["year"], row["month"]) == (day.year, day.month)


PEOPLE: list[Row] = [
    {"customer_id": "A", "kind": "agent", "region": "north"},
    {"customer_id": "B", "kind": "retail", "region": "north"},
    {"customer_id": "C", "kind": "retail"},
    {"customer_id": "never bought", "kind": "agent", "region": "south"},
]
PLANNED: list[Row] = [
    {"customer_id": "A", "planned_revenue": 1200.0},
    {"customer_id": "no trade", "planned_revenue": 2400.0},
    {"customer_id": "B"},
]


class TestEveryView:
    @pytest.mark.parametrize("name", view_names())
    def test_of_an_empty_ledger_is_empty_and_of_the_same_types(
        self, name: str, superstore: Ledger
    ) -> None:
        empty = compute_view(name, Ledger({}), 18_000)
        full = compute_view(name, superstore, superstore.last_day)
        assert len(empty) == 0 < len(full)
        assert [*empty.columns] == [column.name for column in VIEWS[name].columns]
        pd.testing.assert_series_equal(empty.dtypes, full.dtypes)
        assert len(compute_view(name, superstore, superstore.first_day - 1)) == (
            # Who has a plan and no trade yet is behind it.
            superstore.tables["customers"].num_rows if name.endswith("_trade") else 0
        )

    @pytest.mark.parametrize("name", ["by_kind", "by_region", "abc", "products", "categories"])
    @pytest.mark.parametrize("data", ["cdnow", "superstore"])
    def test_shares_sum_to_1_and_money_to_the_ledgers(
        self, name: str, data: str, request: pytest.FixtureRequest
    ) -> None:
        ledger: Ledger = request.getfixturevalue(data)
        found = compute_view(name, ledger, ledger.last_day, days=10_000)
        assert found["revenue_share"].sum() == pytest.approx(1)
        assert found["revenue_share"].between(0, 1).all()
        lines = ledger.order_lines
        assert found["revenue"].sum() == pytest.approx(pc.sum(lines["revenue"]).as_py())
        if "gross_margin" in found and ledger.has_cost:
            margin = pc.sum(pc.subtract(lines["revenue"], lines["cost"])).as_py()
            assert found["gross_margin"].sum() == pytest.approx(margin)
        if "cumulative_share" in found:
            assert found["cumulative_share"].iloc[-1] == pytest.approx(1)

    @pytest.mark.parametrize("day", ["2016-01-03", "2017-02-28", "2018-12-31"])
    @pytest.mark.parametrize("name", view_names())
    def test_does_not_see_the_future(self, name: str, day: str, superstore: Ledger) -> None:
        known = compute_view(name, superstore.up_to(on(day)), on(day))
        pd.testing.assert_frame_equal(compute_view(name, superstore, on(day)), known)


_LINES = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from("ABCD"),
        "day": st.dates(date(2019, 12, 1), date(2022, 2, 1)).map(str),
        "revenue": st.sampled_from([-20.0, -0.1, 0.0, 0.1, 10.0, 33.3]),
        "quantity": st.sampled_from([None, -1.0, 1.0, 2.0]),
        "cost": st.sampled_from([None, -5.0, 0.2, 8.0]),
        "product_id": st.sampled_from([None, "p", "q"]),
    }
)


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(view_names()),
    lines=st.lists(_LINES, max_size=30),
    as_of=st.dates(date(2019, 12, 1), date(2022, 2, 1)).map(day_of),
)
def test_of_any_ledger_no_view_sees_the_future(
    name: str, lines: list[Row], as_of: int, company_of: CompanyOf
) -> None:
    company = company_of(lines, [*PLANNED, *PEOPLE[2:]])
    known = compute_view(name, company.up_to(as_of), as_of)
    pd.testing.assert_frame_equal(compute_view(name, company, as_of), known)
