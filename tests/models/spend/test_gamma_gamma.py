import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from models.lifetimes_fit import converged_parameters
from models.spend import GammaGammaModel
from models.spend.gamma_gamma import _score


def purchases(n: list[float], mean: list[float | None]) -> pd.DataFrame:
    return pd.DataFrame({"n_purchases": n, "mean_value": mean}, dtype=float)


def with_parameters(p: float, q: float, v: float) -> GammaGammaModel:
    learned = {"p_": p, "q_": q, "v_": v, "log_likelihood_": 0.0}
    learned |= {"population_mean_": p * v / (q - 1), "prior_purchases_": (q - 1) / p}
    learned |= {"fallback_": False, "fallback_reason_": None}
    return GammaGammaModel.from_state(
        {"model": "GammaGammaModel", "params": {}, "learned": learned}
    )


@pytest.fixture(scope="module")
def repeat(cdnow: pd.DataFrame) -> pd.DataFrame:
    """Repeat purchases of CDNOW, the first left out as in the paper."""
    names = {"frequency": "n_purchases", "monetary_value": "mean_value"}
    return cdnow.rename(columns=names)[["n_purchases", "mean_value"]]


def test_parameters_of_the_paper(repeat: pd.DataFrame) -> None:
    """Fader and Hardie (2013), p.8: p, q and v on the 946 repeat buyers of CDNOW."""
    model = GammaGammaModel().fit(repeat)
    assert (repeat["n_purchases"] > 0).sum() == 946
    found, known = [model.p_, model.q_, model.v_], [6.2488, 3.7446, 15.4477]
    np.testing.assert_allclose(found, known, rtol=5e-5)
    assert model.log_likelihood_ == pytest.approx(-4055.9232, abs=5e-4)
    assert model.log_likelihood(repeat) == pytest.approx(model.log_likelihood_)


def test_conditional_means_of_the_note(repeat: pd.DataFrame) -> None:
    """Hardie's note 025: expected spend of the first ten customers."""
    known = [24.65, 18.91, 35.17, 35.17, 35.17, 71.46, 18.91, 35.17, 27.28, 35.17]
    spend = GammaGammaModel().fit(repeat).expected_spend(repeat.iloc[:10])
    np.testing.assert_allclose(spend, known, atol=0.01)


def test_the_gradient_is_that_of_the_likelihood() -> None:
    chance = np.random.default_rng(0)
    n, mean = chance.integers(1, 9, 100).astype(float), chance.gamma(2.0, 1.0, 100)
    theta, steps = np.array([0.7, 2.5, 1.3]), 1e-5 * np.eye(3)
    found = [_score(n, mean, theta + h)[0] - _score(n, mean, theta - h)[0] for h in steps]
    np.testing.assert_allclose(np.array(found) / 2e-5, _score(n, mean, theta)[1], rtol=1e-6)


def test_lifetimes_agrees(repeat: pd.DataFrame) -> None:
    buyers = repeat[repeat["n_purchases"] > 0]
    columns = {"frequency": buyers["n_purchases"], "monetary_value": buyers["mean_value"]}
    data = {name: column.to_numpy(dtype=float) for name, column in columns.items()}
    theirs = converged_parameters("GammaGammaFitter", [0.0], **data)
    ours = GammaGammaModel().fit(repeat)
    assert theirs is not None
    known = [theirs.parameters[name] for name in ("p", "q", "v")]
    np.testing.assert_allclose([ours.p_, ours.q_, ours.v_], known, rtol=1e-3)


def test_draws_have_the_expected_mean_and_no_purchase_costs_nothing() -> None:
    model, X = with_parameters(6.25, 3.74, 15.44), purchases([0, 2, 20], [None, 60.0, 60.0])
    draws = model.draw_spend(X, np.full((3, 100_000), 3), random_state=1)
    np.testing.assert_allclose(draws.mean(axis=1), 3 * model.expected_spend(X), rtol=0.02)
    assert (np.diff((draws / draws.mean(axis=1, keepdims=True)).std(axis=1)) < 0).all()
    assert model.draw_spend(X, [0, 0, 0], 1).tolist() == [0, 0, 0]
    np.testing.assert_array_equal(model.draw_spend(X, 2, 7), model.draw_spend(X, [2, 2, 2], 7))


