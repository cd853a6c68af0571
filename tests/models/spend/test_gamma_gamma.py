import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from models.spend import GammaGammaModel


def purchases(n: list[float], mean: list[float | None]) -> pd.DataFrame:
    return pd.DataFrame({"n_purchases": n, "mean_value": mean}, dtype=float)


def with_parameters(p: float, q: float, v: float) -> GammaGammaModel:
    learned = {"p_": p, "q_": q, "v_": v, "penalty_": 0.0}
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
    np.testing.assert_allclose([model.p_, model.q_, model.v_], [6.25, 3.74, 15.44], atol=0.01)


def test_conditional_means_of_the_note(repeat: pd.DataFrame) -> None:
    """Hardie's note 025: expected spend of the first ten customers."""
    known = [24.65, 18.91, 35.17, 35.17, 35.17, 71.46, 18.91, 35.17, 27.28, 35.17]
    spend = with_parameters(6.25, 3.74, 15.44).expected_spend(repeat.iloc[:10])
    np.testing.assert_allclose(spend, known, atol=0.1)


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
    model = GammaGammaModel(penalties=[0.0]).fit(purchases([1.0] * 2000, [*mean]))
    assert 0 < model.population_mean_ < 5 * mean.mean()


@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(st.tuples(st.integers(0, 999), st.floats(0, 1e9)), min_size=1, max_size=8))
def test_any_valid_purchases_are_fitted(rows: list[tuple[int, float]]) -> None:
    X = pd.DataFrame(rows, columns=["n_purchases", "mean_value"])
    model = GammaGammaModel().fit(X)
    spend = model.expected_spend(X)
    assert (np.isfinite(spend) & (spend >= 0)).all()
    assert model.fallback_ or model.q_ > 1  # type: ignore[operator]
