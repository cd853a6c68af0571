from collections.abc import Callable, Mapping
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.engines.duckdb import compute_signals
from features.ledger import Ledger, day_of
from features.signals.catalogue import CATALOGUE

SignalsOf = Callable[..., dict[str, object]]
LedgerWith = Callable[..., Ledger]

AS_OF = 2000

_COLUMNS = ["day", "order_id", "product_id", "category", "quantity", "revenue"]
_LINES = [
    dict(zip(_COLUMNS, line, strict=True))
    for line in [
        (1960, "1", "a", "x", 2.0, 10.0),
        (1960, "1", "b", "y", 1.0, 20.0),
        (1970, "2", "a", "x", 3.0, 30.0),
        (1970, "3", "c", "y", 1.0, 10.0),
        (1970, "3", "a", "x", 1.0, 0.0),
        (1975, "R", "d", "z", -1.0, -10.0),
        (1990, "4", None, None, None, 40.0),
    ]
]
_BY_HAND: Mapping[str, Mapping[str, object]] = {
    "the paper's four": {"frequency": 2, "recency": 30, "T": 40, "monetary_value": 40},
    "days": {
        "days_since_last_purchase": 10, "first_purchase_day": 1960, "last_purchase_day": 1990,
        "n_purchase_days": 3, "purchase_days_30d": 1, "purchase_days_90d": 3,
        "purchase_days_180d": 3, "purchase_days_365d": 3,
    },
    "purchases": {
        "mean_purchase_revenue": 110 / 3, "purchase_revenue": 110, "first_purchase_revenue": 30,
        "last_purchase_revenue": 40, "largest_purchase_revenue": 40,
    },
    "revenue net of returns": {
        "revenue": 100, "revenue_30d": 30, "revenue_90d": 100, "revenue_180d": 100,
        "revenue_365d": 100, "revenue_previous_365d": 0,
    },
    "growth without a year before": {"revenue_growth_rate": None, "is_growing_two_years": None},
    "gaps": {
        "gap_mean_days": 15, "gap_spread_days": 5, "gap_longest_days": 20,
        "silence_ratio": 10 / 15, "lifecycle": "active",
    },
    "baskets": {
        "n_orders": 4, "basket_lines": 6 / 4, "basket_revenue": 110 / 4, "basket_quantity": 8 / 3,
    },
    # Of the 70 with a product 40 are a, 20 b and 10 c; of the 70 with a category 40 are x, 30 y.
    "mix": {
        "n_products": 3, "top_product_share": 4 / 7, "product_concentration": 21 / 49,
        "n_categories": 2, "top_category_share": 4 / 7, "category_concentration": 25 / 49,
        "favourite_category": "x",
    },
}  # fmt: skip


class TestByHand:
    def test_covers_the_family(self) -> None:
        covered = [name for group in _BY_HAND.values() for name in group]
        assert sorted(covered) == sorted(n for n, s in CATALOGUE.items() if s.family == "purchase")

    @pytest.mark.parametrize("group", _BY_HAND)
    def test_of_a_customer_with_all(self, group: str, signals_of: SignalsOf) -> None:
        found = signals_of(order_lines=_LINES)
        expected = _BY_HAND[group]
        assert {name: found[name] for name in expected} == pytest.approx(expected)


class TestPurchases:
    def test_one_alone_leaves_null_what_takes_more(self, signals_of: SignalsOf) -> None:
        found = signals_of(order_lines=[{"day": AS_OF}])
        may_be_null = {n for n, s in CATALOGUE.items() if s.null_means != "never null"}
        known = {"return_rate", "loyalty_level"}
        assert {name for name, value in found.items() if value is None} == may_be_null - known
        zeros = ("frequency", "recency", "T", "days_since_last_purchase")
        assert [found[name] for name in zeros] == [0] * 4
        assert found["revenue_30d"] == found["purchase_revenue"] == 10
        assert found["lifecycle"] == "new"

    def test_of_one_day_count_once(self, signals_of: SignalsOf) -> None:
        found = signals_of(order_lines=[{"day": day} for day in (1, 1, 5, 5)])
        assert (found["frequency"], found["monetary_value"], found["n_orders"]) == (1, 20, 4)

    def test_are_no_returns(self, signals_of: SignalsOf) -> None:
        lines = [
            {"day": 1},
            {"day": 5, "revenue": -4.0},
            {"day": 9, "revenue": 0.0, "quantity": -1.0},
        ]
        found = signals_of(order_lines=lines)
        assert (found["frequency"], found["revenue"], found["n_orders"]) == (0, 6, 1)

    def test_who_has_none_has_no_row(self, ledger_with: LedgerWith) -> None:
        lines = [{"day": 5}, {"day": 1, "customer_id": "D", "revenue": -4.0}]
        others = [{"day": 1, "due_day": 1, "customer_id": "E"}]
        ledger = ledger_with(order_lines=lines, invoices=others, interactions=others)
        assert compute_signals(ledger, AS_OF).index.tolist() == ["C"]
        assert len(compute_signals(ledger, 4)) == 0
        assert len(compute_signals(Ledger({}), AS_OF)) == 0

    def test_orders_of_two_customers_may_have_one_number(self, ledger_with: LedgerWith) -> None:
        lines = [{"day": 1, "order_id": "1"}, {"day": 1, "order_id": "1", "customer_id": "D"}]
        signals = compute_signals(ledger_with(order_lines=lines), AS_OF)
        assert signals[["n_orders", "basket_lines"]].to_numpy().tolist() == [[1, 1], [1, 1]]


