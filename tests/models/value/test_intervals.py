import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.value.intervals import QUANTILES, ValueIntervals, coverage

LOWER, MEDIAN, UPPER = (QUANTILES.index(q) for q in (0.1, 0.5, 0.9))


def _simulated(n: int, seed: int, returns: float = 0.0) -> tuple[np.ndarray, ...]:
    """Forecasts that are right, for customers of very different value, and what came."""
    chance = np.random.default_rng(seed)
    churn = chance.beta(2.0, 1.0, n)
    centre = chance.lognormal(3.0, 1.0, n)
    active = chance.random(n) > churn
    came = np.where(active, centre * chance.gamma(2.0, 0.5, n), 0.0)
    came = np.where(active & (chance.random(n) < returns), -came, came)
    return (1 - churn) * centre * (1 - 2 * returns), churn, came, active


@pytest.mark.parametrize("n", [600, 5_000])
def test_four_in_five_lie_within_overall_and_in_every_third(n: int) -> None:
    model = ValueIntervals().fit(*_simulated(n, seed=1))
    mean, churn, came, _ = _simulated(50_000, seed=2)
    bounds = model.predict(mean, churn)
    shares = coverage(came, bounds[:, LOWER], bounds[:, UPPER], mean)
    slack = 0.02 if n >= 5_000 else 0.06  # a third of 600 are 200, whose tenth is 20 give or take 4
    for name, share in shares.items():
        assert share <= 0.10 + slack, name
        assert name.startswith("below") or share >= 0.10 - slack, name


def test_returns_lie_below_as_often_as_they_should() -> None:
    model = ValueIntervals().fit(*_simulated(6_000, seed=1, returns=0.3))
    mean, churn, came, _ = _simulated(50_000, seed=2, returns=0.3)
    bounds = model.predict(mean, churn)
    shares = coverage(came, bounds[:, LOWER], bounds[:, UPPER], mean)
    assert (bounds[:, 0] < 0).any()
    assert 0.08 < shares["above"] < 0.12
    assert shares["below"] < 0.12


def test_bounds_by_hand() -> None:
    # Half of them bring nothing, the others 10, 20 or 30 where 20 were expected of an active one.
    came = np.array([0.0, 0.0, 0.0, 10.0, 20.0, 30.0] * 10)
    model = ValueIntervals().fit(np.full(60, 10.0), np.full(60, 0.5), came, came > 0)
    assert model.edges_ == []
    spread = np.asarray(model.spreads_[0])
    assert (spread[0], spread[100], spread[-1]) == (0.5, 1.0, 1.5)
    (found,) = model.predict([10.0], [0.5])
    # A sixth of all outcomes is 30, so only 30 is exceeded by a tenth of them or less.
    assert found.tolist() == pytest.approx([0.0, 0.0, 0.0, 30.0, 30.0])
    assert model.predict([20.0], [0.5])[0, UPPER] == pytest.approx(60.0)


def test_who_is_sure_to_stay_gets_the_quantiles_of_the_spread() -> None:
    came = np.linspace(0.0, 2.0, 1_001)[1:]
    ones = np.ones(1_000)
    found = ValueIntervals().fit(ones, 0 * ones, came, ones > 0).predict([1.0], [0.0])
    assert found[0].tolist() == pytest.approx([0.05, 0.2, 1.0, 1.8, 1.95], abs=0.02)


def test_who_is_sure_to_leave_gets_nothing() -> None:
    mean, churn, came, active = _simulated(500, seed=1)
    found = ValueIntervals().fit(mean, churn, came, active).predict([0.0], [1.0])
    assert found.tolist() == [[0.0] * 5]


def test_the_top_tenth_is_a_class_of_its_own_where_there_are_many() -> None:
    edges = {n: len(ValueIntervals().fit(*_simulated(n, seed=1)).edges_) for n in (89, 90, 3_000)}
    assert edges == {89: 0, 90: 2, 3_000: 3}


