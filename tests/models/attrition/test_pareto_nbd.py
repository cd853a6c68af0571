from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.attrition import AttritionModel, ParetoNBDModel
from models.attrition.history import PurchaseHistory
from models.attrition.pareto_nbd import ParetoNBDProcess

ModelOf = Callable[..., AttritionModel]
Histories = Callable[..., pd.DataFrame]
# The annual rate whose continuous daily rate is .0027, the delta of the published values.
ANNUAL = float(np.expm1(0.0027 * 365))


@pytest.fixture(scope="module")
def vignette(model_of: ModelOf) -> AttritionModel:
    """The parameters of R's BTYD vignette, in weeks."""
    return model_of(ParetoNBDModel, r=0.5534, alpha=10.5802, s=0.6061, beta=11.6562)


@pytest.fixture(scope="module")
def fitted(cdnow: pd.DataFrame) -> ParetoNBDModel:
    return ParetoNBDModel().fit(cdnow)


def test_parameters_of_the_paper(fitted: ParetoNBDModel) -> None:
    """Fader, Hardie and Lee (2005), table 2; beta is flat: a thousandth is 1e-8 of likelihood."""
    found = [fitted.r_, fitted.alpha_, fitted.s_, fitted.beta_]
    np.testing.assert_allclose(found, [0.553, 10.578, 0.606, 11.669], atol=1e-3)
    assert fitted.log_likelihood_ == pytest.approx(-9594.974, abs=5e-4)


def test_parameters_with_exact_weeks(model_of: ModelOf, cdnow: pd.DataFrame) -> None:
    """CLVTools' test on whole days, whose optimum is a little short of ours."""
    weeks = cdnow.assign(**{c: (7 * cdnow[c]).round() / 7 for c in ("recency", "T")})
    model = ParetoNBDModel().fit(weeks)
    found = [model.r_, model.alpha_, model.s_, model.beta_]
    np.testing.assert_allclose(found, [0.55315, 10.57633, 0.60625, 11.67150], rtol=3e-4)
    theirs = model_of(ParetoNBDModel, r=0.55315, alpha=10.57633, s=0.60625, beta=11.67150)
    assert model.log_likelihood_ == pytest.approx(-9594.976, abs=5e-4)
    assert model.log_likelihood_ > theirs.log_likelihood(weeks)


def test_parameters_on_all_of_cdnow(cdnow_all: pd.DataFrame) -> None:
    model = ParetoNBDModel().fit(cdnow_all)
    found = [model.r_, model.alpha_, model.s_, model.beta_]
    np.testing.assert_allclose(found, [0.5974, 11.5857, 0.5222, 8.8278], rtol=2e-4)
    assert model.log_likelihood_ == pytest.approx(-95_415.12, abs=0.005)


def test_one_customer_of_the_vignette(vignette: AttritionModel, histories: Histories) -> None:
    customer = histories((26, 30.86, 31))
    assert vignette.p_alive(customer)[0] == pytest.approx(0.99791777, abs=1e-8)
    assert vignette.expected_purchases(customer, 52)[0] == pytest.approx(25.45491, abs=1e-5)


def test_discounted_residual_transactions(vignette: AttritionModel, histories: Histories) -> None:
    """DERT at delta = .0027 and P(alive), computed by two other ways."""
    customers = histories((26, 30.86, 31), (2, 30.43, 38.86), (0, 0, 39))
    known = [86.03037562, 6.482562365, 0.474671505]
    found = vignette.discounted_purchases(customers, ANNUAL)
    np.testing.assert_allclose(found, known, rtol=1e-8)
    known_alive = [0.99791777, 0.869110644, 0.2941422393]
    np.testing.assert_allclose(vignette.p_alive(customers), known_alive, rtol=1e-8)


def test_expectation_of_a_new_customer(model_of: ModelOf) -> None:
    """E[X(t)] of the BTYD manual, for t = 0 .. 9 weeks."""
    known = [0, 0.05077821, 0.09916088, 0.14542507, 0.18979930]
    known += [0.23247466, 0.27361274, 0.31335159, 0.35181024, 0.38909211]
    manual = model_of(ParetoNBDModel, r=0.55, alpha=10.56, s=0.61, beta=11.64)
    np.testing.assert_allclose(manual.expected_purchases_new(np.arange(10.0)), known, atol=5e-9)


