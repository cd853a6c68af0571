from collections.abc import Callable, Mapping
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from features.engines.duckdb import compute_signals
from features.ledger import Ledger, day_of
from features.pipeline import (
    DIALECTS,
    Dialect,
    outcomes_statement,
    signals_digest,
    signals_statement,
)
from features.schema import TABLES
from features.signals.catalogue import CATALOGUE

LedgerAt = Callable[..., Ledger]
Row = Mapping[str, object]

AS_OF = 2000


def signals_of(ledger: Ledger, as_of: int = AS_OF) -> dict[str, object]:
    """The signals of the only customer; None where there is none."""
    (row,) = compute_signals(ledger, as_of).to_dict("records")
    return {name: None if pd.isna(value) else value for name, value in row.items()}


class TestStatement:
    @pytest.mark.parametrize("one_customer", [False, True])
    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_parses_in_every_dialect_and_reads_nothing_but_the_ledger_and_its_parameters(
        self, dialect: Dialect, one_customer: bool
    ) -> None:
        text = signals_statement(dialect, one_customer=one_customer)
        statement = sqlglot.parse_one(text, dialect=dialect)
        assert isinstance(statement, exp.Select)
        selected = [name for name in statement.named_selects if name != "*"]
        assert selected == [n for n, s in CATALOGUE.items() if s.family != "purchase"]
        own = {part.alias for part in statement.find_all(exp.CTE)}
        assert {table.name for table in statement.find_all(exp.Table)} - own <= set(TABLES)
        named = {p.name or str(p.this) for p in statement.find_all(exp.Placeholder, exp.Parameter)}
        assert named == {"as_of"} | ({"customer_id"} if one_customer else set())

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_of_outcomes_parses_in_every_dialect(self, dialect: Dialect) -> None:
        statement = sqlglot.parse_one(outcomes_statement(dialect), dialect=dialect)
        assert statement.named_selects == [*("customer_id", "purchases", "revenue", "gross_margin")]

    def test_reads_every_table_up_to_as_of_only(self) -> None:
        """The one place where a table is read cuts it off; no family reads it by itself."""
        statement = sqlglot.parse_one(signals_statement("duckdb"), dialect="duckdb")
        for table in statement.find_all(exp.Table):
            if table.name in TABLES:
                where = table.find_ancestor(exp.Select).args["where"]
                assert where.sql("duckdb") == "WHERE day <= $as_of"

    def test_digest_is_stable(self) -> None:
        assert signals_digest() == signals_digest()
        assert len(signals_digest()) == len("sha256:") + 64

    def test_pretty_says_the_same(self) -> None:
        plain, pretty = (signals_statement("sqlite", pretty=pretty) for pretty in (False, True))
        assert sqlglot.parse_one(pretty, dialect="sqlite") == sqlglot.parse_one(
            plain, dialect="sqlite"
        )


_COLUMNS = ["day", "order_id", "product_id", "category", "quantity", "revenue", "cost", "discount"]
_LINES: list[Row] = [
    dict(zip(_COLUMNS, line, strict=True))
    for line in [
        (1960, "1", "a", "x", 2.0, 10.0, 6.0, None),
        (1960, "1", "b", "x", 1.0, 20.0, 25.0, None),
        (1970, "2", "a", "x", 3.0, 30.0, 15.0, None),
        (1970, "3", "c", "y", 1.0, 10.0, None, None),
        (1975, "R", "d", "z", -1.0, -10.0, -5.0, None),
        (1990, "4", None, None, None, 40.0, 20.0, 10.0),
    ]
]
_CONTACTS: list[Row] = [
    {"day": 1600, "cost": 4.0},
    {"day": 1965, "cost": 3.0},
    {"day": 1995},
    {"day": 1995, "cost": 99.0, "customer_id": "nobody"},
]
_BY_HAND: dict[str, dict[str, object]] = {
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
        "n_orders": 4, "basket_lines": 5 / 4, "basket_revenue": 110 / 4, "basket_quantity": 7 / 3,
        "n_products": 3, "n_categories": 2,
    },
    "margins": {
        "gross_margin": 29, "gross_margin_30d": 15, "gross_margin_90d": 29,
        "gross_margin_180d": 29, "gross_margin_365d": 29, "gross_margin_rate": 29 / 90,
        "gross_margin_rate_30d": 0.5, "gross_margin_rate_90d": 29 / 90,
        "gross_margin_rate_180d": 29 / 90, "gross_margin_rate_365d": 29 / 90,
    },
    "shares and rates": {
        "cost_known_share": 110 / 120, "loss_share": 20 / 100, "discount_rate": 10 / 50,
        "return_rate": 10 / 110,
    },
    "cost to serve": {
        "cost_to_serve": 7, "cost_to_serve_365d": 3, "contribution": 22, "contribution_365d": 26,
    },
}  # fmt: skip


