"""What holds for every attrition model, whatever its formulas."""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from models.attrition import (
    ATTRITION_MODELS,
    AttritionModel,
    BetaGeoModel,
    LifetimesBetaGeoModel,
    ModifiedBetaGeoModel,
    NBDModel,
    ParetoNBDModel,
)
from models.attrition.history import PurchaseHistory
from models.lifetimes_fit import silence

ModelOf = Callable[..., AttritionModel]
Histories = Callable[..., pd.DataFrame]

OURS: list[type[AttritionModel]] = [BetaGeoModel, ModifiedBetaGeoModel, ParetoNBDModel, NBDModel]
DROPOUT = OURS[:3]


@pytest.fixture(scope="module", params=OURS)
def fitted(request: pytest.FixtureRequest, cdnow: pd.DataFrame) -> AttritionModel:
    model: AttritionModel = request.param().fit(cdnow)
    return model


@pytest.fixture(scope="module")
def some(cdnow: pd.DataFrame) -> pd.DataFrame:
    return cdnow.iloc[::50]


class TestLaws:
    def test_probabilities_of_counts_sum_to_one_and_have_the_expected_mean(
        self, fitted: AttritionModel, some: pd.DataFrame
    ) -> None:
        probabilities = fitted.purchase_probabilities(some, 39, 400)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-8)
        expected = fitted.expected_purchases(some, 39)
        np.testing.assert_allclose(probabilities @ np.arange(401), expected, rtol=1e-6)

    def test_no_purchase_is_the_count_of_zero(
        self, fitted: AttritionModel, some: pd.DataFrame
    ) -> None:
        zero = fitted.purchase_probabilities(some, 39, 0)[:, 0]
        np.testing.assert_allclose(fitted.p_no_purchase(some, 39), zero, rtol=1e-7)

    @pytest.mark.parametrize("model", [BetaGeoModel, ModifiedBetaGeoModel, NBDModel])
    def test_no_purchase_tends_to_having_left(
        self, model: type[AttritionModel], cdnow: pd.DataFrame
    ) -> None:
        """Not so by the Pareto/NBD model: one who is alive may still leave without a purchase."""
        fitted, often = model().fit(cdnow), cdnow[cdnow["frequency"] > 2]
        left = 1 - fitted.p_alive(often)
        np.testing.assert_allclose(fitted.p_no_purchase(often, 1e12), left, atol=1e-9)

    def test_who_left_never_buys(self, fitted: AttritionModel, cdnow: pd.DataFrame) -> None:
        left = 1 - fitted.p_alive(cdnow)
        assert (fitted.p_no_purchase(cdnow, 1e6) >= left - 1e-12).all()

    def test_p_alive_falls_withsilence(self, fitted: AttritionModel, histories: Histories) -> None:
        alive = fitted.p_alive(histories(*((3, 20, T) for T in range(20, 200))))
        assert (np.diff(alive) <= 0).all()
        assert (alive[-1] < 0.1) or isinstance(fitted, NBDModel)

    def test_expectation_is_bounded_by_that_of_who_never_leaves(
        self, fitted: AttritionModel, cdnow: pd.DataFrame
    ) -> None:
        rate = (fitted.r_ + cdnow["frequency"]) / (fitted.alpha_ + cdnow["T"])
        assert (fitted.expected_purchases(cdnow, 39) <= rate * 39 * (1 + 1e-12)).all()

    def test_days_and_weeks_give_the_same_answer(
        self, fitted: AttritionModel, cdnow: pd.DataFrame
    ) -> None:
        days = cdnow.assign(recency=7 * cdnow["recency"], T=7 * cdnow["T"])
        daily = type(fitted)().fit(days)
        assert daily.alpha_ == pytest.approx(7 * fitted.alpha_, rel=1e-5)
        shift = cdnow["frequency"].sum() * np.log(7)
        assert daily.log_likelihood_ == pytest.approx(fitted.log_likelihood_ - shift, abs=1e-6)
        np.testing.assert_allclose(
            daily.expected_purchases(days, 273), fitted.expected_purchases(cdnow, 39), rtol=1e-5
        )

    def test_discounting_vanishes_with_its_rate(
        self, fitted: AttritionModel, some: pd.DataFrame
    ) -> None:
        expected = fitted.expected_purchases(some, 39)
        np.testing.assert_array_equal(fitted.discounted_purchases(some, 0, 39), expected)
        nearly = fitted.discounted_purchases(some, 1e-9, 39)
        np.testing.assert_allclose(nearly, expected, rtol=1e-8)
        assert (fitted.discounted_purchases(some, 0.2, 39) < expected).all()

    def test_half_of_the_next_purchases_come_by_the_median(
        self, fitted: AttritionModel, some: pd.DataFrame
    ) -> None:
        """Given that one comes."""
        often = some[(some["frequency"] > 1) & (fitted.p_alive(some) > 0.01)]
        wait, never = fitted.expected_next_purchase_days(often), fitted.p_no_purchase(often, 1e9)
        by_then = (1 - fitted.p_no_purchase(often, wait)) / (1 - never)
        np.testing.assert_allclose(by_then, 0.5, atol=1e-6)

    def test_draws_have_the_probabilities_of_counts(
        self, fitted: AttritionModel, histories: Histories
    ) -> None:
        customers = histories((0, 0, 30), (3, 20, 25), (12, 30, 38))
        draws = fitted.draw_purchases(customers, 39, 40_000, random_state=1)
        known = fitted.purchase_probabilities(customers, 39, 5)
        found = np.stack([(draws == n).mean(axis=1) for n in range(6)], axis=1)
        np.testing.assert_allclose(found, known, atol=0.01)
        again = fitted.draw_purchases(customers, 39, 40_000, random_state=1)
        np.testing.assert_array_equal(draws, again)

    def test_each_customer_may_have_a_horizon(
        self, fitted: AttritionModel, some: pd.DataFrame
    ) -> None:
        horizons = np.linspace(0, 60, len(some))
        for verb in (fitted.expected_purchases, fitted.p_no_purchase):
            alone = [verb(some.iloc[[i]], float(h))[0] for i, h in enumerate(horizons)]
            np.testing.assert_allclose(verb(some, horizons), alone, rtol=1e-10)

    def test_a_new_customer_is_one_on_the_first_day(
        self, fitted: AttritionModel, histories: Histories
    ) -> None:
        new = histories((0, 0, 0))
        assert fitted.expected_purchases_new(30) == fitted.expected_purchases(new, 30)[0]
        found = fitted.purchase_probabilities_new([30, 60], 3)
        assert found.shape == (2, 4)
        np.testing.assert_allclose(found[0], fitted.purchase_probabilities(new, 30, 3)[0])


