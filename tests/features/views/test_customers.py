from collections.abc import Callable, Mapping
from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.engines.duckdb import compute_signals
from features.ledger import Ledger, day_of
from features.views import (
    abc,
    by_kind,
    by_region,
    movements,
    pareto,
)
from models.tier.policy import tiers_by_share

CompanyOf = Callable[..., Ledger]
Row = Mapping[str, object]


def on(text: str) -> int:
    return day_of(date.fromisoformat(text))


def rows_of(view: pd.DataFrame, *columns: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in view[list(columns)].itertuples(index=False)]


PEOPLE: list[Row] = [
    {"customer_id": "A", "kind": "agent", "region": "north"},
    {"customer_id": "B", "kind": "retail", "region": "north"},
    {"customer_id": "C", "kind": "retail"},
    {"customer_id": "never bought", "kind": "agent", "region": "south"},
]
LINES: list[Row] = [
    {"day": "2021-01-05", "customer_id": "A", "revenue": 60.0, "cost": 30.0},
    {"day": "2021-02-05", "customer_id": "A", "revenue": 10.0},
    {"day": "2021-02-05", "customer_id": "B", "revenue": 20.0, "cost": 15.0},
    {"day": "2021-03-05", "customer_id": "C", "revenue": 10.0, "cost": 10.0},
    {"day": "2021-03-05", "customer_id": "D", "revenue": -10.0, "cost": -5.0},
]


class TestComposition:
    def test_by_hand(self, company_of: CompanyOf) -> None:
        found = by_kind(company_of(LINES, PEOPLE), on("2021-12-31"))
        assert rows_of(found, "kind", "n_customers", "revenue", "revenue_share") == [
            ("agent", 1, 70.0, 0.7),
            ("retail", 2, 30.0, 0.3),
            ("unknown", 1, -10.0, 0.0),
        ]
        assert found["gross_margin"].tolist() == [30.0, 5.0, -5.0]
        assert found["gross_margin_rate"].tolist()[:2] == pytest.approx([30 / 60, 5 / 30])
        assert found["gross_margin_rate"].isna().tolist() == [False, False, True]

    def test_by_region_without_one_is_unknown(self, company_of: CompanyOf) -> None:
        found = by_region(company_of(LINES, PEOPLE), on("2021-12-31"))
        assert rows_of(found, "region", "n_customers", "revenue") == [
            ("north", 2, 90.0),
            ("unknown", 2, 0.0),
        ]

    def test_of_the_last_days_only(self, company_of: CompanyOf) -> None:
        found = by_kind(company_of(LINES, PEOPLE), on("2021-03-05"), days=28)
        assert rows_of(found, "kind", "revenue") == [("retail", 10.0), ("unknown", -10.0)]

    def test_without_a_cost_has_no_margin(self, company_of: CompanyOf) -> None:
        found = by_kind(company_of([{"day": "2021-01-01"}]), on("2021-01-01"))
        assert found[["gross_margin", "gross_margin_rate"]].isna().all(axis=None)


class TestAbc:
    def test_by_hand(self, company_of: CompanyOf) -> None:
        money = {"a": 50.0, "b": 30.0, "c": 15.0, "d": 5.0, "e": -3.0, "f": 0.0}
        lines = [{"day": "2021-01-01", "customer_id": c, "revenue": m} for c, m in money.items()]
        found = abc(company_of(lines), on("2021-01-01"))
        assert rows_of(found, "customer_id", "abc_class") == [
            ("a", "A"), ("b", "A"), ("c", "B"), ("d", "C"), ("e", "C"), ("f", "C"),
        ]  # fmt: skip
        assert found["revenue_share"].tolist() == pytest.approx([0.5, 0.3, 0.15, 0.05, 0, 0])
        assert found["cumulative_share"].tolist() == pytest.approx([0.5, 0.8, 0.95, 1, 1, 1])
        assert found["revenue"].tolist() == [50.0, 30.0, 15.0, 5.0, -3.0, 0.0]

    def test_window_ends_on_the_day_and_holds_as_many_days_as_it_says(
        self, company_of: CompanyOf
    ) -> None:
        days = ["2020-01-02", "2020-01-03", "2021-01-01"]
        lines = [{"day": d, "revenue": m} for d, m in zip(days, [1.0, 2.0, 4.0], strict=True)]
        assert abc(company_of(lines), on("2021-01-01"))["revenue"].tolist() == [6.0]
        assert abc(company_of(lines), on("2021-01-01"), days=1)["revenue"].tolist() == [4.0]

    def test_without_positive_sales_has_no_share(self, company_of: CompanyOf) -> None:
        found = abc(company_of([{"day": "2021-01-01", "revenue": -1.0}]), on("2021-01-01"))
        assert found["abc_class"].tolist() == ["C"]
        assert found[["revenue_share", "cumulative_share"]].isna().all(axis=None)

    @pytest.mark.parametrize("days_before_the_end", [0, 180])
    def test_is_the_rule_of_the_tiers(self, days_before_the_end: int, cdnow: Ledger) -> None:
        as_of = cdnow.last_day - days_before_the_end
        found = abc(cdnow, as_of).set_index("customer_id")
        revenue = compute_signals(cdnow, as_of)["revenue_365d"].loc[found.index]
        np.testing.assert_allclose(found["revenue"], revenue)
        assert found["abc_class"].tolist() == tiers_by_share(revenue).tolist()


