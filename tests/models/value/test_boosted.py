import json
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest

from models.metrics import churn_metrics, value_metrics
from models.value import BoostedValueModel
from models.value.boosted import BASE_COLUMNS, HEADS

Panel = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def _base(index: pd.Index, purchases: object = 1.0) -> pd.DataFrame:
    """What a latent model may have expected, at 2.0 a purchase."""
    expected = pd.Series(purchases, index=index, dtype=float)
    return pd.DataFrame(
        {
            "expected_purchases": expected,
            "churn_probability": np.exp(-expected),
            "expected_value": 2.0 * expected,
        }
    )


@pytest.fixture(scope="module")
def panel() -> Panel:
    """Signals of which two matter, outcomes with many zeros and a few returns, a latent forecast.

    The latent forecast knows of signal a, but not of b.
    """
    chance = np.random.default_rng(0)
    X = pd.DataFrame(chance.normal(size=(3000, 4)), columns=[*"abcd"])
    purchases = chance.poisson(np.exp(X["a"] - 1))
    value = purchases * chance.gamma(2.0, np.exp(X["b"]))
    value -= (chance.random(3000) < 0.02) * 5.0
    X["d"] = X["d"].where(chance.random(3000) > 0.3)
    y = pd.DataFrame({"purchases": purchases, "value": value})
    return X, y, _base(X.index, np.exp(X["a"] - 1))


@pytest.fixture(scope="module", params=[False, True], ids=["base is a signal", "base is offset"])
def fitted(request: pytest.FixtureRequest, panel: Panel) -> BoostedValueModel:
    X, y, base = (frame.iloc[:2000] for frame in panel)
    return BoostedValueModel(90, is_correction=request.param).fit(X, y, base=base)


def test_it_learns_what_there_is_to_learn(panel: Panel, fitted: BoostedValueModel) -> None:
    X, y, base = (frame.iloc[2000:] for frame in panel)
    forecast = fitted.forecast(X, base)
    judged = value_metrics(y["value"], forecast["expected_value"])
    judged |= churn_metrics(y["purchases"] == 0, forecast["churn_probability"])
    assert judged["value_gini"] > 0.5
    assert judged["value_tweedie"] < 0.8
    assert judged["churn_auc"] > 0.7


def test_sums_over_the_training_rows_are_the_actual_sums(
    panel: Panel, fitted: BoostedValueModel
) -> None:
    X, y, base = (frame.iloc[:2000] for frame in panel)
    forecast = fitted.forecast(X, base)
    assert forecast["expected_purchases"].sum() == pytest.approx(y["purchases"].sum())
    assert forecast["expected_value"].sum() == pytest.approx(y["value"].sum())
    assert (forecast >= 0).all(axis=None)
    assert (forecast["churn_probability"] <= 1).all()


def test_the_seed_decides_and_the_number_of_jobs_does_not(panel: Panel) -> None:
    X, y, base = panel

    def forecast(seed: int, n_jobs: int = 1) -> pd.DataFrame:
        model = BoostedValueModel(90, random_state=seed, n_jobs=n_jobs)
        return model.fit(X, y, base=base).forecast(X, base)

    pd.testing.assert_frame_equal(forecast(1), forecast(1, n_jobs=2), check_exact=True)
    assert not forecast(1).equals(forecast(2))


def test_more_silence_never_raises_a_forecast() -> None:
    chance = np.random.default_rng(1)
    silence = chance.uniform(0, 300, 2000)
    # Against the rule: after long silence they come back.
    purchases = chance.poisson(np.where(silence < 100, 1.0, np.where(silence < 200, 0.2, 2.0)))
    X = pd.DataFrame({"days_since_last_purchase": silence, "noise": chance.normal(size=2000)})
    y = pd.DataFrame({"purchases": purchases, "value": 3.0 * purchases + (purchases > 1)})
    model = BoostedValueModel(90).fit(X, y, base=_base(X.index))

    falling = pd.DataFrame({"days_since_last_purchase": np.arange(0.0, 301.0), "noise": 0.0})
    forecast = model.forecast(falling, _base(falling.index))

    assert forecast["churn_probability"].is_monotonic_increasing
    assert forecast["expected_purchases"].is_monotonic_decreasing
    assert forecast["churn_probability"].iloc[-1] > forecast["churn_probability"].iloc[0]


def test_an_offset_is_corrected_in_proportion(panel: Panel) -> None:
    X, y, base = panel
    model = BoostedValueModel(90, is_correction=True).fit(X, y, base=base)
    factor = np.exp(model.contributions("purchases", X, base).sum(axis=1))
    corrected = model.levels_["purchases"] * base["expected_purchases"] * factor
    np.testing.assert_allclose(model.forecast(X, base)["expected_purchases"], corrected)


def test_an_offset_that_is_right_needs_little_correction() -> None:
    chance = np.random.default_rng(2)
    X = pd.DataFrame({"a": chance.normal(size=3000)})
    rate = np.exp(chance.normal(-1, 1, 3000))
    purchases = chance.poisson(rate)
    y = pd.DataFrame({"purchases": purchases, "value": 2.0 * purchases})
    base = _base(X.index, rate)
    forecast = BoostedValueModel(90, is_correction=True).fit(X, y, base=base).forecast(X, base)
    assert np.corrcoef(forecast["expected_purchases"], rate)[0, 1] > 0.95


