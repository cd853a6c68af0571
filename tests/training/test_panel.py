from datetime import date

import pytest

from features.ledger import Ledger, day_of
from training.panel import build_panel, outcomes_for, stack, value_basis_of


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


def test_stacked_panels_keep_signals_and_outcomes_together(cdnow: Ledger) -> None:
    panels = [build_panel(cdnow, cdnow.first_day + days, 30, "revenue") for days in (60, 90)]
    signals, outcomes = stack(panels)
    assert len(signals) == len(outcomes) == sum(len(panel.signals) for panel in panels)
