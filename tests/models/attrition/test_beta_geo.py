from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.special import hyp2f1

from models.attrition import AttritionModel, BetaGeoModel

ModelOf = Callable[..., AttritionModel]
Histories = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def paper(model_of: ModelOf) -> AttritionModel:
    """The model with the paper's estimates for CDNOW, in weeks."""
    return model_of(BetaGeoModel, r=0.243, alpha=4.414, a=0.793, b=2.426)


@pytest.fixture(scope="module")
def fitted(cdnow: pd.DataFrame) -> BetaGeoModel:
    return BetaGeoModel().fit(cdnow)


def test_parameters_of_the_paper(fitted: BetaGeoModel, cdnow: pd.DataFrame) -> None:
    """Fader, Hardie and Lee (2005), table 2: r, alpha, a, b and LL on CDNOW."""
    found = [fitted.r_, fitted.alpha_, fitted.a_, fitted.b_]
    np.testing.assert_allclose(found, [0.243, 4.414, 0.793, 2.426], atol=5e-4)
    assert fitted.log_likelihood(cdnow) == pytest.approx(-9582.4256, abs=5e-5)
    assert fitted.log_likelihood_ == pytest.approx(fitted.log_likelihood(cdnow))


def test_parameters_with_exact_weeks(cdnow: pd.DataFrame) -> None:
    """CLVTools' test: recency and T are whole days, of which lifetimes rounds the weeks."""
    weeks = cdnow.assign(**{c: (7 * cdnow[c]).round() / 7 for c in ("recency", "T")})
    model = BetaGeoModel().fit(weeks)
    known = [0.2425945, 4.4136019, 0.7929199, 2.4258881]
    np.testing.assert_allclose([model.r_, model.alpha_, model.a_, model.b_], known, rtol=5e-5)
    assert model.log_likelihood_ == pytest.approx(-9582.429, abs=5e-4)


def test_parameters_on_all_of_cdnow(cdnow_all: pd.DataFrame) -> None:
    model = BetaGeoModel().fit(cdnow_all)
    found = [model.r_, model.alpha_, model.a_, model.b_]
    np.testing.assert_allclose(found, [0.2516, 4.7889, 0.7234, 2.1611], atol=1e-4)
    assert model.log_likelihood_ == pytest.approx(-95_368.44, abs=0.005)


def test_conditional_expectation(fitted: BetaGeoModel, histories: Histories) -> None:
    """Customer 0001 of CDNOW over the next 39 weeks."""
    expected = fitted.expected_purchases(histories((2, 30.43, 38.86)), 39)
    assert expected[0] == pytest.approx(1.22591, abs=2e-5)


def test_expectation_of_a_new_customer(fitted: BetaGeoModel) -> None:
    """E[X(t)], lifetimes' test of Eq 9."""
    known = [0.0078, 0.0532, 0.1506, 1.0405, 1.0437, 1.8576]
    found = fitted.expected_purchases_new([0.1429, 1.0, 3.0, 31.8571, 32.0, 78.0])
    np.testing.assert_allclose(found, known, rtol=3e-4, atol=5e-5)


def test_probabilities_of_a_new_customer(paper: AttritionModel) -> None:
    """lifetimes' test against R's BTYD."""
    known = [0.0019995214, 0.0015170236, 0.0011633150, 0.0009003148, 0.0007023638]
    known += [0.0005517902, 0.0004361913, 0.0003467171, 0.0002769613, 0.0002222260]
    found = paper.purchase_probabilities_new(30, 20)[11:]
    np.testing.assert_allclose(found, known, atol=5e-11)
    assert paper.purchase_probabilities_new(39, 0)[0] == pytest.approx(0.5737864, abs=5e-8)
    assert paper.purchase_probabilities_new(2, 10)[10] == pytest.approx(1.07869e-7, rel=5e-6)


@pytest.mark.parametrize(("row", "known"), [((0, 0, 40), -0.59947382), ((200, 38, 40), 100.7957)])
def test_stable_log_likelihood(
    model_of: ModelOf, histories: Histories, row: tuple[float, float, float], known: float
) -> None:
    """Hardie's note 027."""
    model = model_of(BetaGeoModel, r=0.25, alpha=4.0, a=0.8, b=2.5)
    assert model.log_likelihood(histories(row)) == pytest.approx(known, abs=5e-5)


def test_expectation_agrees_with_the_hypergeometric_form(
    paper: AttritionModel, histories: Histories
) -> None:
    """Eq 10 of the paper, where its hypergeometric function still computes."""
    x, T, t = np.array([0.0, 1, 5, 20]), 38.86, 39.0
    c = 0.793 + 2.426 + x - 1
    hyper = hyp2f1(0.243 + x, 2.426 + x, c, t / (4.414 + T + t))
    shrunk = hyper * ((4.414 + T) / (4.414 + T + t)) ** (0.243 + x)
    customers = histories(*((n, 30.0 if n else 0.0, T) for n in x))
    expected = c / (0.793 - 1) * (1 - shrunk) * paper.p_alive(customers)
    np.testing.assert_allclose(paper.expected_purchases(customers, t), expected, rtol=1e-9)


def test_who_bought_once_is_alive(paper: AttritionModel, histories: Histories) -> None:
    assert paper.p_alive(histories((0, 0, 39)))[0] == 1


@pytest.mark.parametrize("a", [0.05, 1.0, 1.0 + 1e-9, 30.0])
@pytest.mark.parametrize("horizon_days", [0, 1, 365, 36_500])
def test_extremes_stay_within_bounds(
    model_of: ModelOf, histories: Histories, a: float, horizon_days: float
) -> None:
    model = model_of(BetaGeoModel, r=0.5, alpha=30.0, a=a, b=2.5)
    customers = histories((0, 0, 0), (200, 38, 40), (5000, 3, 400), (5000, 400, 400))
    expected = model.expected_purchases(customers, horizon_days)
    bound = (0.5 + customers["frequency"]) / (30 + customers["T"]) * horizon_days
    assert ((expected >= 0) & (expected <= bound)).all()
