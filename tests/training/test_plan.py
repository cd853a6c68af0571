from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.ledger import Ledger
from training.plan import TrainingError, known_ledger, plan_origins

LedgerOf = Callable[..., Ledger]


@pytest.fixture(scope="session")
def ledger_over(ledger_of: LedgerOf) -> Callable[[int], Ledger]:
    """A ledger whose first and last order lie so many days apart, 3,000 at most."""
    days = [date(2000, 1, 1) + timedelta(days=day) for day in range(3_001)]
    rows = [{"customer_id": "a", "ordered_at": str(day), "revenue": 1.0} for day in days]
    whole = ledger_of(rows)
    return lambda days: whole.up_to(whole.first_day + days)


def test_a_long_history_is_tested_over_the_whole_horizon(cdnow: Ledger) -> None:
    plan = plan_origins(cdnow, cdnow.last_day, 90)
    assert plan.is_full_test
    assert plan.window_days == 90
    # The last complete window, half a window before it, and the season of a year ago.
    assert [cdnow.last_day - day for day in plan.test_origins] == [90, 136, 365]


def test_windows_of_the_same_season_are_tested_on(ledger_over: Callable[[int], Ledger]) -> None:
    ledger = ledger_over(1_500)
    plan = plan_origins(ledger, ledger.last_day, 90)
    assert [ledger.last_day - day for day in plan.test_origins] == [90, 365, 730]
    assert [plan.is_same_season(day) for day in plan.test_origins] == [False, True, True]
    assert not plan.is_same_season(plan.as_of)


def test_a_short_history_is_tested_over_less_than_the_horizon(cdnow: Ledger) -> None:
    as_of = cdnow.first_day + 272
    plan = plan_origins(cdnow.up_to(as_of), as_of, 273)
    assert plan.test_origins
    assert not plan.is_full_test
    assert plan.window_days == int(273 / 2.5)


def test_two_and_a_half_horizons_are_a_full_test(ledger_over: Callable[[int], Ledger]) -> None:
    for days, is_full in ((249, True), (248, False)):
        ledger = ledger_over(days)
        assert plan_origins(ledger, ledger.last_day, 100).is_full_test == is_full


@pytest.mark.parametrize("days", [0, 1])
def test_a_ledger_of_a_day_or_two_has_a_plan_without_tests(
    ledger_over: Callable[[int], Ledger], days: int
) -> None:
    ledger = ledger_over(days)
    plan = plan_origins(ledger, ledger.last_day, 30)
    assert (plan.test_origins, plan.is_full_test, plan.window_days) == ((), False, 1)


@settings(deadline=None)
@given(days=st.integers(0, 3_000), horizon=st.integers(1, 1_500))
def test_no_outcome_that_trains_reaches_into_a_test(
    ledger_over: Callable[[int], Ledger], days: int, horizon: int
) -> None:
    ledger = ledger_over(days)
    plan = plan_origins(ledger, ledger.last_day, horizon)
    window = plan.window_days
    assert 1 <= window <= horizon
    for end in (*plan.test_origins, plan.as_of):
        learning = plan.learning_origins(end)
        assert all(ledger.first_day <= origin <= end - window for origin in learning)
        assert list(learning) == sorted(set(learning), reverse=True)
    for origin in plan.test_origins:
        assert origin + window <= plan.as_of
        assert plan.learning_origins(origin)


@settings(deadline=None)
@given(days=st.integers(0, 3_000), horizon=st.integers(1, 1_500))
def test_tests_are_few_the_last_one_first(
    ledger_over: Callable[[int], Ledger], days: int, horizon: int
) -> None:
    ledger = ledger_over(days)
    plan = plan_origins(ledger, ledger.last_day, horizon)
    assert len(plan.test_origins) <= 3
    assert list(plan.test_origins) == sorted(plan.test_origins, reverse=True)
    assert set(plan.test_origins) <= set(plan.origins)
    assert all(
        (plan.as_of - day) % 365 == 0 for day in plan.test_origins if plan.is_same_season(day)
    )


def test_what_is_not_known_yet_is_cut_off(cdnow: Ledger) -> None:
    known = known_ledger(cdnow, cdnow.first_day + 10)
    assert known.last_day <= cdnow.first_day + 10
    with pytest.raises(TrainingError, match=r"the first order is of 1997-01-01\. Choose a"):
        known_ledger(cdnow, cdnow.first_day - 1)


@pytest.mark.parametrize("days_ago", [0, 1, 200])
def test_what_is_known_is_that_of_the_day(wholesaler: Ledger, days_ago: int) -> None:
    day = wholesaler.last_day - days_ago
    expected = wholesaler.up_to(day).tables
    assert all(rows.equals(expected[n]) for n, rows in known_ledger(wholesaler, day).tables.items())


def test_a_table_that_is_known_whole_is_not_copied(cdnow: Ledger) -> None:
    known = known_ledger(cdnow, cdnow.last_day)
    places = [
        [chunk.buffers()[1].address for chunk in ledger.order_lines["day"].chunks]
        for ledger in (known, cdnow)
    ]
    assert places[0] == places[1]
