from collections.abc import Callable, Mapping
from datetime import date

import pandas as pd
import pytest

from features.ledger import Ledger, day_of
from features.views import (
    categories,
    product_turnover,
    products,
    turnover,
)

CompanyOf = Callable[..., Ledger]
Row = Mapping[str, object]

NAN = float("nan")


def on(text: str) -> int:
    return day_of(date.fromisoformat(text))


def rows_of(view: pd.DataFrame, *columns: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in view[list(columns)].itertuples(index=False)]


SOLD: list[Row] = [
    {"day": "2021-01-05", "product_id": "p", "quantity": 2.0, "revenue": 60.0, "cost": 30.0},
    {"day": "2021-01-15", "product_id": "p", "quantity": 1.0, "revenue": 25.0, "customer_id": "D"},
    {"day": "2021-01-15", "product_id": "q", "quantity": 4.0, "revenue": 10.0, "category": "x"},
    {"day": "2021-03-06", "product_id": "p", "quantity": 3.0, "revenue": 0.0, "category": "x"},
    {"day": "2021-03-07", "product_id": "q", "quantity": -4.0, "revenue": -5.0},
    {"day": "2021-03-08", "revenue": 4.0},
    {"day": "2021-03-09", "product_id": "r", "revenue": 6.0},
]


class TestProducts:
    def test_by_hand(self, company_of: CompanyOf) -> None:
        found = products(company_of(SOLD), on("2021-12-31"))
        columns = ("product_id", "n_customers", "quantity", "revenue", "abc_class")
        assert rows_of(found.fillna(-1), *columns) == [
            ("p", 2, 6.0, 85.0, "A"),
            ("r", 1, -1.0, 6.0, "B"),
            ("q", 1, 0.0, 5.0, "B"),
            ("unknown", 1, -1.0, 4.0, "C"),
        ]
        assert found["revenue_share"].tolist() == pytest.approx([0.85, 0.06, 0.05, 0.04])
        assert found["gross_margin"].tolist() == pytest.approx([30, NAN, NAN, NAN], nan_ok=True)
        assert found["gross_margin_rate"][0] == 0.5

    def test_categories_by_hand(self, company_of: CompanyOf) -> None:
        found = categories(company_of(SOLD), on("2021-12-31"))
        assert rows_of(found, "category", "revenue") == [("unknown", 90.0), ("x", 10.0)]


class TestTurnover:
    def test_of_months_by_hand(self, company_of: CompanyOf) -> None:
        found = turnover(company_of(SOLD), on("2021-05-01"))
        columns = ("month", "n_products", "n_new", "new_share", "n_dropped", "quantity")
        assert rows_of(found.fillna(-1), *columns) == [
            (1, 2, 2, 1.0, 1, 7.0),
            (2, 0, 0, -1.0, 0, -1.0),
            (3, 2, 1, 0.5, 0, 3.0),
            (4, 0, 0, -1.0, 0, -1.0),
            (5, 0, 0, -1.0, 0, -1.0),
        ]
        gaps = found["gap_mean_days"].tolist()
        assert gaps == pytest.approx([10, NAN, 50, NAN, NAN], nan_ok=True)
        assert found["quantity_per_product"][0] == 3.5
        assert found["dropped_share"][0] == 0.5

    def test_a_product_is_dropped_after_90_days_of_silence(self, company_of: CompanyOf) -> None:
        company = company_of([{"day": "2021-01-01", "product_id": "p"}])
        dropped = [turnover(company, on("2021-01-01") + n)["n_dropped"][0] for n in (89, 90)]
        assert dropped == [0, 1]

    def test_of_products_by_hand(self, company_of: CompanyOf) -> None:
        found = product_turnover(company_of(SOLD), on("2021-05-01")).set_index("product_id")
        assert found.loc["p"].tolist() == pytest.approx(
            [3, 116, 56, 30, 6, 6 * 365 / 12 / 117, 0, 0]
        )
        assert found.loc["q", ["n_sale_days", "is_new", "is_dropped"]].tolist() == [1, 0, 1]
        assert found.loc["r", ["is_new", "is_dropped"]].tolist() == [1, 0]
        assert found.loc[["q", "r"], "gap_mean_days"].isna().all()
        assert found.index.tolist() == ["p", "q", "r"]

    def test_new_products_are_all_products(self, superstore: Ledger) -> None:
        months = turnover(superstore, superstore.last_day)
        per_product = product_turnover(superstore, superstore.last_day)
        assert months["n_new"].sum() == len(per_product) == 1862
        assert months["n_dropped"].sum() == per_product["is_dropped"].sum()
        assert months["quantity"].sum() == per_product["quantity"].sum()