class TestSignalsByHand:
    def test_cover_every_signal(self) -> None:
        names = [name for family in _BY_HAND.values() for name in family]
        assert sorted(names) == sorted(CATALOGUE)

    @pytest.mark.parametrize("family", _BY_HAND)
    def test_of_a_customer_with_all(self, family: str, ledger_at: LedgerAt) -> None:
        found = signals_of(ledger_at(_LINES, _CONTACTS))
        expected = _BY_HAND[family]
        assert {name: found[name] for name in expected} == pytest.approx(expected)

    def test_of_a_customer_with_one_purchase_and_nothing_else(self, ledger_at: LedgerAt) -> None:
        found = signals_of(ledger_at([{"day": AS_OF}]))
        nulls = {name for name, value in found.items() if value is None}
        assert nulls == {
            name
            for name, signal in CATALOGUE.items()
            if signal.null_means != "never null" and name != "return_rate"
        }
        zeros = ("frequency", "recency", "T", "days_since_last_purchase", "return_rate")
        assert [found[name] for name in zeros] == [0] * 5
        assert found["revenue_30d"] == found["purchase_revenue"] == 10
        assert found["lifecycle"] == "new"

    @pytest.mark.parametrize("days", [30, 90, 180, 365])
    def test_windows_hold_as_many_days_as_they_say(self, days: int, ledger_at: LedgerAt) -> None:
        found = signals_of(
            ledger_at(
                [
                    {"day": AS_OF - days, "revenue": 1.0, "cost": 1.0},
                    {"day": AS_OF - days + 1, "revenue": 2.0, "cost": 1.0},
                    {"day": AS_OF, "revenue": 4.0, "cost": 1.0},
                ]
            )
        )
        assert found[f"revenue_{days}d"] == 6
        assert found[f"purchase_days_{days}d"] == 2
        assert found[f"gross_margin_{days}d"] == 4
        assert found[f"gross_margin_rate_{days}d"] == pytest.approx(4 / 6)

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
    def test_growth(
        self,
        years: tuple[float, float, float],
        growth: float | None,
        is_growing: int | None,
        ledger_at: LedgerAt,
    ) -> None:
        ends = (AS_OF - 730, AS_OF - 365, AS_OF)
        bought = [{"day": day, "revenue": m} for day, m in zip(ends, years, strict=True)]
        begun = {"day": AS_OF - 1094, "revenue": 0.0}
        found = signals_of(ledger_at([begun, *bought]))
        assert found["revenue_growth_rate"] == (growth and pytest.approx(growth))
        assert found["is_growing_two_years"] == is_growing
        begun = {"day": AS_OF - 1093, "revenue": 0.0}
        assert signals_of(ledger_at([begun, *bought]))["is_growing_two_years"] is None

    def test_years_end_on_the_day_and_are_net_of_returns(self, ledger_at: LedgerAt) -> None:
        lines = [
            {"day": AS_OF - 1095, "revenue": 1.0},
            {"day": AS_OF - 730, "revenue": 2.0},
            {"day": AS_OF - 729, "revenue": 4.0},
            {"day": AS_OF - 365, "revenue": -1.0},
            {"day": AS_OF - 364, "revenue": 8.0},
        ]
        found = signals_of(ledger_at(lines))
        assert (found["revenue_previous_365d"], found["revenue_365d"]) == (3, 8)
        assert found["is_growing_two_years"] == 1

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
    def test_lifecycle(self, silence: int, once: str, twice: str, ledger_at: LedgerAt) -> None:
        last = {"day": AS_OF - silence}
        before = {"day": AS_OF - silence - 10}
        assert signals_of(ledger_at([last]))["lifecycle"] == once
        assert signals_of(ledger_at([before, last]))["lifecycle"] == twice

    def test_purchases_of_one_day_count_once(self, ledger_at: LedgerAt) -> None:
        found = signals_of(ledger_at([{"day": 1}, {"day": 1}, {"day": 5}, {"day": 5}]))
        assert (found["frequency"], found["monetary_value"], found["n_orders"]) == (1, 20, 4)

    def test_a_return_is_no_purchase(self, ledger_at: LedgerAt) -> None:
        lines = [
            {"day": 1},
            {"day": 5, "revenue": -4.0},
            {"day": 9, "revenue": 0.0, "quantity": -1.0},
        ]
        found = signals_of(ledger_at(lines))
        assert (found["frequency"], found["revenue"], found["return_rate"]) == (0, 6, 0.4)

    def test_who_never_bought_has_no_row(self, ledger_at: LedgerAt) -> None:
        ledger = ledger_at([{"day": 5}, {"day": 1, "customer_id": "D", "revenue": -4.0}])
        assert compute_signals(ledger, AS_OF).index.tolist() == ["C"]
        assert len(compute_signals(ledger, 4)) == 0
        assert len(compute_signals(Ledger({}), AS_OF)) == 0

    def test_net_revenue_of_nothing_is_no_base_for_a_rate(self, ledger_at: LedgerAt) -> None:
        """0.1 + 0.2 - 0.3 is not 0 in binary fractions."""
        money = [0.1, 0.2, -0.3]
        found = signals_of(ledger_at([{"day": 1, "revenue": m, "cost": 0.05} for m in money]))
        assert found["gross_margin_rate"] is None

    def test_discount_of_returns_and_unknown_discounts_do_not_count(
        self, ledger_at: LedgerAt
    ) -> None:
        lines = [
            {"day": 1, "revenue": 90.0, "discount": 10.0},
            {"day": 1, "revenue": 50.0},
            {"day": 2, "revenue": -90.0, "discount": 10.0},
        ]
        assert signals_of(ledger_at(lines))["discount_rate"] == pytest.approx(0.1)