def test_days_of_the_calendar_are_not_learned_from(panel: Panel) -> None:
    X, y, base = panel
    dated = X.assign(first_purchase_day=range(3000), last_purchase_day=range(3000))
    model = BoostedValueModel(90).fit(dated, y, base=base)
    assert model.required_columns == ("a", "b", "c", "d")


def test_text_and_what_nobody_has_are_no_features_and_truth_values_are(panel: Panel) -> None:
    X, y, base = panel
    consent = pd.array([True, None, False] * 1000, dtype="boolean")
    odd = X.assign(never=np.nan, note="x", consent=consent)
    model = BoostedValueModel(90).fit(odd, y, base=base)
    assert model.feature_names_in_ == ["a", "b", "c", "consent", "d"]
    assert model.forecast(odd, base).notna().all(axis=None)


@pytest.mark.parametrize("is_correction", [False, True])
@pytest.mark.parametrize(("purchases", "value"), [(0, 0.0), (2, 7.5), (2, -7.5)])
def test_one_outcome_only_is_what_is_forecast(
    purchases: int, value: float, is_correction: bool
) -> None:
    X = pd.DataFrame({"a": range(10)})
    y = pd.DataFrame({"purchases": [purchases] * 10, "value": value})
    model = BoostedValueModel(90, is_correction).fit(X, y, base=_base(X.index))
    forecast = model.forecast(X, _base(X.index))
    assert model.boosters_ == {}
    assert (forecast["expected_purchases"] == purchases).all()
    assert (forecast["expected_value"] == max(value, 0)).all()
    assert (forecast["churn_probability"] == (purchases == 0)).all()
    assert not model.contributions("active", X, _base(X.index)).any()


@pytest.mark.parametrize("head", HEADS)
def test_contributions_add_up_to_the_raw_score(
    panel: Panel, fitted: BoostedValueModel, head: str
) -> None:
    X, _, base = (frame.head(50) for frame in panel)
    split = fitted.contributions(head, X, base)
    booster = lightgbm.Booster(model_str=fitted.boosters_[head])
    raw = booster.predict(fitted.laid(X, base).T, raw_score=True)
    assert split.shape == (50, len(fitted.names_learned_from) + 1)
    np.testing.assert_allclose(split.sum(axis=1), raw)


def test_nobody_is_forecast_as_nobody(panel: Panel, fitted: BoostedValueModel) -> None:
    X, _, base = (frame.iloc[:0] for frame in panel)
    assert fitted.forecast(X, base).shape == (0, 3)
    assert fitted.contributions("spend", X, base).shape[0] == 0


def test_the_text_of_the_trees_is_the_model(panel: Panel, fitted: BoostedValueModel) -> None:
    X, _, base = panel
    state = json.loads(json.dumps(fitted.to_state(), allow_nan=False))
    assert set(state["boosters"]) == set(HEADS)
    restored = BoostedValueModel.from_state(state)
    pd.testing.assert_frame_equal(
        restored.forecast(X, base), fitted.forecast(X, base), check_exact=True
    )
    assert restored.to_state() == fitted.to_state()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"window_days": 0}, r"'window_days' parameter of .* \(0, inf\)\. Got 0 instead"),
        ({"window_days": 90, "is_correction": 1}, "'is_correction' parameter .* Got 1 instead"),
        ({"window_days": 90, "n_jobs": 0}, "'n_jobs' parameter .* Got 0 instead"),
        ({"window_days": 90, "random_state": None}, "'random_state' .* Got None instead"),
    ],
)
def test_impossible_parameters_are_refused(
    panel: Panel, parameters: dict[str, object], message: str
) -> None:
    X, y, base = panel
    with pytest.raises(ValueError, match=message):
        BoostedValueModel(**parameters).fit(X, y, base=base)  # type: ignore[arg-type]


def test_impossible_outcomes_and_signals_are_refused(panel: Panel) -> None:
    X, y, base = panel
    model = BoostedValueModel(90)
    with pytest.raises(ValueError, match=r"needs the outcomes \['value'\]"):
        model.fit(X, y[["purchases"]], base=base)
    with pytest.raises(ValueError, match="signals in 3,000 rows but outcomes in 2,999"):
        model.fit(X, y.iloc[1:], base=base)
    with pytest.raises(ValueError, match="must be finite"):
        model.fit(X, y.assign(value=np.nan), base=base)
    with pytest.raises(ValueError, match="needs one numeric column or more"):
        model.fit(X[[]].assign(note="x"), y, base=base)


def test_a_missing_signal_is_named(panel: Panel, fitted: BoostedValueModel) -> None:
    X, _, base = panel
    with pytest.raises(ValueError, match=r"BoostedValueModel needs the columns \['b'\]"):
        fitted.forecast(X.drop(columns="b"), base)


def test_it_learns_from_the_latent_forecast_too(fitted: BoostedValueModel) -> None:
    assert set(BASE_COLUMNS) == {"expected_purchases", "churn_probability", "expected_value"}
    assert fitted.names_learned_from[-4:] == (
        *("latent_purchases", "latent_churn"),
        *("latent_value", "latent_spend"),
    )


def test_a_missing_system_library_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, panel: Panel, fitted: BoostedValueModel
) -> None:
    X, _, base = panel
    broken = "raise OSError('libgomp.so.1: cannot open shared object file')"
    (tmp_path / "lightgbm.py").write_text(broken)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lightgbm")
    restored = BoostedValueModel.from_state(fitted.to_state())
    assert restored.forecast(X, base).equals(fitted.forecast(X, base))
    with pytest.raises(ImportError, match="install it with 'apt-get install libgomp1'"):
        restored.contributions("spend", X, base)