def test_the_fallback_draws_what_it_expects() -> None:
    X = purchases([1, 2, 3], [20.0, 20.0, 20.0])
    model = GammaGammaModel().fit(X)
    assert model.draw_spend(X, [0, 1, 2]).tolist() == [0, 20, 40]
    assert model.log_likelihood(X) == -np.inf
    assert model.expected_spend_new() == 20


def test_a_negative_number_of_purchases_is_refused() -> None:
    X = purchases([1], [20.0])
    with pytest.raises(ValueError, match="'n_purchases' parameter of GammaGammaModel"):
        GammaGammaModel().fit(X).draw_spend(X, [-1])


def test_the_currency_does_not_matter(repeat: pd.DataFrame) -> None:
    dear = repeat.assign(mean_value=15_000 * repeat["mean_value"])
    np.testing.assert_allclose(
        GammaGammaModel().fit(dear).expected_spend(dear),
        15_000 * GammaGammaModel().fit(repeat).expected_spend(repeat),
        rtol=1e-6,
    )


def test_spend_lies_between_the_customers_and_the_companys_mean(repeat: pd.DataFrame) -> None:
    model = GammaGammaModel().fit(repeat)
    own = repeat["mean_value"].where(repeat["n_purchases"] > 0, model.population_mean_)
    ends = np.sort(np.column_stack([own, np.full(len(own), model.population_mean_)]), axis=1)
    spend = model.expected_spend(repeat)
    assert ((spend >= ends[:, 0] - 1e-9) & (spend <= ends[:, 1] + 1e-9)).all()


def test_more_purchases_pull_spend_to_the_customers_mean() -> None:
    spend = with_parameters(6.25, 3.74, 15.44).expected_spend(purchases([1, 10, 100], [90.0] * 3))
    assert (np.diff(spend) > 0).all()
    assert spend[-1] == pytest.approx(90, rel=0.01)


def test_customers_without_positive_value_get_the_population_mean(repeat: pd.DataFrame) -> None:
    model = GammaGammaModel().fit(repeat)
    unknown = purchases([0, 3, 3], [20.0, 0.0, None])
    np.testing.assert_array_equal(model.expected_spend(unknown), [model.population_mean_] * 3)


@pytest.mark.parametrize(
    ("n", "mean", "reason"),
    [
        ([1, 2, 3], [20.0, 20.0, 20.0], "All customers spend the same"),
        ([1, 2], [0.0, None], "No customer has a purchase of positive value"),
        ([1, 2], [10.0, 20.0], "Three buyers or more are needed to fit. Found 2"),
    ],
)
def test_what_cannot_be_fitted_falls_back_and_says_why(
    n: list[float], mean: list[float | None], reason: str
) -> None:
    model = GammaGammaModel().fit(purchases(n, mean))
    assert model.fallback_
    assert str(model.fallback_reason_).startswith(reason)
    assert model.expected_spend(purchases([5], [None]))[0] == model.population_mean_


def test_a_tail_without_a_mean_falls_back_to_the_mean_observed() -> None:
    """One purchase each, Pareto spread with shape 1: the fit would give q near or below 1."""
    mean = 10 / np.random.default_rng(0).random(2000)
    model = GammaGammaModel().fit(purchases([1.0] * 2000, [*mean]))
    assert 0 < model.population_mean_ < 5 * mean.mean()


money = st.floats(0, 1e12) | st.sampled_from([5e-324, 1e-9, 1.0, 20.0, 1e12])


@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(st.tuples(st.integers(0, 999), money), min_size=1, max_size=8))
def test_any_valid_purchases_are_fitted(rows: list[tuple[int, float]]) -> None:
    X = pd.DataFrame(rows, columns=["n_purchases", "mean_value"])
    model = GammaGammaModel().fit(X)
    for spend in (model.expected_spend(X), model.draw_spend(X, 2, 0)):
        assert (np.isfinite(spend) & (spend >= 0)).all()
    assert model.fallback_ or (model.q_ or 0) > 1
    assert not np.isnan(model.log_likelihood(X))
    json.dumps(model.to_state(), allow_nan=False)
