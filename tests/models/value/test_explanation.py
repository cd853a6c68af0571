"""Reasons in money: they add up, whatever the customer is like."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from features.cleaning import FIELDS, clean
from features.ledger import Ledger
from features.sources import read
from models.value import BoostedValueModel, LatentValueModel
from models.value.explanation import (
    BASE,
    OTHERS,
    Explainer,
    drivers,
    factors_of,
    reference_of,
    to_cents,
    to_cents_one,
)
from models.value.forecaster import ValueForecaster
from training.candidates import fit_boosted
from training.panel import build_panel
from worth.demo import DEMO_SOURCE

_WEIGHTS = {"latent": 0.2, "boosted": 0.3, "corrected": 0.5}
_HORIZON, _WINDOW = 182, 90


def _forecaster(
    latent: LatentValueModel,
    boosted: dict[str, BoostedValueModel] | None = None,
    weights: dict[str, float] | None = None,
) -> ValueForecaster:
    blend = {name: weights for name in ("value", "churn", "purchases")} if weights else None
    forecaster = ValueForecaster(latent, boosted, blend, horizon_days=_HORIZON)
    forecaster.levels["value"] = 1.1
    return forecaster


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """Every purchase of CDNOW: 2,357 customers, 1997-01-01 to 1998-06-30."""
    raw = read(DEMO_SOURCE, name="cdnow", fields=list(FIELDS["order_lines"]))
    return Ledger({"order_lines": clean(raw, DEMO_SOURCE).rows})


@pytest.fixture(scope="module")
def signals(ledger: Ledger) -> pd.DataFrame:
    return build_panel(ledger, ledger.last_day, 1, "revenue").signals


@pytest.fixture(scope="module")
def forecaster(ledger: Ledger, signals: pd.DataFrame) -> ValueForecaster:
    """A blend of all parts, the boosted ones carried from 90 days to 182."""
    past = build_panel(ledger, ledger.last_day - _WINDOW, _WINDOW, "revenue")
    latent = LatentValueModel().fit(signals)
    return _forecaster(latent, fit_boosted([past], latent, random_state=0), _WEIGHTS)


@pytest.fixture(scope="module")
def explainer(forecaster: ValueForecaster, signals: pd.DataFrame) -> Explainer:
    return Explainer(forecaster, reference_of(forecaster, signals))


@pytest.fixture(scope="module")
def latent_explainer(forecaster: ValueForecaster, signals: pd.DataFrame) -> Explainer:
    alone = _forecaster(forecaster.latent)
    return Explainer(alone, reference_of(alone, signals))


def _expected(explainer: Explainer, X: pd.DataFrame, factor: float = 1.0) -> pd.Series:
    return explainer.forecaster.forecast(X)["expected_value"] * factor


def _check_sums(explainer: Explainer, X: pd.DataFrame, factor: float = 1.0) -> None:
    explained = explainer.explain(X, factor=factor)
    expected = _expected(explainer, X, factor)
    assert np.isfinite(explained.to_numpy()).all()
    sizes = explained.abs().sum(axis=1) + expected.abs()
    assert ((explained.sum(axis=1) - expected).abs() <= 1e-8 * sizes + 1e-9).all()
    cents = np.rint(to_cents(explained, expected).to_numpy() * 100).astype(int).sum(axis=1)
    assert cents.tolist() == [round(round(value, 2) * 100) for value in expected]


class TestSums:
    def test_reasons_add_up_to_the_cent_for_every_customer(
        self, explainer: Explainer, signals: pd.DataFrame
    ) -> None:
        _check_sums(explainer, signals, factor=0.95)

    @pytest.mark.parametrize("name", list(_WEIGHTS))
    def test_each_part_adds_up_by_itself(
        self, forecaster: ValueForecaster, signals: pd.DataFrame, name: str
    ) -> None:
        alone = _forecaster(forecaster.latent, forecaster.boosted, {name: 1.0})
        _check_sums(Explainer(alone, reference_of(alone, signals)), signals.head(300))

    @pytest.mark.parametrize("attrition", ["nbd", "beta_geo", "modified_beta_geo"])
    def test_they_add_up_under_every_model_of_attrition(
        self, signals: pd.DataFrame, attrition: str
    ) -> None:
        alone = _forecaster(LatentValueModel(attrition=attrition).fit(signals))
        _check_sums(Explainer(alone, reference_of(alone, signals)), signals.head(300))

    def test_a_window_as_long_as_the_horizon_is_not_carried(
        self, forecaster: ValueForecaster, signals: pd.DataFrame
    ) -> None:
        same = ValueForecaster(
            forecaster.latent,
            forecaster.boosted,
            {name: _WEIGHTS for name in ("value", "churn", "purchases")},
            horizon_days=_WINDOW,
        )
        _check_sums(Explainer(same, reference_of(same, signals)), signals.head(300))

    def test_parts_without_weight_or_with_one_outcome_add_up(self, signals: pd.DataFrame) -> None:
        latent, some = LatentValueModel().fit(signals), signals.head(200)
        base = latent.forecast(some, _WINDOW)
        outcomes = pd.DataFrame({"purchases": 0, "value": 0.0}, index=some.index)
        nobody = BoostedValueModel(_WINDOW, is_correction=True).fit(some, outcomes, base=base)
        everybody = BoostedValueModel(_WINDOW).fit(
            some, outcomes.assign(purchases=1, value=5.0), base=base
        )
        weights = {"latent": 0.0, "nobody": 0.5, "everybody": 0.5}
        parts = {"nobody": nobody, "everybody": everybody}
        forecaster = _forecaster(latent, parts, weights)
        _check_sums(Explainer(forecaster, reference_of(forecaster, some)), some)

    def test_a_company_without_value_adds_up(self, signals: pd.DataFrame) -> None:
        free = signals.assign(mean_purchase_revenue=0.0, purchase_revenue=0.0, revenue=0.0)
        alone = _forecaster(LatentValueModel().fit(free))
        _check_sums(Explainer(alone, reference_of(alone, free)), free.head(50))

    @settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
    @given(
        frequency=st.integers(0, 2_000),
        shares=st.tuples(st.floats(0.001, 1.0), st.floats(0.0, 20_000.0)),
        mean=st.one_of(st.none(), st.floats(0.0, 1e7)),
        rate=st.one_of(st.none(), st.floats(-3.0, 3.0)),
        others=st.one_of(st.none(), st.floats(-1e9, 1e9)),
    )
    @example(frequency=2_000, shares=(0.001, 20_000.0), mean=1e7, rate=-3.0, others=None)
    @example(frequency=0, shares=(1.0, 0.0), mean=None, rate=None, others=-1e9)
    @example(frequency=3, shares=(1.0, 0.0), mean=0.0, rate=0.0, others=0.0)
    def test_extremes_add_up(
        self,
        explainer: Explainer,
        frequency: int,
        shares: tuple[float, float],
        mean: float | None,
        rate: float | None,
        others: float | None,
    ) -> None:
        T = shares[1] + frequency
        recency = min(max(T * shares[0], 1e-3), T) if frequency else 0.0
        bought = (mean or 0.0) * (frequency + 1)
        row = dict.fromkeys(explainer.forecaster.required_columns, others) | {
            **{"frequency": frequency, "recency": recency, "T": T},
            **{"days_since_last_purchase": T - recency, "n_purchase_days": frequency + 1},
            **{"mean_purchase_revenue": mean, "purchase_revenue": bought},
            "revenue": None if rate is None else bought * rate - (rate < 0),
        }
        _check_sums(explainer, pd.DataFrame([row], dtype=float))

    def test_nobody_needs_no_reasons(self, explainer: Explainer, signals: pd.DataFrame) -> None:
        assert explainer.explain(signals.head(0)).shape == (0, len(explainer.signals) + 1)


class TestMeaning:
    def test_a_customer_equal_to_the_reference_has_no_contributions(
        self, explainer: Explainer
    ) -> None:
        typical = pd.DataFrame([explainer.reference], dtype=float)
        explained = explainer.explain(typical)

        assert explained.drop(columns=BASE).abs().to_numpy().max() < 1e-9
        assert explained[BASE].iloc[0] == pytest.approx(_expected(explainer, typical).iloc[0])

    def test_more_silence_lowers(self, latent_explainer: Explainer, signals: pd.DataFrame) -> None:
        name = "days_since_last_purchase"
        before = signals[signals["frequency"] > 0]
        after = before.assign(T=before["T"] + 60)
        sooner, later = latent_explainer.explain(before), latent_explainer.explain(after)
        # Of those who are lost already, their lasting longer is what the rest is owed to.
        recent = before[name] < 60

        assert (later.sum(axis=1) < sooner.sum(axis=1)).all()
        assert (later[name] < sooner[name])[recent].all()

    def test_a_signal_that_is_typical_adds_nothing_to_a_latent_forecast(
        self, latent_explainer: Explainer, signals: pd.DataFrame
    ) -> None:
        once = signals[signals["frequency"] == 0].head(50)
        assert (latent_explainer.explain(once)["frequency"].abs() < 1e-9).all()

    def test_frequent_buyers_owe_their_value_to_it(
        self, explainer: Explainer, signals: pd.DataFrame
    ) -> None:
        best = signals.nlargest(20, "frequency")
        best = best[best["days_since_last_purchase"] < 30]
        assert (explainer.explain(best)["frequency"] > 0).all()

    def test_the_order_of_columns_and_of_rows_changes_nothing(
        self, explainer: Explainer, signals: pd.DataFrame
    ) -> None:
        some = signals.head(100)
        turned = explainer.explain(some.iloc[::-1, ::-1])
        pd.testing.assert_frame_equal(turned.iloc[::-1], explainer.explain(some), rtol=1e-9)

    def test_one_customer_is_explained_as_among_others(
        self, explainer: Explainer, signals: pd.DataFrame
    ) -> None:
        among = explainer.explain(signals)
        alone = explainer.explain(signals.iloc[[17]])
        pd.testing.assert_frame_equal(alone, among.iloc[[17]], rtol=1e-9)

    def test_signals_by_name_are_explained_as_a_row_of_them(
        self, explainer: Explainer, latent_explainer: Explainer, signals: pd.DataFrame
    ) -> None:
        for one in (explainer, latent_explainer):
            among = one.explain(signals.head(30), factor=0.9)
            cents = to_cents(among, among.sum(axis=1))
            for row in range(30):
                by_name = one.explain_one(signals.iloc[row].to_dict(), factor=0.9)
                expected = among.iloc[row].to_dict()
                assert by_name == pytest.approx(expected, rel=1e-9, abs=1e-12)
                rounded = to_cents_one(expected, among.sum(axis=1).iloc[row])
                assert rounded == cents.iloc[row].to_dict()

    def test_the_factor_scales_all_of_it(self, explainer: Explainer, signals: pd.DataFrame) -> None:
        some = signals.head(20)
        half = explainer.explain(some, factor=0.5)
        pd.testing.assert_frame_equal(2 * half, explainer.explain(some))


class TestState:
    def test_it_survives_json(self, explainer: Explainer, signals: pd.DataFrame) -> None:
        state = json.loads(json.dumps(explainer.to_state(), allow_nan=False))
        restored = Explainer.from_state(explainer.forecaster, state)
        some = signals.head(20)
        pd.testing.assert_frame_equal(restored.explain(some), explainer.explain(some))

    def test_a_reference_is_a_history_that_can_be(self, explainer: Explainer) -> None:
        typical = explainer.reference
        assert typical["T"] == typical["recency"] + typical["days_since_last_purchase"]
        assert (typical["frequency"] > 0) == (typical["recency"] > 0)

    def test_what_is_missing_is_named(
        self, explainer: Explainer, forecaster: ValueForecaster, signals: pd.DataFrame
    ) -> None:
        with pytest.raises(ValueError, match=r"does not hold the signals \['T'"):
            Explainer(forecaster, {})
        with pytest.raises(ValueError, match=r"needs the columns \['recency'\]"):
            explainer.explain(signals.drop(columns="recency"))
        with pytest.raises(ValueError, match=r"needs the columns \['recency'\]"):
            reference_of(forecaster, signals.drop(columns="recency"))
        with pytest.raises(ValueError, match="one customer or more"):
            reference_of(forecaster, signals.head(0))
        with pytest.raises(ValueError, match="'factor' parameter of Explainer"):
            explainer.explain(signals, factor=-1.0)


class TestFactors:
    _ROW = pd.Series({**{f"s{n}": float(n) for n in range(15)}, BASE: 5.0})

    def test_at_most_ten_are_named_and_nothing_is_lost(self) -> None:
        values, typical = {"s14": 7.0}, {"s14": 3.0}
        found = factors_of(self._ROW, values, {"s14": "Said."}, typical=typical)

        assert [factor.signal for factor in found] == [
            *(f"s{n}" for n in range(14, 5, -1)),
            OTHERS,
        ]
        assert sum(factor.amount for factor in found) == self._ROW.sum() - 5.0
        assert (found[0].value, found[0].typical, found[0].meaning) == (7.0, 3.0, "Said.")
        assert found[-1].meaning == "5 signals that add less each."

    def test_a_negative_amount_lowers(self) -> None:
        found = factors_of(pd.Series({"a": -2.0, "b": 0.0, BASE: 5.0}), {}, {}, typical={})
        assert [(factor.signal, factor.direction) for factor in found] == [("a", "lowers")]

    def test_drivers_add_up_to_the_mean_expected_value(
        self, explainer: Explainer, signals: pd.DataFrame
    ) -> None:
        explained = explainer.explain(signals)
        found = drivers(explained)
        mean = found["mean_signed"].sum() + explained[BASE].iloc[0]

        assert mean == pytest.approx(_expected(explainer, signals).mean())
        assert found["mean_absolute"].is_monotonic_decreasing
        assert (found["mean_absolute"] >= found["mean_signed"].abs() - 1e-12).all()
        assert found["total"].sum() == pytest.approx(found["mean_signed"].sum() * len(signals))

    def test_the_base_takes_the_rest_where_nothing_contributes(self) -> None:
        explained = pd.DataFrame({"a": [0.0], BASE: [1.004]})
        assert to_cents(explained, [1.006]).to_dict("records") == [{"a": 0.0, BASE: 1.01}]