class TestEstimation:
    @pytest.mark.parametrize("model", OURS)
    def test_the_gradient_is_that_of_the_likelihood(self, model: type[AttritionModel]) -> None:
        chance = np.random.default_rng(0)
        x, T = chance.poisson(2, 200).astype(float), chance.uniform(1, 9, 200)
        t_x = np.where(x > 0, T * chance.random(200), 0.0)
        history = PurchaseHistory(x, t_x, T, chance.integers(1, 4, 200).astype(float))
        theta = np.array([0.7, 1.3, 0.6, 2.1])[: len(model._parameters)]
        steps = 1e-5 * np.eye(len(theta))
        found = [
            model._process(*(theta + h)).score(history)[0]
            - model._process(*(theta - h)).score(history)[0]
            for h in steps
        ]
        known = model._process(*theta).score(history)[1]
        np.testing.assert_allclose(np.array(found) / 2e-5, known, rtol=1e-6)

    @pytest.mark.parametrize("model", OURS)
    def test_doubled_customers_are_twice_the_likelihood(
        self, model: type[AttritionModel], cdnow: pd.DataFrame
    ) -> None:
        once, twice = model().fit(cdnow), model().fit(pd.concat([cdnow, cdnow]))
        assert twice.log_likelihood_ == pytest.approx(2 * once.log_likelihood_, rel=1e-9)
        assert twice.r_ == pytest.approx(once.r_, rel=1e-4)

    def test_merged_histories_have_the_likelihood_of_all(self, cdnow: pd.DataFrame) -> None:
        history = PurchaseHistory.of(cdnow, self)
        merged = history.collapsed()
        assert len(merged) < len(history)
        for model in DROPOUT:
            process = model._process(0.5, 8.0, 0.8, 2.0)
            found, known = process.score(merged)[0], process.score(history)[0]
            assert found == pytest.approx(known, rel=1e-12)

    def test_simulated_parameters_are_found_again(self) -> None:
        """100,000 customers by the Pareto/NBD model; all times differ, so samples lead the way."""
        model = ParetoNBDModel().fit(pareto_customers(100_000, seed=1))
        found = [model.r_, model.alpha_, model.s_, model.beta_]
        np.testing.assert_allclose(found, [0.55, 75, 0.6, 80], rtol=0.12)

    def test_simulated_dropout_is_found_again(self, signals: pd.DataFrame) -> None:
        model = BetaGeoModel().fit(signals)
        assert model.a_ / (model.a_ + model.b_) == pytest.approx(0.2, abs=0.07)
        assert model.r_ / model.alpha_ == pytest.approx(0.8 / 40, rel=0.25)

    def test_samples_lead_to_the_optimum_of_all_rows(self) -> None:
        """One starting point is the optimum of half of the rows; the other is far away."""
        X = pareto_customers(30_000, seed=2)
        model = ParetoNBDModel().fit(X)
        process = model._process(model.r_, model.alpha_, model.s_, model.beta_)
        slope = process.score(PurchaseHistory.of(X, model))[1] * [
            *(model.r_, model.alpha_, model.s_, model.beta_)
        ]
        assert np.abs(slope).max() / len(X) < 1e-6

    def test_lifetimes_agrees(self, cdnow: pd.DataFrame) -> None:
        ours, theirs = BetaGeoModel().fit(cdnow), LifetimesBetaGeoModel().fit(cdnow)
        assert (theirs.fallback_, theirs.penalty_) == (False, 0.0)
        assert ours.log_likelihood_ == pytest.approx(theirs.log_likelihood_, abs=1e-6)
        expected = theirs.expected_purchases(cdnow, 39)
        np.testing.assert_allclose(ours.expected_purchases(cdnow, 39), expected, rtol=1e-4)


