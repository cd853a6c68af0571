from datetime import date

import pandas as pd
import pyarrow.compute as pc
import pytest

from features.engines.duckdb import compute_signals
from features.ledger import Ledger, day_of
from training.panel import (
    build_panel,
    build_panels,
    outcomes_for,
    sampled,
    share_with_cost,
    signals_of,
    value_basis_of,
)


def test_the_panel_of_cdnow_has_the_published_holdout(cdnow: Ledger) -> None:
    # Fader, Hardie and Lee 2005: 2,357 customers; ORACLES 3: 1,882 purchases, 29.0 % active.
    panel = build_panel(cdnow, day_of(date(1997, 9, 30)), 273, "revenue")
    assert len(panel.signals) == len(panel.outcomes) == 2357
    assert panel.outcomes["purchases"].sum() == 1882
    assert panel.outcomes["value"].sum() == pytest.approx(70_976, abs=1)
    assert (panel.outcomes["purchases"] > 0).mean() == pytest.approx(0.290, abs=0.0005)


def test_returns_are_taken_off_the_value_and_are_no_purchase(ledger_of) -> None:  # type: ignore[no-untyped-def]
    ledger = ledger_of(
        [
            {"customer_id": "a", "ordered_at": "2020-01-01", "revenue": 5.0, "cost": 3.0},
            {"customer_id": "a", "ordered_at": "2020-01-10", "revenue": 9.0, "cost": 4.0},
            {"customer_id": "a", "ordered_at": "2020-01-11", "revenue": -2.0, "cost": -1.0},
        ]
    )
    window = {"origin": ledger.first_day, "days": 20}
    revenue = outcomes_for(["a"], ledger, **window, basis="revenue").loc["a"]
    margin = outcomes_for(["a"], ledger, **window, basis="gross_margin").loc["a"]
    assert (revenue["purchases"], revenue["value"], margin["value"]) == (1, 7.0, 4.0)


def test_who_did_nothing_has_zeros(cdnow: Ledger) -> None:
    outcomes = outcomes_for(["nobody"], cdnow, origin=cdnow.first_day, days=9, basis="revenue")
    assert outcomes.loc["nobody"].tolist() == [0.0, 0.0]


def test_value_is_margin_where_costs_are_known_and_revenue_elsewhere(ledger_of) -> None:  # type: ignore[no-untyped-def]
    lines = [
        {"customer_id": "a", "ordered_at": "2020-01-01", "revenue": 5.0, "cost": cost}
        for cost in [1.0] * 9 + [None]
    ]
    assert value_basis_of(ledger_of(lines)) == "gross_margin"
    assert value_basis_of(ledger_of(lines[1:])) == "revenue"


def test_costs_after_a_day_do_not_count(ledger_of) -> None:  # type: ignore[no-untyped-def]
    ledger = ledger_of(
        [
            {"customer_id": "a", "ordered_at": "2020-01-01", "revenue": 5.0, "cost": None},
            {"customer_id": "a", "ordered_at": "2020-01-02", "revenue": 5.0, "cost": 1.0},
        ]
    )
    first = ledger.first_day
    assert [share_with_cost(ledger, first + n) for n in (-1, 0, 1)] == [0.0, 0.0, 0.5]
    assert value_basis_of(ledger, first) == "revenue"


def test_signals_of_many_customers_are_those_of_all_at_once(
    wholesaler: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_of = wholesaler.last_day - 100
    whole = compute_signals(wholesaler, as_of)
    monkeypatch.setattr("training.panel._LINES_AT_A_TIME", 700)
    parts = signals_of(wholesaler, as_of)
    # Sums of money within one customer may come in another order.
    pd.testing.assert_frame_equal(parts, whole, rtol=1e-12)
    some = ["T", "lifecycle", "recency"]
    pd.testing.assert_frame_equal(signals_of(wholesaler, as_of, columns=some), parts[some])
    pd.testing.assert_frame_equal(signals_of(wholesaler, as_of), parts, check_exact=True)


def test_panels_of_several_days_are_those_of_each_day(cdnow: Ledger) -> None:
    days = [cdnow.first_day + 90, cdnow.first_day + 60]
    panels = build_panels(cdnow, days, 30, "revenue")
    assert list(panels) == days
    for day in days:
        alone = build_panel(cdnow, day, 30, "revenue")
        pd.testing.assert_frame_equal(panels[day].signals, alone.signals)
        pd.testing.assert_frame_equal(panels[day].outcomes, alone.outcomes)
    assert build_panels(cdnow, [], 30, "revenue") == {}


def test_a_sample_holds_so_many_customers_with_all_their_rows(cdnow: Ledger) -> None:
    sample = sampled(cdnow, 100)
    kept = sample.order_lines["customer_id"].unique()
    whole = cdnow.order_lines.filter(pc.is_in(cdnow.order_lines["customer_id"], kept))
    assert sample.n_customers == 100
    assert sample.order_lines.equals(whole)


def test_a_sample_keeps_the_same_customers_each_time(cdnow: Ledger) -> None:
    few, more, later = (
        set(ledger.order_lines["customer_id"].to_pylist())
        for ledger in (sampled(cdnow, 50), sampled(cdnow, 100), sampled(sampled(cdnow, 99), 50))
    )
    assert few < more
    assert later == few


def test_a_ledger_that_is_small_enough_is_its_own_sample(cdnow: Ledger) -> None:
    assert sampled(cdnow, cdnow.n_customers) is cdnow
