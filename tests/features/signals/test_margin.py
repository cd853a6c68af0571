from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pytest

from features.engines.duckdb import compute_signals
from features.ledger import Ledger
from features.signals.catalogue import CATALOGUE

SignalsOf = Callable[..., dict[str, object]]
LedgerWith = Callable[..., Ledger]

AS_OF = 2000

_COLUMNS = ["day", "quantity", "revenue", "cost", "discount"]
_LINES = [
    dict(zip(_COLUMNS, line, strict=True))
    for line in [
        (1960, 2.0, 10.0, 6.0, None),
        (1960, 1.0, 20.0, 25.0, None),
        (1970, 3.0, 30.0, 15.0, None),
        (1970, 1.0, 10.0, None, None),
        (1975, -1.0, -10.0, -5.0, None),
        (1990, None, 40.0, 20.0, 10.0),
    ]
]
_CONTACTS = [{"day": 1600, "cost": 4.0}, {"day": 1965, "cost": 3.0}, {"day": 1995}]
_BY_HAND: Mapping[str, Mapping[str, object]] = {
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


class TestByHand:
    def test_covers_the_family(self) -> None:
        covered = [name for group in _BY_HAND.values() for name in group]
        assert sorted(covered) == sorted(n for n, s in CATALOGUE.items() if s.family == "margin")

    @pytest.mark.parametrize("group", _BY_HAND)
    def test_of_a_customer_with_all(self, group: str, signals_of: SignalsOf) -> None:
        found = signals_of(order_lines=_LINES, interactions=_CONTACTS)
        expected = _BY_HAND[group]
        assert {name: found[name] for name in expected} == pytest.approx(expected)

    def test_contacts_of_others_cost_this_one_nothing(self, ledger_with: LedgerWith) -> None:
        contacts = [*_CONTACTS, {"day": 1990, "cost": 99.0, "customer_id": "D"}]
        signals = compute_signals(ledger_with(order_lines=_LINES, interactions=contacts), AS_OF)
        assert signals["cost_to_serve"].to_dict() == {"C": 7}


class TestWindows:
    @pytest.mark.parametrize("days", [30, 90, 180, 365])
    def test_hold_as_many_days_as_they_say(self, days: int, signals_of: SignalsOf) -> None:
        at = {AS_OF - days: 1.0, AS_OF - days + 1: 2.0, AS_OF: 4.0, AS_OF + 1: 8.0}
        lines = [{"day": day, "revenue": money, "cost": 1.0} for day, money in at.items()]
        found = signals_of(order_lines=lines)
        assert found[f"gross_margin_{days}d"] == 4
        assert found[f"gross_margin_rate_{days}d"] == pytest.approx(4 / 6)

    def test_of_the_cost_to_serve_is_a_year(self, signals_of: SignalsOf) -> None:
        at = {AS_OF - 365: 1.0, AS_OF - 364: 2.0, AS_OF: 4.0, AS_OF + 1: 8.0}
        contacts = [{"day": day, "cost": cost} for day, cost in at.items()]
        found = signals_of(order_lines=[{"day": 1000, "cost": 1.0}], interactions=contacts)
        assert (found["cost_to_serve"], found["cost_to_serve_365d"]) == (7, 6)
        assert (found["contribution"], found["contribution_365d"]) == (2, -6)

    def test_in_which_nothing_was_traded_have_earned_nothing(self, signals_of: SignalsOf) -> None:
        found = signals_of(order_lines=[{"day": AS_OF - 30, "cost": 4.0}])
        assert (found["gross_margin_30d"], found["gross_margin_90d"]) == (0, 6)
        assert found["gross_margin_rate_30d"] is None

    def test_in_which_all_costs_are_unknown_are_unknown(self, signals_of: SignalsOf) -> None:
        found = signals_of(order_lines=[{"day": AS_OF - 30, "cost": 4.0}, {"day": AS_OF}])
        assert found["gross_margin_30d"] is None
        assert found["gross_margin_90d"] == found["gross_margin"] == 6


class TestRates:
    def test_have_no_base_in_net_revenue_of_nothing(self, signals_of: SignalsOf) -> None:
        """0.1 + 0.2 - 0.3 is not 0 in binary fractions."""
        lines = [{"day": 1, "revenue": m, "cost": 0.05} for m in (0.1, 0.2, -0.3)]
        assert signals_of(order_lines=lines)["gross_margin_rate"] is None

    def test_of_free_goods_are_null(self, signals_of: SignalsOf) -> None:
        found = signals_of(order_lines=[{"day": 1, "revenue": 0.0, "cost": 3.0, "discount": 0.0}])
        rates = ("gross_margin_rate", "loss_share", "discount_rate", "return_rate")
        assert {found[name] for name in (*rates, "cost_known_share")} == {None}
        assert found["gross_margin"] == -3

    def test_of_discount_leave_out_returns_and_unknown_discounts(
        self, signals_of: SignalsOf
    ) -> None:
        lines = [
            {"day": 1, "revenue": 90.0, "discount": 10.0},
            {"day": 1, "revenue": 50.0},
            {"day": 2, "revenue": -90.0, "discount": 10.0},
            {"day": 2, "revenue": 0.0, "quantity": -1.0, "discount": 50.0},
        ]
        assert signals_of(order_lines=lines)["discount_rate"] == pytest.approx(0.1)

    def test_of_what_was_given_away_is_1(self, signals_of: SignalsOf) -> None:
        line = {"day": 1, "revenue": 0.0, "discount": 10.0}
        assert signals_of(order_lines=[line])["discount_rate"] == 1

    def test_more_may_be_returned_than_was_sold(self, signals_of: SignalsOf) -> None:
        lines = [{"day": 1, "revenue": 10.0}, {"day": 2, "revenue": -25.0}]
        assert signals_of(order_lines=lines)["return_rate"] == 2.5

    def test_a_sale_at_cost_is_no_loss(self, signals_of: SignalsOf) -> None:
        costs = (10.0, 10.01, 9.99, None)
        found = signals_of(order_lines=[{"day": 1, "cost": cost} for cost in costs])
        assert found["loss_share"] == pytest.approx(1 / 3)
        assert found["cost_known_share"] == 0.75


def test_identities_hold(superstore: Ledger, superstore_orders: pd.DataFrame) -> None:
    s = compute_signals(superstore, superstore.last_day)
    profit = superstore_orders.groupby("customer_id")["profit"].sum()
    np.testing.assert_allclose(s["gross_margin"], profit, atol=1e-9)
    np.testing.assert_allclose(s["gross_margin_rate"] * s["revenue"], s["gross_margin"])
    np.testing.assert_allclose(s["contribution"], s["gross_margin"])
    assert (s["cost_known_share"] == 1).all()