def test_tracking_of_the_walkthrough(fitted: ParetoNBDModel, cdnow_days: pd.DataFrame) -> None:
    """Weeks 20 to 25 of BTYD's walkthrough, in all and by the week; the actual a day less."""
    start = cdnow_days["day"].min()
    first_days = cdnow_days.groupby("customer_id")["day"].min()
    ends = start + 7 * np.arange(19, 26)
    ages = np.maximum(ends[:, None] - first_days.to_numpy(), 0) / 7
    expected = fitted.expected_purchases_new(ages.ravel()).reshape(ages.shape).sum(axis=1)
    assert expected[1:].round().tolist() == [1309, 1385, 1460, 1533, 1604, 1674]
    weekly = [78.31, 76.42, 74.65, 72.98, 71.41, 69.93]
    np.testing.assert_allclose(np.diff(expected), weekly, atol=0.01)
    actual = [(cdnow_days["day"] < end).sum() - (first_days < end).sum() for end in ends[1:]]
    assert actual == [1359, 1414, 1484, 1517, 1573, 1672]


def test_many_purchases_overflow_nothing(model_of: ModelOf, histories: Histories) -> None:
    """Histories that broke other implementations (CLVTools, lifetimes)."""
    model = model_of(ParetoNBDModel, r=0.5143, alpha=2.8845, s=0.2856, beta=14.1087)
    busy = histories(
        (221, 103.42857, 103.57143), (254, 97.14286, 97.28571), (161, 94.71429, 98), (204, 98, 99)
    )
    assert np.isfinite(model.log_likelihood(busy))
    steep = model_of(ParetoNBDModel, r=10.465, alpha=0.00798565, s=3.0516, beta=2.820)
    process = ParetoNBDProcess(10.465, 0.00798565, 3.0516, 2.820)
    rows = histories((400, 5, 6), (500, 1, 37), (500, 4, 37))
    assert np.isfinite(process.log_odds_left(PurchaseHistory.of(rows, steep))).all()
    weekly = model_of(ParetoNBDModel, r=0.55, alpha=10.58, s=0.61, beta=11.67)
    found = weekly.expected_purchases(histories((132, 200, 200), (133, 200, 200)), 10)
    np.testing.assert_allclose(found, [6.20605, 6.25287], atol=5e-6)


def test_twelve_nodes_are_enough() -> None:
    """The integral over the time of death, against four times as many nodes."""
    chance = np.random.default_rng(0)
    x = chance.choice([0.0, 1, 3, 20, 200, 3000], 500)
    T = chance.lognormal(0.5, 1.0, 500)
    t_x = np.where(x > 0, T * chance.random(500), 0.0)
    history = PurchaseHistory(x, t_x, T, np.ones(500))
    for parameters in np.exp(chance.normal(0, 1.5, (20, 4))).tolist():
        few, many = (ParetoNBDProcess(*parameters, n) for n in (12, 48))
        difference = few.log_odds_left(history) - many.log_odds_left(history)
        assert np.abs(difference).max() < 1e-7


def test_an_infinite_horizon_has_the_closed_form(model_of: ModelOf, histories: Histories) -> None:
    """With s above 1, (r + x) / (alpha + T) * (beta + T) / (s - 1) purchases are left."""
    model = model_of(ParetoNBDModel, r=0.6, alpha=12.0, s=2.5, beta=30.0)
    left = model.discounted_purchases(histories((3, 20, 20)), 1e-9)[0]
    known = 3.6 / 32 * 50 / 1.5 * model.p_alive(histories((3, 20, 20)))[0]
    assert left == pytest.approx(known, rel=1e-4)


def test_tracking_of_weekly_purchases_on_cdnow(fitted: ParetoNBDModel, shared: Path) -> None:
    """Cumulative repeat purchases by weeks 20 to 25 of 1997, lifetimes' test."""
    lines = pd.read_parquet(shared / "cdnow" / "cdnow_sample.parquet")
    day = (pd.to_datetime(lines["date"]) - pd.Timestamp("1997-01-01")).dt.days
    first = day.groupby(lines["customer_id"]).min()
    weeks = [np.maximum(7.0 * week - first, 0) / 7 for week in range(20, 26)]
    found = [fitted.expected_purchases_new(ahead).sum() for ahead in weeks]
    np.testing.assert_allclose(found, [1309, 1385, 1460, 1533, 1604, 1674], atol=1)
