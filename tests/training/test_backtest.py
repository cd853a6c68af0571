from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features.ledger import Ledger, day_of
from training.backtest import backtest
from training.plan import TrainingError

_AS_OF = day_of(date(1997, 9, 30))


def test_rows_after_as_of_change_no_prediction(cdnow: Ledger) -> None:
    whole = backtest(cdnow, as_of=_AS_OF, horizon_days=60)
    cut = backtest(cdnow.up_to(_AS_OF), as_of=_AS_OF, horizon_days=60)
    pd.testing.assert_frame_equal(whole.predictions, cut.predictions)
    assert whole.metrics is not None
    assert cut.metrics is None


def test_every_customer_known_by_as_of_has_a_prediction(cdnow: Ledger) -> None:
    as_of = cdnow.first_day + 30
    predictions = backtest(cdnow, as_of=as_of, horizon_days=10).predictions
    assert len(predictions) == cdnow.up_to(as_of).n_customers < cdnow.n_customers
    assert predictions["churn_probability"].between(0, 1).all()
    assert predictions["p_alive"].between(0, 1).all()
    assert np.isfinite(predictions["expected_value"]).all()


def test_a_first_order_after_as_of_is_refused(cdnow: Ledger) -> None:
    with pytest.raises(TrainingError, match="the first order is of 1997-01-01"):
        backtest(cdnow, as_of=cdnow.first_day - 1, horizon_days=60)


def test_margin_without_a_cost_is_refused(cdnow: Ledger) -> None:
    with pytest.raises(TrainingError, match="there is no margin"):
        backtest(cdnow, as_of=_AS_OF, horizon_days=60, basis="gross_margin")


_lines = st.lists(
    st.fixed_dictionaries(
        {
            "customer_id": st.sampled_from("abcdef"),
            "ordered_at": st.dates(date(2020, 1, 1), date(2020, 12, 31)).map(str),
            "revenue": st.floats(-1e6, 1e12).map(lambda money: round(money, 9)),
            "cost": st.none() | st.floats(0, 1e6).map(lambda money: round(money, 9)),
        }
    ),
    min_size=3,
    max_size=60,
)


@settings(
    max_examples=10,  # each is a whole tournament, of a second or two
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(lines=_lines, horizon=st.integers(1, 120))
def test_training_never_dies_on_a_valid_ledger(ledger_of, lines, horizon) -> None:  # type: ignore[no-untyped-def]
    ledger = ledger_of(lines)
    try:
        result = backtest(ledger, as_of=ledger.last_day, horizon_days=horizon)
    except TrainingError:
        return
    assert not result.predictions.drop(columns=["value_lower", "value_upper"]).isna().any().any()


def test_costs_that_begin_after_the_test_day_leave_revenue_as_value(ledger_of) -> None:  # type: ignore[no-untyped-def]
    days = pd.date_range("2020-01-01", "2020-12-31", freq="3D")
    lines = [
        {
            "customer_id": f"C{n % 25}",
            "ordered_at": str(day.date()),
            "revenue": 5.0 + n % 7,
            "cost": 3.0 if day >= pd.Timestamp("2020-12-01") else None,
        }
        for n, day in enumerate(days.repeat(3))
    ]
    ledger = ledger_of(lines)
    result = backtest(ledger, as_of=ledger.last_day, horizon_days=60)
    assert result.fitted.bundle.facts["value_basis"] == "revenue"
    with pytest.raises(TrainingError, match="has a cost, so there is no margin"):
        backtest(ledger, as_of=ledger.last_day, horizon_days=60, basis="gross_margin")
