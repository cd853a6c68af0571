import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from features.signals.catalogue import CATALOGUE
from models.tier.scorecard import DIMENSIONS, Scorecard

FUTURE = "expected_value"


def frame(**signals: list[float | None]) -> pd.DataFrame:
    return pd.DataFrame(signals, dtype="float64")


def test_every_dimension_goes_by_signals_of_the_catalogue() -> None:
    names = {name for signals in DIMENSIONS.values() for name in signals}
    assert names - set(CATALOGUE) == {FUTURE}


def test_ranks_are_mid_ranks_in_per_cent() -> None:
    """Parzen (1979): the share below plus half of the share of equals."""
    card = Scorecard().fit(X := frame(revenue_365d=[0, 0, 0, 5, 9]))
    assert card.rate(X)["purchase"].tolist() == pytest.approx([30, 30, 30, 70, 90])


def test_less_is_better_where_it_is_days_late() -> None:
    X = frame(late_mean_days=[0, 3, 30])
    assert Scorecard().fit(X).rate(X)["safety"].is_monotonic_decreasing


def test_a_dimension_without_data_is_null_and_never_50() -> None:
    X = frame(revenue_365d=[1, 2], campaign_response_share=[None, None])
    rated = Scorecard().fit(X).rate(X)
    assert rated["purchase"].notna().all()
    assert rated[["profitability", "safety", "future", "cooperation"]].isna().all(axis=None)


def test_the_future_is_null_until_a_prediction_is_given() -> None:
    X = frame(revenue_365d=[1, 2, 3])
    foreseen = X.assign(expected_value=[30.0, 20.0, 10.0])
    assert Scorecard().fit(X).rate(foreseen)["future"].isna().all()
    assert Scorecard().fit(foreseen).rate(foreseen)["future"].is_monotonic_decreasing


def test_a_dimension_is_the_mean_of_what_is_known() -> None:
    X = frame(contribution_365d=[1, 2], gross_margin_rate_365d=[0.9, None])
    assert Scorecard().fit(X).rate(X)["profitability"].tolist() == [(25 + 50) / 2, 75]


def test_one_customer_is_rated_as_among_all() -> None:
    chance = np.random.default_rng(0)
    X = frame(revenue_365d=chance.gamma(0.3, 100, 20_000).round(2).tolist())
    card = Scorecard.from_state(json.loads(json.dumps(Scorecard().fit(X).to_state())))
    rated = card.rate(X)
    assert card.rate(X.iloc[[7]]).equals(rated.iloc[[7]])


def test_many_customers_are_ranked_to_a_tenth_of_a_point() -> None:
    chance = np.random.default_rng(1)
    values = pd.Series(np.where(chance.random(50_000) < 0.4, 0.0, chance.lognormal(3, 2, 50_000)))
    card = Scorecard().fit(values.to_frame("revenue_365d"))
    exact = 100 * (values.rank() - 0.5) / len(values)
    rated = card.rate(values.to_frame("revenue_365d"))["purchase"]
    assert (rated - exact).abs().max() < 0.11
    assert len(card.knots_["revenue_365d"]) < 1_100


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=40))
def test_ratings_are_from_0_to_100_and_never_fall_with_the_signal(values: list[float]) -> None:
    X = frame(revenue_365d=values)
    rated = Scorecard().fit(X).rate(X)["purchase"]
    assert rated.between(0, 100).all()
    assert rated.iloc[np.argsort(values, kind="stable")].is_monotonic_increasing
    assert rated.mean() == pytest.approx(50)


def test_an_unfitted_scorecard_rates_nobody() -> None:
    with pytest.raises(NotFittedError):
        Scorecard().rate(frame(revenue_365d=[1]))
