import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.metrics import churn_metrics, value_metrics
from models.value import BoostedValueModel


@pytest.fixture(scope="module")
def panel() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Signals of which two matter, and outcomes with many zeros and a few returns."""
    chance = np.random.default_rng(0)
    X = pd.DataFrame(chance.normal(size=(3000, 4)), columns=[*"abcd"])
    purchases = chance.poisson(np.exp(X["a"] - 1))
    value = purchases * chance.gamma(2.0, np.exp(X["b"]))
    value -= (chance.random(3000) < 0.02) * 5.0
    X["d"] = X["d"].where(chance.random(3000) > 0.3)
    return X, pd.DataFrame({"purchases": purchases, "value": value})


@pytest.fixture(scope="module")
def fitted(panel: tuple[pd.DataFrame, pd.DataFrame]) -> BoostedValueModel:
    X, y = panel
    return BoostedValueModel(90).fit(X.iloc[:2000], y.iloc[:2000])


def test_it_learns_what_there_is_to_learn(
    panel: tuple[pd.DataFrame, pd.DataFrame], fitted: BoostedValueModel
) -> None:
    X, y = panel[0].iloc[2000:], panel[1].iloc[2000:]
    forecast = fitted.forecast(X)
    judged = value_metrics(y["value"], forecast["expected_value"])
    judged |= churn_metrics(y["purchases"] == 0, forecast["churn_probability"])
    assert judged["value_gini"] > 0.5
    assert judged["value_tweedie"] < 0.8
    assert judged["churn_auc"] > 0.7


def test_sums_over_the_training_rows_are_the_actual_sums(
    panel: tuple[pd.DataFrame, pd.DataFrame], fitted: BoostedValueModel
) -> None:
    X, y = panel[0].iloc[:2000], panel[1].iloc[:2000]
    forecast = fitted.forecast(X)
    assert forecast["expected_purchases"].sum() == pytest.approx(y["purchases"].sum())
    assert forecast["expected_value"].sum() == pytest.approx(y["value"].sum())
    assert (forecast >= 0).all(axis=None)
    assert (forecast["churn_probability"] <= 1).all()


def test_the_seed_decides(panel: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    def forecast(seed: int) -> pd.DataFrame:
        return BoostedValueModel(90, random_state=seed).fit(*panel).forecast(panel[0])

    pd.testing.assert_frame_equal(forecast(1), forecast(1))
    assert not forecast(1).equals(forecast(2))


def test_only_the_named_features_are_learned(panel: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    X, y = panel
    model = BoostedValueModel(90, features=["b", "a"]).fit(X.assign(note="x"), y)
    assert model.required_columns == ("a", "b")
    assert len(model.forecast(X[["a", "b"]])) == len(X)


def test_null_signals_and_truth_values_are_numbers(
    panel: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    X, y = panel
    odd = X.assign(never=np.nan, consent=pd.array([True, None, False] * 1000, dtype="boolean"))
    model = BoostedValueModel(90).fit(odd, y)
    assert {"never", "consent"} <= set(model.feature_names_in_)
    assert model.forecast(odd).notna().all(axis=None)


@pytest.mark.parametrize(("purchases", "value"), [(0, 0.0), (2, 7.5), (2, -7.5)])
def test_one_outcome_only_is_what_is_forecast(purchases: int, value: float) -> None:
    X = pd.DataFrame({"a": range(10)})
    model = BoostedValueModel(90).fit(
        X, pd.DataFrame({"purchases": [purchases] * 10, "value": value})
    )
    forecast = model.forecast(X)
    assert model.boosters_ == {}
    assert (forecast["expected_purchases"] == purchases).all()
    assert (forecast["expected_value"] == max(value, 0)).all()
    assert (forecast["churn_probability"] == (purchases == 0)).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"horizon_days": 0}, r"'horizon_days' parameter of .* \(0, inf\)\. Got 0 instead"),
        ({"horizon_days": 90, "n_jobs": 0}, "'n_jobs' parameter .* Got 0 instead"),
        ({"horizon_days": 90, "random_state": None}, "'random_state' .* Got None instead"),
        ({"horizon_days": 90, "features": []}, "needs one numeric column or more"),
        ({"horizon_days": 90, "features": ["z"]}, r"needs the columns \['z'\]"),
    ],
)
def test_impossible_parameters_are_refused(
    panel: tuple[pd.DataFrame, pd.DataFrame], parameters: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        BoostedValueModel(**parameters).fit(*panel)  # type: ignore[arg-type]


def test_impossible_outcomes_are_refused(panel: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    X, y = panel
    model = BoostedValueModel(90)
    with pytest.raises(ValueError, match=r"needs the outcomes \['value'\]"):
        model.fit(X, y[["purchases"]])
    with pytest.raises(ValueError, match="signals in 3,000 rows but outcomes in 2,999"):
        model.fit(X, y.iloc[1:])
    with pytest.raises(ValueError, match="must be finite"):
        model.fit(X, y.assign(value=np.nan))


def test_a_missing_system_library_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fitted: BoostedValueModel
) -> None:
    broken = "raise OSError('libgomp.so.1: cannot open shared object file')"
    (tmp_path / "lightgbm.py").write_text(broken)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lightgbm")
    with pytest.raises(ImportError, match="install it with 'apt-get install libgomp1'"):
        BoostedValueModel.from_state(fitted.to_state())