@pytest.fixture(scope="module")
def cdnow_signals(cdnow: Ledger) -> pd.DataFrame:
    return compute_signals(cdnow, cdnow.last_day)


@pytest.fixture(scope="module")
def superstore(shared: Path, ledger_of: Callable[..., Ledger]) -> pd.DataFrame:
    orders = pd.read_parquet(shared / "superstore" / "superstore_orders_9994.parquet")
    names = {
        "Row ID": "line_id", "Order ID": "order_id", "Order Date": "ordered_at",
        "Customer ID": "customer_id", "Product ID": "product_id", "Category": "category",
        "Sales": "revenue", "Quantity": "quantity", "Profit": "profit",
    }  # fmt: skip
    orders = orders[[*names]].rename(columns=names)
    ledger = ledger_of(orders)
    assert len(ledger.order_lines) == len(orders)
    signals = compute_signals(ledger, ledger.last_day)
    sums = orders.groupby("customer_id")[["revenue", "profit"]].sum()
    return signals.assign(revenue_given=sums["revenue"], profit=sums["profit"])


class TestRealData:
    def test_columns_are_the_catalogues(self, cdnow_signals: pd.DataFrame) -> None:
        signals = cdnow_signals
        assert [*signals.columns] == [*CATALOGUE]
        assert signals.index.is_monotonic_increasing
        assert signals.index.is_unique

    @pytest.mark.parametrize("data", ["cdnow_signals", "superstore"])
    def test_values_are_in_their_range_and_null_where_they_may_be(
        self, data: str, request: pytest.FixtureRequest
    ) -> None:
        signals = request.getfixturevalue(data)
        for name, signal in CATALOGUE.items():
            known = signals[name].dropna()
            if signal.null_means == "never null":
                assert len(known) == len(signals)
            if signal.values:
                assert set(known) <= set(signal.values)
            else:
                assert known.between(signal.low, signal.high).all()

    def test_identities_hold(self, superstore: pd.DataFrame) -> None:
        s = superstore
        np.testing.assert_allclose(s["revenue"], s["revenue_given"])
        np.testing.assert_allclose(s["gross_margin"], s["profit"], atol=1e-9)
        np.testing.assert_array_equal(s["recency"] + s["days_since_last_purchase"], s["T"])
        np.testing.assert_array_equal(s["frequency"] + 1, s["n_purchase_days"])
        np.testing.assert_allclose(s["gross_margin_rate"] * s["revenue"], s["gross_margin"])
        np.testing.assert_allclose(s["contribution"], s["gross_margin"])
        assert (s["cost_known_share"] == 1).all()

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


