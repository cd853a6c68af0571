import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.ledger import Ledger
from training.plan import TrainingError, plan_origins


def _line(customer: str, day: str) -> dict[str, object]:
    return {"customer_id": customer, "ordered_at": day, "revenue": 1.0}


def test_a_long_history_is_tested_over_the_whole_horizon(cdnow: Ledger) -> None:
    plan = plan_origins(cdnow, cdnow.last_day, 90)
    assert plan.is_full_test
    assert plan.test_origin == cdnow.last_day - 90
    assert plan.final_origins[0] == cdnow.last_day - 90


def test_a_short_history_is_tested_over_a_third_of_itself(cdnow: Ledger) -> None:
    as_of = cdnow.first_day + 272
    plan = plan_origins(cdnow.up_to(as_of), as_of, 273)
    assert not plan.is_full_test
    assert plan.test_days == 91
    assert plan.learning_origins == plan.final_origins == ()


@given(horizon=st.integers(1, 546))
def test_no_outcome_that_trains_reaches_into_the_test(cdnow: Ledger, horizon: int) -> None:
    plan = plan_origins(cdnow, cdnow.last_day, horizon)
    assert all(origin + horizon <= plan.test_origin for origin in plan.learning_origins)
    assert all(origin + horizon <= plan.as_of for origin in plan.final_origins)
    assert all(origin >= cdnow.first_day for origin in plan.final_origins)
    assert plan.test_origin + plan.test_days == plan.as_of


def test_a_horizon_longer_than_the_history_is_refused(cdnow: Ledger) -> None:
    with pytest.raises(
        TrainingError, match="horizon of 600 days is longer than the history of 546"
    ):
        plan_origins(cdnow, cdnow.last_day, 600)


def test_a_ledger_of_one_day_is_refused(ledger_of) -> None:  # type: ignore[no-untyped-def]
    ledger = ledger_of([_line("a", "2020-01-01"), _line("b", "2020-01-01")])
    with pytest.raises(TrainingError, match="covers one day, 2020-01-01"):
        plan_origins(ledger, ledger.last_day, 30)


def test_a_ledger_of_one_customer_is_refused(ledger_of) -> None:  # type: ignore[no-untyped-def]
    ledger = ledger_of([_line("a", "2020-01-01"), _line("a", "2020-03-01")])
    with pytest.raises(TrainingError, match="holds one customer"):
        plan_origins(ledger, ledger.last_day, 30)