def test_a_wider_spread_reaches_further_to_both_sides() -> None:
    rows = _simulated(2_000, seed=1, returns=0.3)
    narrow, wide = (ValueIntervals(widening).fit(*rows) for widening in (1.0, 1.5))
    assert wide.levels_ == narrow.levels_
    spreads = np.asarray(wide.spreads_), np.asarray(narrow.spreads_)
    np.testing.assert_allclose(spreads[0] - 1.0, 1.5 * (spreads[1] - 1.0))
    widths = [np.ptp(model.predict([20.0], [0.2])) for model in (narrow, wide)]
    assert widths[1] > widths[0]


def test_a_wider_spread_expects_no_losses_where_there_were_none() -> None:
    rows = _simulated(2_000, seed=1)
    assert (ValueIntervals(3.0).fit(*rows).predict(*rows[:2]) >= 0).all()


_NUMBERS = st.floats(-1e12, 1e12)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(
        st.tuples(_NUMBERS, st.floats(0.0, 1.0), _NUMBERS, st.booleans()), min_size=1, max_size=120
    ),
    asked=st.lists(st.tuples(_NUMBERS, st.floats(0.0, 1.0)), min_size=1, max_size=20),
)
def test_bounds_never_fall_and_are_always_numbers(
    rows: list[tuple[float, float, float, bool]], asked: list[tuple[float, float]]
) -> None:
    mean, churn, came, active = map(np.array, zip(*rows, strict=True))
    found = ValueIntervals().fit(mean, churn, came, active).predict(*zip(*asked, strict=True))
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=1) >= 0).all()


@pytest.mark.parametrize("n", [1, 100, 4_000])
@pytest.mark.parametrize("value", [0.0, 5.0, -5.0, 1e12, 1e-9])
def test_constant_outcomes_give_bounds(n: int, value: float) -> None:
    same = np.full(n, value)
    model = ValueIntervals().fit(same, np.zeros(n), same, np.ones(n, dtype=bool))
    np.testing.assert_allclose(model.predict([value], [0.0]), [[value] * 5], rtol=1e-9)


def test_nobody_who_bought_gives_nothing_to_everyone_likely_to_leave() -> None:
    model = ValueIntervals().fit(np.ones(50), np.full(50, 0.9), np.zeros(50), np.zeros(50))
    assert np.isfinite(model.predict([1.0, 0.0], [0.9, 0.1])).all()
    assert model.predict([1.0], [0.95])[0, MEDIAN] == 0


def test_a_state_survives_json_exactly() -> None:
    mean, churn, came, active = _simulated(4_000, seed=1, returns=0.1)
    model = ValueIntervals(1.2).fit(mean, churn, came, active)
    restored = ValueIntervals.from_state(json.loads(json.dumps(model.to_state(), allow_nan=False)))
    assert (restored.predict(mean, churn) == model.predict(mean, churn)).all()


@pytest.mark.parametrize("widening", [0.9, -1.0, math.nan])
def test_a_spread_is_never_narrowed(widening: float) -> None:
    with pytest.raises(ValueError, match=r"'widening' parameter of ValueIntervals .* \[1, inf\)"):
        ValueIntervals(widening).fit([1.0], [0.5], [1.0], [True])


def test_coverage_by_hand() -> None:
    shares = coverage([0, 5, 9, 1, 1, 1], [0, 6, 0, 0, 2, 2], [4, 7, 8, 2, 3, 3], range(6))
    assert shares["above"] == pytest.approx(1 / 6)
    assert shares["below"] == pytest.approx(3 / 6)
    assert [shares[f"below_{third}"] for third in ("low", "middle", "high")] == [0.5, 0.0, 1.0]
    assert [shares[f"above_{third}"] for third in ("low", "middle", "high")] == [0.0, 0.5, 0.0]
    assert all(math.isnan(share) for share in coverage([], [], [], []).values())
    assert math.isnan(coverage([1], [0], [2], [1])["above_high"])