_DAYS = st.integers(1, 1500)
_ROWS = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from("ABCD"),
        "day": _DAYS,
        "revenue": st.sampled_from([-20.0, -0.1, 0.0, 0.1, 10.0, 33.3]),
        "quantity": st.sampled_from([None, -1.0, 1.0, 2.0]),
        "cost": st.sampled_from([None, -5.0, 0.2, 8.0]),
        "product_id": st.sampled_from([None, "p", "q"]),
    }
)
_CONTACT_ROWS = st.fixed_dictionaries(
    {"customer_id": st.sampled_from("ABCD"), "day": _DAYS, "cost": st.sampled_from([None, 1.5])}
)


class TestPointInTime:
    @settings(max_examples=15, deadline=None)
    @given(
        lines=st.lists(_ROWS, max_size=40),
        contacts=st.lists(_CONTACT_ROWS, max_size=8),
        as_of=_DAYS,
    )
    def test_what_comes_after_changes_nothing(
        self, lines: list[Row], contacts: list[Row], as_of: int, ledger_at: LedgerAt
    ) -> None:
        ledger = ledger_at(lines, contacts)
        pd.testing.assert_frame_equal(
            compute_signals(ledger, as_of), compute_signals(ledger.up_to(as_of), as_of)
        )

    @pytest.mark.parametrize("day", [date(1997, 1, 1), date(1997, 6, 30), date(1998, 3, 31)])
    def test_of_cdnow_hold(self, day: date, cdnow: Ledger) -> None:
        as_of = day_of(day)
        known = cdnow.up_to(as_of)
        signals = compute_signals(cdnow, as_of)
        pd.testing.assert_frame_equal(signals, compute_signals(known, as_of))
        assert len(signals) == known.n_customers

    def test_orders_added_later_change_nothing(self, ledger_at: LedgerAt) -> None:
        later = [
            {"day": AS_OF + 1, "revenue": 1e6, "cost": 1.0, "order_id": "1"},
            {"day": AS_OF + 1, "revenue": -1e6, "customer_id": "D"},
        ]
        before = signals_of(ledger_at(_LINES, _CONTACTS))
        with_later = ledger_at([*_LINES, *later], [*_CONTACTS, {"day": AS_OF + 1, "cost": 7.0}])
        assert signals_of(with_later) == before

    def test_a_day_later_they_count(self, ledger_at: LedgerAt) -> None:
        found = signals_of(ledger_at([{"day": 1}, {"day": AS_OF}]))
        assert found["frequency"] == 1
