import json
from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.ledger import Ledger, day_of
from training.backtest import PREDICTED, Backtest, backtest
from training.plan import TrainingError
from training.tournament import LOSSES

_AS_OF = day_of(date(1997, 9, 30))


@pytest.fixture(scope="module")
def whole(cdnow: Ledger) -> Backtest:
    return backtest(cdnow, as_of=_AS_OF, horizon_days=60)


def test_rows_after_as_of_change_no_prediction(cdnow: Ledger, whole: Backtest) -> None:
    cut = backtest(cdnow.up_to(_AS_OF), as_of=_AS_OF, horizon_days=60)
    pd.testing.assert_frame_equal(whole.predictions, cut.predictions)
    assert cut.fitted.bundle.digest == whole.fitted.bundle.digest
    assert whole.metrics is not None
    assert cut.metrics is None
    assert (whole.days_seen, cut.days_seen) == (60, 0)


def test_every_customer_known_by_as_of_has_a_prediction(cdnow: Ledger) -> None:
    as_of = cdnow.first_day + 30
    predictions = backtest(cdnow, as_of=as_of, horizon_days=10).predictions
    assert len(predictions) == cdnow.up_to(as_of).n_customers < cdnow.n_customers
    assert list(predictions.columns) == list(PREDICTED)
    assert np.isfinite(predictions).all(axis=None)
    assert predictions["churn_probability"].between(0, 1).all()
    assert predictions["p_alive"].between(0, 1).all()


def test_forecasts_of_some_customers_at_a_time_are_those_of_all_at_once(
    cdnow: Ledger, whole: Backtest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.backtest._ROWS_AT_A_TIME", 500)
    parts = backtest(cdnow, as_of=_AS_OF, horizon_days=60)
    pd.testing.assert_frame_equal(parts.predictions, whole.predictions, rtol=1e-9)
    assert parts.fitted.tournament.metrics == whole.fitted.tournament.metrics


def test_bounds_hold_what_came(whole: Backtest) -> None:
    """ORACLES 2: a tenth above, at most a tenth below, give or take what chance does."""
    predictions, metrics = whole.predictions, whole.metrics
    assert metrics is not None
    assert (predictions["value_lower"] <= predictions["value_median"]).all()
    assert (predictions["value_median"] <= predictions["value_upper"]).all()
    assert 0.06 < metrics["share_above"] < 0.14
    assert metrics["share_below"] < 0.12


def test_the_model_beats_the_baseline_on_what_came(whole: Backtest) -> None:
    assert whole.metrics is not None
    assert whole.baseline_metrics is not None
    for loss in LOSSES.values():
        assert whole.metrics[loss] < whole.baseline_metrics[loss]
    assert whole.fitted.grade.may_serve


def test_the_summary_is_json_and_names_the_winners_and_the_grade(whole: Backtest) -> None:
    summary = json.loads(json.dumps(whole.summary(), allow_nan=False))
    facts = whole.fitted.bundle.facts
    assert (
        summary["winners"]
        == facts["winners"]
        == {question: whole.fitted.tournament.winner_of(question).name for question in LOSSES}
    )
    assert summary["grade"] == facts["grade"] == whole.fitted.grade.letter
    assert summary["beats_baseline"] == whole.fitted.grade.may_serve
    assert summary["total"]["lower"] < summary["total"]["expected"] < summary["total"]["upper"]
    assert summary["total"]["expected"] == pytest.approx(whole.predictions["expected_value"].sum())


def test_a_ledger_too_small_to_judge_is_forecast_and_says_so(ledger_of) -> None:  # type: ignore[no-untyped-def]
    rows = [{"customer_id": who, "ordered_at": "2020-01-01", "revenue": 5.0} for who in "abc"]
    result = backtest(ledger_of(rows), as_of=day_of(date(2020, 1, 1)), horizon_days=30)
    assert result.fitted.grade.letter == "insufficient"
    assert "too short to hold candidates against it" in result.fitted.bundle.facts["remarks"][0]
    assert np.isfinite(result.predictions).all(axis=None)


def test_a_first_order_after_as_of_is_refused(cdnow: Ledger) -> None:
    with pytest.raises(TrainingError, match="the first order is of 1997-01-01"):
        backtest(cdnow, as_of=cdnow.first_day - 1, horizon_days=60)


def test_margin_without_a_cost_is_refused(cdnow: Ledger) -> None:
    with pytest.raises(TrainingError, match="there is no margin"):
        backtest(cdnow, as_of=_AS_OF, horizon_days=60, basis="gross_margin")


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