class TestPareto:
    def test_of_few_customers_is_one_point_each(self, company_of: CompanyOf) -> None:
        money = {"a": 60.0, "b": 40.0, "c": 0.0, "d": -3.0}
        lines = [{"day": "2021-01-01", "customer_id": c, "revenue": m} for c, m in money.items()]
        found = pareto(company_of(lines), on("2021-01-01"))
        assert rows_of(found, "n_customers", "customer_share", "revenue", "revenue_share") == [
            (0, 0.0, 0.0, 0.0),
            (1, 0.25, 60.0, 0.6),
            (2, 0.5, 100.0, 1.0),
            (3, 0.75, 100.0, 1.0),
            (4, 1.0, 100.0, 1.0),
        ]

    def test_of_many_is_a_point_a_percent(self, cdnow: Ledger) -> None:
        found = pareto(cdnow, cdnow.last_day, days=546)
        assert len(found) == 101
        np.testing.assert_allclose(
            found["customer_share"], np.arange(101) / 100, atol=1 / cdnow.n_customers
        )
        assert (found["customer_share"] >= np.arange(101) / 100 - 1e-12).all()
        assert found["revenue_share"].is_monotonic_increasing
        assert (found["revenue_share"].diff().dropna() >= -1e-12).all()
        assert found["revenue_share"].iloc[-1] == pytest.approx(1)
        spread = abc(cdnow, cdnow.last_day, days=546)
        at_ten = spread["cumulative_share"].iloc[found["n_customers"][10] - 1]
        assert found["revenue_share"][10] == pytest.approx(at_ten)


class TestMovements:
    def test_by_hand(self, company_of: CompanyOf) -> None:
        lines = [
            # Usual gap of 10 days, so 41 days after the 11th of January: the 21st of February.
            {"day": "2020-01-01", "customer_id": "A"},
            {"day": "2020-01-11", "customer_id": "A"},
            {"day": "2020-04-01", "customer_id": "A"},
            # Bought once, so 366 days after it: the 2nd of March 2021.
            {"day": "2020-03-01", "customer_id": "B"},
            {"day": "2020-03-02", "customer_id": "B", "revenue": -10.0},
        ]
        found = movements(company_of(lines), on("2021-03-02"))
        happened = found[found.drop(columns=["year", "month", "n_customers"]).any(axis=1)]
        assert rows_of(happened, *found.columns) == [
            (2020, 1, 1, 1, 0, 0, 1),
            (2020, 2, 0, 0, 0, 1, 0),
            (2020, 3, 1, 1, 0, 0, 1),
            (2020, 4, 1, 0, 1, 0, 2),
            (2020, 10, 0, 0, 0, 1, 1),
            (2021, 3, 0, 0, 0, 1, 0),
        ]
        assert len(found) == 15
        assert movements(company_of(lines), on("2021-03-01"))["n_customers"].iloc[-1] == 1

    @pytest.mark.parametrize("days_before_the_end", [0, 45, 300])
    @pytest.mark.parametrize("data", ["cdnow", "superstore"])
    def test_leave_those_whose_lifecycle_has_not_ended(
        self, data: str, days_before_the_end: int, request: pytest.FixtureRequest
    ) -> None:
        ledger: Ledger = request.getfixturevalue(data)
        as_of = ledger.last_day - days_before_the_end
        signals = compute_signals(ledger, as_of)
        found = movements(ledger, as_of)
        assert found["n_started"].sum() == len(signals)
        assert found["n_customers"].iloc[-1] == (signals["lifecycle"] != "ended").sum()