class TestWindows:
    @pytest.mark.parametrize("days", [30, 90, 180, 365])
    def test_hold_as_many_days_as_they_say(self, days: int, signals_of: SignalsOf) -> None:
        at = {AS_OF - days: 1.0, AS_OF - days + 1: 2.0, AS_OF: 4.0, AS_OF + 1: 8.0}
        found = signals_of(order_lines=[{"day": d, "revenue": m} for d, m in at.items()])
        assert (found[f"revenue_{days}d"], found[f"purchase_days_{days}d"]) == (6, 2)

    def test_years_end_on_the_day_and_are_net_of_returns(self, signals_of: SignalsOf) -> None:
        at = {1095: 1.0, 730: 2.0, 729: 4.0, 365: -1.0, 364: 8.0}
        found = signals_of(order_lines=[{"day": AS_OF - d, "revenue": m} for d, m in at.items()])
        assert (found["revenue_previous_365d"], found["revenue_365d"]) == (3, 8)
        assert found["is_growing_two_years"] == 1


class TestGrowth:
    @pytest.mark.parametrize(
        ("years", "growth", "is_growing"),
        [
            ((10.0, 20.0, 30.0), 0.5, 1),
            ((20.0, 10.0, 30.0), 2.0, 0),
            ((10.0, 30.0, 20.0), -1 / 3, 0),
            ((10.0, 10.0, 10.0), 0.0, 0),
            ((0.0, 10.0, 20.0), 1.0, None),
            ((10.0, 0.0, 20.0), None, 0),
        ],
    )
    def test_by_three_years(
        self,
        years: tuple[float, float, float],
        growth: float | None,
        is_growing: int | None,
        signals_of: SignalsOf,
    ) -> None:
        ends = (AS_OF - 730, AS_OF - 365, AS_OF)
        bought = [{"day": day, "revenue": m} for day, m in zip(ends, years, strict=True)]
        begun = {"day": AS_OF - 1094, "revenue": 0.0}
        found = signals_of(order_lines=[begun, *bought])
        assert found["revenue_growth_rate"] == (growth and pytest.approx(growth))
        assert found["is_growing_two_years"] == is_growing

    @pytest.mark.parametrize(
        ("age", "is_known"), [(728, (False, False)), (729, (True, False)), (1094, (True, True))]
    )
    def test_takes_whole_years(
        self, age: int, is_known: tuple[bool, bool], signals_of: SignalsOf
    ) -> None:
        days = {AS_OF - age, AS_OF - 720, AS_OF - 400, AS_OF}
        found = signals_of(order_lines=[{"day": day} for day in days])
        names = ("revenue_growth_rate", "is_growing_two_years")
        assert tuple(found[name] is not None for name in names) == is_known

    def test_has_no_base_in_a_year_of_nothing(self, signals_of: SignalsOf) -> None:
        """0.1 + 0.2 - 0.3 is not 0 in binary fractions."""
        lines = [{"day": AS_OF - 729 + n, "revenue": m} for n, m in enumerate((0.1, 0.2, -0.3))]
        assert signals_of(order_lines=[*lines, {"day": AS_OF}])["revenue_growth_rate"] is None


