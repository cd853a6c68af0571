from collections.abc import Callable, Mapping
from datetime import date

import pandas as pd
import pyarrow.compute as pc
import pytest

from features.ledger import Ledger, day_of
from features.views import (
    monthly_trade,
    yearly_trade,
)

CompanyOf = Callable[..., Ledger]
Row = Mapping[str, object]

NAN = float("nan")


def on(text: str) -> int:
    return day_of(date.fromisoformat(text))


def rows_of(view: pd.DataFrame, *columns: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in view[list(columns)].itertuples(index=False)]


PLANNED: list[Row] = [
    {"customer_id": "A", "planned_revenue": 1200.0},
    {"customer_id": "no trade", "planned_revenue": 2400.0},
    {"customer_id": "B"},
]
TRADE: list[Row] = [
    {"day": "2020-11-30", "customer_id": "A", "revenue": 600.0, "cost": 200.0},
    {"day": "2021-01-10", "customer_id": "A", "revenue": 150.0, "order_id": "one"},
    {"day": "2021-01-10", "customer_id": "A", "revenue": 50.0, "order_id": "one"},
    {"day": "2021-01-11", "customer_id": "A", "revenue": -20.0, "order_id": "back"},
    {"day": "2021-02-14", "customer_id": "B", "revenue": 7.0},
]


class TestTradeAgainstPlan:
    def test_of_years_by_hand(self, company_of: CompanyOf) -> None:
        found = yearly_trade(company_of(TRADE, PLANNED), on("2021-03-14"))
        gone = 73 / 365
        columns = ("customer_id", "year", "n_orders", "revenue", "planned_revenue")
        assert rows_of(found.fillna(-1), *columns) == [
            ("A", 2020, 1, 600.0, 1200.0),
            ("A", 2021, 1, 180.0, 1200.0),
            ("B", 2021, 1, 7.0, -1.0),
            ("no trade", 2021, 0, 0.0, 2400.0),
        ]
        assert found["gross_margin"].fillna(-1).tolist() == [400.0, -1, -1, -1]
        planned = [1200.0, 1200 * gone, NAN, 2400 * gone]
        assert found["planned_to_date"].tolist() == pytest.approx(planned, nan_ok=True)
        differences = [-600.0, 180 - 1200 * gone, NAN, -2400 * gone]
        assert found["plan_difference"].tolist() == pytest.approx(differences, nan_ok=True)
        rates = [0.5, 180 / (1200 * gone), NAN, 0]
        assert found["plan_rate"].tolist() == pytest.approx(rates, nan_ok=True)

    def test_of_months_by_hand(self, company_of: CompanyOf) -> None:
        found = monthly_trade(company_of(TRADE, PLANNED), on("2021-02-14"))
        columns = ("customer_id", "year", "month", "revenue", "planned_to_date")
        assert rows_of(found.fillna(-1), *columns) == [
            ("A", 2020, 11, 600.0, 100.0),
            ("A", 2020, 12, 0.0, 100.0),
            ("A", 2021, 1, 180.0, 100.0),
            ("A", 2021, 2, 0.0, 50.0),
            ("B", 2021, 2, 7.0, -1.0),
            ("no trade", 2021, 2, 0.0, 100.0),
        ]
        assert set(found["planned_revenue"].dropna()) == {100.0, 200.0}

    def test_of_a_plan_of_nothing_has_no_rate(self, company_of: CompanyOf) -> None:
        people = [{"customer_id": "C", "planned_revenue": 0.0}]
        found = yearly_trade(company_of([{"day": "2021-01-01"}], people), on("2021-12-31"))
        assert found["plan_rate"].isna().all()
        assert found["plan_difference"].tolist() == [10.0]

    def test_months_sum_to_the_years(self, superstore: Ledger) -> None:
        as_of = on("2019-08-15")
        years = yearly_trade(superstore, as_of).groupby(["customer_id", "year"])["revenue"].sum()
        months = monthly_trade(superstore, as_of)
        summed = months.groupby(["customer_id", "year"])["revenue"].sum()
        pd.testing.assert_series_equal(summed[summed.index.isin(years.index)], years)
        lines = superstore.up_to(as_of).order_lines
        assert summed.sum() == pytest.approx(pc.sum(lines["revenue"]).as_py())
        assert set(zip(months["year"], months["month"], strict=True)) == {
            (year, month) for year in range(2016, 2020) for month in range(1, 13)
        } - {(2019, month) for month in range(9, 13)}
