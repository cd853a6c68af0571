import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scipy.special import hyp2f1

from models.attrition import BetaGeoModel, NBDModel


def with_parameters(r: float, alpha: float, a: float, b: float) -> BetaGeoModel:
    learned = {"r_": r, "alpha_": alpha, "a_": a, "b_": b, "penalty_": 0.0}
    learned |= {"fallback_": False, "fallback_reason_": None}
    return BetaGeoModel.from_state({"model": "BetaGeoModel", "params": {}, "learned": learned})


def histories(*rows: tuple[float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["frequency", "recency", "T"])


@pytest.fixture(scope="module")
def paper() -> BetaGeoModel:
    """The model with the paper's estimates for CDNOW, in weeks."""
    return with_parameters(0.243, 4.414, 0.793, 2.426)


@pytest.fixture(scope="module")
def fitted(cdnow: pd.DataFrame) -> BetaGeoModel:
    return BetaGeoModel().fit(cdnow)


class TestLiterature:
    def test_parameters_of_the_paper(self, fitted: BetaGeoModel, cdnow: pd.DataFrame) -> None:
        """Fader, Hardie and Lee (2005), table 2: r, alpha, a, b and LL on CDNOW."""
        found = [fitted.r_, fitted.alpha_, fitted.a_, fitted.b_]
        np.testing.assert_allclose(found, [0.243, 4.414, 0.793, 2.426], atol=1e-3)
        assert fitted.log_likelihood(cdnow) == pytest.approx(-9582.4256, abs=1e-3)
        assert (fitted.fallback_, fitted.penalty_) == (False, 0.0)

    def test_conditional_expectation(self, fitted: BetaGeoModel) -> None:
        """Customer 0001 of CDNOW over the next 39 weeks."""
        expected = fitted.expected_purchases(histories((2, 30.43, 38.86)), 39)
        assert expected[0] == pytest.approx(1.22591, abs=1e-4)

    def test_expectation_of_a_new_customer(self, fitted: BetaGeoModel) -> None:
        """E[X(t)], lifetimes' test of Eq 9: a customer at T = 0 is a new one."""
        weeks = [0.1429, 1.0, 3.0, 31.8571, 32.0, 78.0]
        known = [0.0078, 0.0532, 0.1506, 1.0405, 1.0437, 1.8576]
        new = histories((0, 0, 0))
        found = [fitted.expected_purchases(new, t)[0] for t in weeks]
        np.testing.assert_allclose(found, known, rtol=5e-4, atol=5e-5)

    def test_no_purchase_of_a_new_customer(self, paper: BetaGeoModel) -> None:
        """P(X(39) = 0), lifetimes' test against R's BTYD."""
        new = histories((0, 0, 0))
        assert paper.p_no_purchase(new, 39)[0] == pytest.approx(0.5737864, abs=1e-7)

    @pytest.mark.parametrize(
        ("row", "known"), [((0, 0, 40), -0.59947382), ((200, 38, 40), 100.7957)]
    )
    def test_stable_log_likelihood(self, row: tuple[float, float, float], known: float) -> None:
        """Hardie's note 027, with r=.25, alpha=4, a=.8, b=2.5."""
        model = with_parameters(0.25, 4.0, 0.8, 2.5)
        assert model.log_likelihood(histories(row)) == pytest.approx(known, abs=1e-4)

    def test_expectation_agrees_with_the_hypergeometric_form(self, paper: BetaGeoModel) -> None:
        """Eq 10 of the paper, where its hypergeometric function still computes."""
        x, T, t = np.array([0.0, 1, 5, 20]), 38.86, 39.0
        c = 0.793 + 2.426 + x - 1
        hyper = hyp2f1(0.243 + x, 2.426 + x, c, t / (4.414 + T + t))
        shrunk = hyper * ((4.414 + T) / (4.414 + T + t)) ** (0.243 + x)
        customers = histories(*((n, 30.0 if n else 0.0, T) for n in x))
        expected = c / (0.793 - 1) * (1 - shrunk) * paper.p_alive(customers)
        np.testing.assert_allclose(paper.expected_purchases(customers, t), expected, rtol=1e-9)


class TestLaws:
    def test_p_alive_falls_with_silence(self, paper: BetaGeoModel) -> None:
        alive = paper.p_alive(histories(*((3, 20, T) for T in range(20, 200))))
        assert (np.diff(alive) < 0).all()

    def test_who_bought_once_is_alive(self, paper: BetaGeoModel) -> None:
        assert paper.p_alive(histories((0, 0, 39)))[0] == 1

    def test_no_purchase_tends_to_having_left(self, paper: BetaGeoModel) -> None:
        customers = histories((1, 2, 39), (5, 30, 39), (40, 20, 39))
        left = 1 - paper.p_alive(customers)
        np.testing.assert_allclose(paper.p_no_purchase(customers, 1e12), left, atol=1e-9)

    def test_days_and_weeks_give_the_same_answer(
        self, fitted: BetaGeoModel, cdnow: pd.DataFrame
    ) -> None:
        days = cdnow.assign(recency=7 * cdnow["recency"], T=7 * cdnow["T"])
        daily = BetaGeoModel().fit(days)
        np.testing.assert_allclose(
            daily.expected_purchases(days, 273), fitted.expected_purchases(cdnow, 39), rtol=1e-3
        )
        shift = cdnow["frequency"].sum() * np.log(7)
        assert daily.log_likelihood(days) == pytest.approx(-9582.4256 - shift, abs=0.01)

    @pytest.mark.parametrize("a", [0.05, 1.0, 1.0 + 1e-9, 30.0])
    @pytest.mark.parametrize("horizon_days", [0, 1, 365, 36_500])
    def test_extremes_stay_within_bounds(self, a: float, horizon_days: float) -> None:
        model = with_parameters(0.5, 30.0, a, 2.5)
        customers = histories((0, 0, 0), (200, 38, 40), (5000, 3, 400), (5000, 400, 400))
        expected = model.expected_purchases(customers, horizon_days)
        bound = (0.5 + customers["frequency"]) / (30 + customers["T"]) * horizon_days
        assert ((expected >= 0) & (expected <= bound * (1 + 1e-12))).all()
        silent = model.p_no_purchase(customers, horizon_days)
        assert ((silent >= 0) & (silent <= 1)).all()

    def test_simulated_parameters_are_found_again(self, signals: pd.DataFrame) -> None:
        model = BetaGeoModel().fit(signals)
        assert not model.fallback_
        assert model.a_ / (model.a_ + model.b_) == pytest.approx(0.2, abs=0.07)
        assert model.r_ / model.alpha_ == pytest.approx(0.8 / 40, rel=0.25)


class TestFallback:
    def test_without_leaving_the_model_is_the_nbd_model_and_says_so(self) -> None:
        """Customers who never leave, at one rate: no ledger identifies dropout here."""
        chance = np.random.default_rng(0)
        x = chance.poisson(chance.gamma(1.0, 4.0, 500))
        recency = np.where(x > 0, 200 * chance.random(500) ** (1 / np.maximum(x, 1)), 0)
        customers = pd.DataFrame({"frequency": x, "recency": recency, "T": 200.0})
        model, nbd = BetaGeoModel().fit(customers), NBDModel().fit(customers)
        assert model.fallback_
        assert model.fallback_reason_
        assert (model.p_alive(customers) == 1).all()
        assert model.log_likelihood(customers) == pytest.approx(nbd.log_likelihood(customers))
        for verb in ("expected_purchases", "p_no_purchase"):
            ours, theirs = getattr(model, verb)(customers, 90), getattr(nbd, verb)(customers, 90)
            np.testing.assert_allclose(ours, theirs)

    def test_online_retail_is_a_flagged_nbd(self, shared: Path) -> None:
        """Dropout is at its boundary there: r=.7236, alpha=9.3671 weeks, LL -22,887.03."""
        weeks = online_retail_weeks(shared, "2011-09-09")
        model = BetaGeoModel().fit(weeks)
        assert model.fallback_
        assert model.r_ == pytest.approx(0.7236, rel=1e-3)
        assert model.alpha_ == pytest.approx(9.3671, rel=1e-3)
        assert model.log_likelihood(weeks) == pytest.approx(-22_887.03, abs=0.01)

    @pytest.mark.parametrize(
        "rows",
        [
            [(0, 0, 0)],
            [(0, 0, 100)] * 50,
            [(0, 0, 0)] * 50 + [(1, 1, 1)],
            [(9, 90, 100)] * 50,
            [(1, 1, 1)] * 3,
            [(5000, 5000, 5000), (0, 0, 1), (4000, 4100, 5000)] * 5,
        ],
    )
    def test_odd_ledgers_are_fitted(self, rows: list[tuple[float, float, float]]) -> None:
        customers = histories(*rows)
        model = BetaGeoModel().fit(customers)
        assert model.fallback_ == bool(model.fallback_reason_)
        assert np.isfinite(model.expected_purchases(customers, 365)).all()
        json.dumps(model.to_state(), allow_nan=False)


def online_retail_weeks(shared: Path, as_of: str) -> pd.DataFrame:
    lines = pd.read_parquet(shared / "online_retail" / "online_retail.parquet")
    lines = lines.dropna(subset="CustomerID")
    lines = lines[(lines["Quantity"] > 0) & (lines["UnitPrice"] > 0)]
    lines["day"] = lines["InvoiceDate"].dt.normalize()
    lines = lines[lines["day"] <= as_of]
    days = lines.groupby("CustomerID")["day"].agg(["nunique", "min", "max"])
    recency, T = days["max"] - days["min"], pd.Timestamp(as_of) - days["min"]
    return pd.DataFrame(
        {"frequency": days["nunique"] - 1, "recency": recency.dt.days / 7, "T": T.dt.days / 7}
    )


@st.composite
def ledgers(draw: st.DrawFn) -> pd.DataFrame:
    def customer(x: int, t_x: float, silent: float) -> tuple[float, float, float]:
        t_x = max(t_x, 1.0) if x else 0.0
        return x, t_x, t_x + silent

    days = st.floats(0, 5000)
    customers = st.builds(customer, st.integers(0, 5000) | st.integers(0, 3), days, days)
    return histories(*draw(st.lists(customers, min_size=1, max_size=8)))


# A fit may take two seconds: shrinking a failure would take minutes.
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(ledger=ledgers(), horizon_days=st.floats(0, 5000, allow_subnormal=False))
def test_any_valid_ledger_is_fitted_and_forecast(ledger: pd.DataFrame, horizon_days: float) -> None:
    model = BetaGeoModel().fit(ledger)
    alive = model.p_alive(ledger)
    silent = model.p_no_purchase(ledger, horizon_days)
    expected = model.expected_purchases(ledger, horizon_days)
    bound = (model.r_ + ledger["frequency"]) / (model.alpha_ + ledger["T"]) * horizon_days
    assert ((alive >= 0) & (alive <= 1)).all()
    assert ((silent >= 0) & (silent <= 1)).all()
    assert ((expected >= 0) & (expected <= bound * (1 + 1e-9))).all()