class TestLifecycle:
    @pytest.mark.parametrize(
        ("silence", "once", "twice"),
        [
            (0, "new", "active"),
            (10, "new", "active"),
            (11, "new", "slowing"),
            (20, "new", "slowing"),
            (21, "new", "silent"),
            (40, "new", "silent"),
            (41, "new", "ended"),
            (90, "new", "ended"),
            (91, "silent", "ended"),
            (365, "silent", "ended"),
            (366, "ended", "ended"),
        ],
    )
    def test_by_silence(self, silence: int, once: str, twice: str, signals_of: SignalsOf) -> None:
        last = {"day": AS_OF - silence}
        before = {"day": AS_OF - silence - 10}
        assert signals_of(order_lines=[last])["lifecycle"] == once
        assert signals_of(order_lines=[before, last])["lifecycle"] == twice

    def test_a_third_of_a_day_is_told_apart(self, signals_of: SignalsOf) -> None:
        """Gaps of 3, 3 and 4 days: 10 days of silence are three usual gaps to the day."""
        lines = [{"day": AS_OF - silence} for silence in (16, 13, 10, 6)]
        assert signals_of(order_lines=lines)["silence_ratio"] == pytest.approx(6 / (10 / 3))
        assert signals_of(order_lines=lines, as_of=AS_OF - 3)["lifecycle"] == "active"
        assert signals_of(order_lines=lines, as_of=AS_OF - 2)["lifecycle"] == "slowing"


class TestMix:
    @pytest.mark.parametrize(
        ("categories", "favourite"),
        [("xxy", "x"), ("yyx", "y"), ("xy", None), ("xxyyz", None), ("x", "x")],
    )
    def test_two_categories_that_lead_together_are_no_favourite(
        self, categories: str, favourite: str | None, signals_of: SignalsOf
    ) -> None:
        lines = [{"day": 1, "category": category} for category in categories]
        assert signals_of(order_lines=lines)["favourite_category"] == favourite

    def test_of_what_was_free_has_no_shares(self, signals_of: SignalsOf) -> None:
        line = {"day": 1, "revenue": 0.0, "product_id": "a", "category": "x"}
        found = signals_of(order_lines=[line])
        assert (found["n_products"], found["n_categories"]) == (1, 1)
        assert found["favourite_category"] == "x"
        for name in ("product", "category"):
            assert found[f"top_{name}_share"] is found[f"{name}_concentration"] is None

    def test_of_one_product_alone_is_1(self, signals_of: SignalsOf) -> None:
        lines = [{"day": day, "revenue": 0.1, "product_id": "a"} for day in range(7)]
        found = signals_of(order_lines=lines)
        assert found["top_product_share"] == found["product_concentration"] == 1


class TestRealData:
    def test_identities_hold(self, superstore: Ledger, superstore_orders: pd.DataFrame) -> None:
        s = compute_signals(superstore, superstore.last_day)
        given = superstore_orders.groupby("customer_id")
        np.testing.assert_allclose(s["revenue"], given["revenue"].sum())
        np.testing.assert_array_equal(s["n_orders"], given["order_id"].nunique())
        np.testing.assert_array_equal(s["n_products"], given["product_id"].nunique())
        np.testing.assert_array_equal(s["recency"] + s["days_since_last_purchase"], s["T"])
        np.testing.assert_array_equal(s["frequency"] + 1, s["n_purchase_days"])
        np.testing.assert_allclose(s["basket_revenue"] * s["n_orders"], s["purchase_revenue"])
        assert (s["product_concentration"] <= s["top_product_share"] + 1e-9).all()
        assert (s["category_concentration"] * s["n_categories"] >= 1 - 1e-9).all()

    def test_gaps_are_as_numpy_has_them(self, cdnow: Ledger) -> None:
        signals = compute_signals(cdnow, cdnow.last_day)
        lines = cdnow.order_lines.to_pandas()
        days = lines[lines["revenue"] >= 0].groupby("customer_id")["day"].unique().map(np.sort)
        gaps = days[signals["frequency"] > 0].map(np.diff)
        for name, of in {"mean": np.mean, "spread": np.std, "longest": np.max}.items():
            found = signals.loc[gaps.index, f"gap_{name}_days"]
            np.testing.assert_allclose(found, gaps.map(of).astype(float), atol=1e-9)

    def test_cdnow_is_as_in_the_literature(self, cdnow: Ledger) -> None:
        """Fader, Hardie and Lee (2005): 39 weeks of 2,357 customers, 946 of them repeat buyers."""
        package = find_spec("lifetimes")
        assert package is not None
        assert package.origin is not None
        table = Path(package.origin).parent / "datasets" / "cdnow_customers_summary.csv"
        known = pd.read_csv(table, index_col="ID")
        signals = compute_signals(cdnow, day_of(date(1997, 9, 30)))
        signals = signals.set_index(signals.index.astype(int)).sort_index()
        assert len(signals) == len(known) == 2357
        assert (signals["frequency"] > 0).sum() == 946
        np.testing.assert_array_equal(signals["frequency"], known["frequency"])
        np.testing.assert_allclose(signals["recency"] / 7, known["recency"], atol=0.006)
        np.testing.assert_allclose(signals["T"] / 7, known["T"], atol=0.006)