class TestFallback:
    @pytest.mark.parametrize("model", DROPOUT)
    def test_online_retail_is_a_flagged_nbd(
        self, model: type[AttritionModel], online_retail: pd.DataFrame
    ) -> None:
        """Dropout is at its boundary there, and lifetimes raises ConvergenceError."""
        fitted = model().fit(online_retail)
        assert fitted.fallback_
        assert fitted.r_ == pytest.approx(0.7236, abs=5e-5)
        assert fitted.alpha_ == pytest.approx(9.3671, abs=5e-4)
        assert fitted.log_likelihood_ == pytest.approx(-22_887.03, abs=0.005)

    @pytest.mark.parametrize("model", [*DROPOUT, LifetimesBetaGeoModel])
    def test_the_fallback_is_the_nbd_model_and_says_why(
        self, model: type[AttritionModel], histories: Histories
    ) -> None:
        customers = histories((0, 0, 100), (0, 0, 50), (4, 60, 100))
        fitted, nbd = model().fit(customers), NBDModel().fit(customers)
        assert fitted.fallback_
        assert str(fitted.fallback_reason_).startswith("Two customers or more must have bought")
        assert (fitted.p_alive(customers) == 1).all()
        for verb in ("expected_purchases", "p_no_purchase"):
            ours, theirs = getattr(fitted, verb)(customers, 90), getattr(nbd, verb)(customers, 90)
            np.testing.assert_array_equal(ours, theirs)

    @pytest.mark.parametrize("model", OURS)
    @pytest.mark.parametrize(
        "rows",
        [
            [(0, 0, 0)],
            [(0, 0, 100)] * 50,
            [(0, 0, 0)] * 50 + [(1, 1, 1)],
            [(9, 90, 100)] * 50,
            [(1, 1, 1)] * 3,
            [(5000, 1, 1)] * 9 + [(0, 0, 1)] * 9,
            [(5000, 5000, 5000), (0, 0, 1), (4000, 4100, 5000)] * 5,
            [(3, 1e-9, 2e-9), (2, 1e12, 2e12), (0, 0, 1e12)] * 5,
        ],
    )
    def test_odd_ledgers_are_fitted(
        self,
        model: type[AttritionModel],
        rows: list[tuple[float, float, float]],
        histories: Histories,
    ) -> None:
        customers = histories(*rows)
        fitted = model().fit(customers)
        assert fitted.fallback_ == bool(fitted.fallback_reason_)
        json.dumps(fitted.to_state(), allow_nan=False)
        check_verbs(fitted, customers, 365)

    def test_the_catalogue_goes_by_file_names(self) -> None:
        for name, model in ATTRITION_MODELS.items():
            assert model.__module__ == f"models.attrition.{name}"


class TestRefusals:
    @pytest.mark.parametrize("horizon", [-1.0, np.nan, np.inf, [1.0, 2.0], [[1.0]]])
    def test_impossible_horizons(self, histories: Histories, horizon: object) -> None:
        model = NBDModel().fit(histories((0, 0, 9)))
        with pytest.raises(
            ValueError, match=r"'horizon_days' parameter .* in the range \[0, inf\)"
        ):
            model.expected_purchases(histories((0, 0, 9)), horizon)  # type: ignore[arg-type]

    def test_for_ever_without_a_discount(self, histories: Histories) -> None:
        model = NBDModel().fit(histories((0, 0, 9)))
        with pytest.raises(ValueError, match=r"'discount_rate' .* in the range \(0, inf\)"):
            model.discounted_purchases(histories((0, 0, 9)), 0.0)

    def test_counts_that_are_none(self, histories: Histories) -> None:
        model, customers = NBDModel().fit(histories((0, 0, 9))), histories((0, 0, 9))
        with pytest.raises(ValueError, match="'most' parameter"):
            model.purchase_probabilities(customers, 9, -1)
        with pytest.raises(ValueError, match="'n_draws' parameter"):
            model.draw_purchases(customers, 9, 0)


def pareto_customers(n_customers: int, seed: int) -> pd.DataFrame:
    """Customers by the Pareto/NBD model with r .55, alpha 75, s .6 and beta 80."""
    chance = np.random.default_rng(seed)
    T = chance.uniform(1, 700, n_customers)
    life = chance.exponential(1 / chance.gamma(0.6, 1 / 80, n_customers))
    days = np.minimum(T, life)
    x = chance.poisson(chance.gamma(0.55, 1 / 75, n_customers) * days)
    recency = np.where(x > 0, days * chance.random(n_customers) ** (1 / np.maximum(x, 1)), 0.0)
    return pd.DataFrame({"frequency": x, "recency": recency, "T": T})


def check_verbs(model: AttritionModel, X: pd.DataFrame, horizon_days: float) -> None:
    """Every answer is a number, and within its bounds."""
    expected = model.expected_purchases(X, horizon_days)
    bound = (model.r_ + X["frequency"]) / (model.alpha_ + X["T"]) * horizon_days
    assert ((expected >= 0) & (expected <= bound * (1 + 1e-9))).all()
    discounted = model.discounted_purchases(X, 0.1, horizon_days)
    assert ((discounted >= 0) & (discounted <= bound * (1 + 1e-6))).all()
    for probability in (
        model.p_alive(X),
        model.p_no_purchase(X, horizon_days),
        model.purchase_probabilities(X, horizon_days, 3).sum(axis=1),
    ):
        assert ((probability >= 0) & (probability <= 1 + 1e-9)).all()
    assert np.isfinite(model.discounted_purchases(X, 0.1)).all()
    assert np.isfinite(model.expected_next_purchase_days(X)).all()
    assert (model.draw_purchases(X, horizon_days, 3, 0) >= 0).all()
    assert np.isfinite(model.log_likelihood(X))


@st.composite
def ledgers(draw: st.DrawFn) -> pd.DataFrame:
    unit = draw(st.sampled_from([1e-9, 1 / 365, 1.0, 24.0, 1e9]))

    def customer(x: int, t_x: float, silent: float) -> tuple[float, float, float]:
        t_x = max(t_x, 1e-3) if x else 0.0
        return x, t_x * unit, t_x * unit + silent * unit

    days = st.floats(0, 5000) | st.integers(0, 30).map(float)
    customers = st.builds(customer, st.integers(0, 5000) | st.integers(0, 3), days, days)
    rows = draw(st.lists(customers, min_size=1, max_size=8))
    return pd.DataFrame(rows, columns=["frequency", "recency", "T"], dtype=float)


# Shrinking a failure would take minutes.
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@pytest.mark.parametrize("model", OURS)
@given(ledger=ledgers(), horizon_days=st.floats(0, 5000, allow_subnormal=False))
def test_any_valid_ledger_is_fitted_and_forecast(
    model: type[AttritionModel], ledger: pd.DataFrame, horizon_days: float
) -> None:
    check_verbs(model().fit(ledger), ledger, horizon_days)


@pytest.mark.parametrize(
    ("model", "fitter", "parameters"),
    [
        (
            ParetoNBDModel,
            "ParetoNBDFitter",
            {"r": 0.5534, "alpha": 10.5802, "s": 0.6061, "beta": 11.6562},
        ),
        (BetaGeoModel, "BetaGeoFitter", {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}),
        (
            ModifiedBetaGeoModel,
            "ModifiedBetaGeoFitter",
            {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614},
        ),
    ],
)
def test_lifetimes_predicts_the_same_for_all_of_cdnow(
    model_of: ModelOf,
    cdnow: pd.DataFrame,
    model: type[AttritionModel],
    fitter: str,
    parameters: dict[str, float],
) -> None:
    """pymc-marketing's oracle: hypergeometric functions in place of our quadrature."""
    ours, history = (
        model_of(model, **parameters),
        (cdnow["frequency"], cdnow["recency"], cdnow["T"]),
    )
    with silence():
        import lifetimes

        theirs = getattr(lifetimes, fitter)()
        theirs.params_ = pd.Series(parameters)
        alive = theirs.conditional_probability_alive(*history)
        expected = theirs.conditional_expected_number_of_purchases_up_to_time(39, *history)
    np.testing.assert_allclose(ours.p_alive(cdnow), alive, rtol=1e-7)
    np.testing.assert_allclose(ours.expected_purchases(cdnow, 39), expected, rtol=1e-6)
