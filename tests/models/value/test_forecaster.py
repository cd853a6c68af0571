import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from models.attrition import ATTRITION_MODELS
from models.value.boosted import BASE_COLUMNS, BoostedValueModel
from models.value.forecaster import (
    QUESTIONS,
    ValueForecaster,
    blended,
    forecasts_of_parts,
)
from models.value.latent import LatentValueModel

HORIZON, WINDOW = 90, 45
BOUNDS = ["value_low", "value_lower", "value_median", "value_upper", "value_high"]
WEIGHTS = {
    "value": {"latent": 0.5, "boosted": 0.5},
    "churn": {"latent": 0.25, "boosted": 0.25, "corrected": 0.5},
    "purchases": {"corrected": 1.0},
}

Parts = dict[str, BoostedValueModel]
PartsOf = Callable[[float], Parts]


@pytest.fixture(scope="module")
def latent(signals: pd.DataFrame) -> LatentValueModel:
    return LatentValueModel().fit(signals)


@pytest.fixture(scope="module")
def outcomes(signals: pd.DataFrame, latent: LatentValueModel) -> pd.DataFrame:
    purchases, value = latent.draw(signals, HORIZON, n_draws=1, random_state=3)
    frame = {"purchases": purchases[:, 0], "value": value[:, 0]}
    return pd.DataFrame(frame, index=signals.index)


@pytest.fixture(scope="module")
def parts_of(signals: pd.DataFrame, latent: LatentValueModel, outcomes: pd.DataFrame) -> PartsOf:
    def fit(window_days: float) -> Parts:
        base = latent.forecast(signals, window_days)
        return {
            name: BoostedValueModel(window_days, name == "corrected").fit(
                signals, outcomes, base=base
            )
            for name in ("boosted", "corrected")
        }

    return fit


@pytest.fixture(scope="module")
def parts(parts_of: PartsOf) -> Parts:
    return parts_of(HORIZON)


@pytest.fixture
def forecaster(
    latent: LatentValueModel, parts: Parts, signals: pd.DataFrame, outcomes: pd.DataFrame
) -> ValueForecaster:
    model = ValueForecaster(latent, parts, WEIGHTS, horizon_days=HORIZON)
    expected = forecasts_of_parts(latent, parts, signals, HORIZON)
    latent_churn = expected["latent"]["churn_probability"].to_numpy()
    model.calibrate(blended(expected, WEIGHTS), outcomes, latent_churn=latent_churn)
    model.levels = {"value": 1.1, "purchases": 0.9}
    return model


@pytest.mark.parametrize("window_days", [HORIZON, WINDOW])
@pytest.mark.parametrize("name", ["latent", "boosted", "corrected", "blend"])
def test_one_customer_is_forecast_as_among_ten_thousand(
    latent: LatentValueModel,
    parts_of: PartsOf,
    signals: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    name: str,
    window_days: float,
) -> None:
    alone = {question: {name: 1.0} for question in QUESTIONS}
    weights = WEIGHTS if name == "blend" else alone
    model = ValueForecaster(latent, parts_of(window_days), weights, horizon_days=HORIZON)
    model.calibrate(model.forecast(signals), outcomes)
    model.levels = {"value": 1.1, "purchases": 0.9}
    many = pd.concat([signals] * 17)
    among = model.forecast(many)
    pd.testing.assert_frame_equal(among.iloc[-600:], among.iloc[:600], check_exact=True)
    for row in range(0, 600, 60):
        one = model.forecast_one(signals.iloc[row].to_dict())
        assert list(one) == list(among.columns)
        assert one == pytest.approx(among.iloc[row].to_dict(), rel=1e-12, abs=0)
        pd.testing.assert_frame_equal(
            model.forecast(signals.iloc[[row]]), among.iloc[[row]], rtol=1e-12, atol=0
        )


@pytest.mark.parametrize("attrition", list(ATTRITION_MODELS))
def test_one_customer_is_forecast_as_among_others_under_every_model_of_attrition(
    signals: pd.DataFrame, attrition: str
) -> None:
    latent = LatentValueModel("gross_margin", attrition).fit(signals)
    model = ValueForecaster(latent, horizon_days=HORIZON)
    among = model.forecast(signals)
    for row in range(0, 600, 30):
        one = model.forecast_one(signals.iloc[row].to_dict())
        expected = pytest.approx(among.iloc[row].to_dict(), rel=1e-12, abs=0, nan_ok=True)
        assert one == expected


def test_one_customers_signals_are_checked(
    forecaster: ValueForecaster, signals: pd.DataFrame
) -> None:
    one = signals.iloc[0].to_dict()
    with pytest.raises(ValueError, match=r"LatentValueModel needs the columns \['T'\]"):
        forecaster.forecast_one({name: value for name, value in one.items() if name != "T"})
    with pytest.raises(ValueError, match=r"BoostedValueModel needs the columns \['gross_margin'\]"):
        forecaster.forecast_one({k: value for k, value in one.items() if k != "gross_margin"})
    with pytest.raises(ValueError, match="recency exceeds T for 1 of 1"):
        forecaster.forecast_one(one | {"frequency": 1, "recency": 9e9})
    with pytest.raises(ValueError, match="T must be a number"):
        forecaster.forecast_one(one | {"T": "long"})


def test_who_cannot_be_is_counted_among_all(
    forecaster: ValueForecaster, signals: pd.DataFrame
) -> None:
    many = pd.concat([signals] * 17)
    many["T"] = many["T"].where(np.arange(len(many)) % 5_000 != 0, -1.0)
    with pytest.raises(ValueError, match="T is negative for 3 of 10,200 customers"):
        forecaster.forecast(many)


def test_the_latent_model_alone_is_what_it_forecasts(
    latent: LatentValueModel, signals: pd.DataFrame
) -> None:
    model = ValueForecaster(latent, horizon_days=HORIZON)
    forecast, alone = model.forecast(signals), latent.forecast(signals, HORIZON)
    pd.testing.assert_frame_equal(forecast[alone.columns], alone)
    assert forecast[BOUNDS].isna().all(axis=None)
    assert list(model.required_columns) == sorted(latent.required_columns)


def test_a_blend_weighs_the_parts_question_by_question(
    latent: LatentValueModel, parts: Parts, signals: pd.DataFrame
) -> None:
    base = latent.forecast(signals, HORIZON)
    said = {name: part.forecast(signals, base) for name, part in parts.items()}
    forecast = ValueForecaster(latent, parts, WEIGHTS, horizon_days=HORIZON).forecast(signals)

    value = (base["expected_value"] + said["boosted"]["expected_value"]) / 2
    churn = sum(frame["churn_probability"] for frame in (base, said["boosted"])) / 4
    churn += said["corrected"]["churn_probability"] / 2
    np.testing.assert_allclose(forecast["expected_value"], value)
    np.testing.assert_allclose(forecast["churn_probability"], churn)
    expected = said["corrected"]["expected_purchases"]
    np.testing.assert_allclose(forecast["expected_purchases"], expected)
    assert forecast["p_alive"].equals(base["p_alive"])


def test_parts_without_a_weight_are_left_out(latent: LatentValueModel, parts: Parts) -> None:
    weights = {question: {"boosted": 1.0} for question in QUESTIONS}
    assert list(ValueForecaster(latent, parts, weights, horizon_days=90).boosted) == ["boosted"]
    assert not ValueForecaster(latent, parts, horizon_days=90).boosted


def test_levels_are_factors_on_value_and_purchases(
    latent: LatentValueModel, signals: pd.DataFrame
) -> None:
    model = ValueForecaster(latent, horizon_days=HORIZON)
    before = model.forecast(signals)
    model.levels = {"value": 2.0, "purchases": 0.5}
    after = model.forecast(signals)
    assert (after["expected_value"] == 2.0 * before["expected_value"]).all()
    assert (after["expected_purchases"] == 0.5 * before["expected_purchases"]).all()
    assert after["churn_probability"].equals(before["churn_probability"])


def test_a_window_is_carried_to_the_horizon_as_the_latent_forecast_goes(
    latent: LatentValueModel, parts_of: PartsOf, signals: pd.DataFrame
) -> None:
    parts = parts_of(WINDOW)
    near, far = latent.forecast(signals, WINDOW), latent.forecast(signals, HORIZON)
    said = parts["boosted"].forecast(signals, near)
    carried = forecasts_of_parts(latent, parts, signals, HORIZON)["boosted"]

    for column in ("expected_value", "expected_purchases"):
        np.testing.assert_allclose(carried[column], said[column] * far[column] / near[column])

    def odds(frame: pd.DataFrame) -> "pd.Series[float]":
        return frame["churn_probability"] / (1 - frame["churn_probability"])

    np.testing.assert_allclose(odds(carried), odds(said) * odds(far) / odds(near), rtol=1e-6)


def test_what_the_latent_model_does_not_expect_in_the_window_is_carried_by_the_days(
    latent: LatentValueModel, parts_of: PartsOf, signals: pd.DataFrame
) -> None:
    free = signals.assign(revenue=signals["revenue"].where(signals.index != signals.index[0], 0.0))
    free.loc[free.index[0], ["purchase_revenue", "mean_purchase_revenue"]] = 0.0
    worthless = LatentValueModel().fit(free)
    worthless.rate_, worthless.prior_revenue_ = 0.0, 0.0
    near = worthless.forecast(free, WINDOW)
    assert near["expected_value"].iloc[0] == 0
    parts = parts_of(WINDOW)
    said = parts["boosted"].forecast(free, near)["expected_value"].iloc[0]
    carried = forecasts_of_parts(worthless, parts, free, HORIZON)["boosted"]
    usual = HORIZON / WINDOW
    assert carried["expected_value"].iloc[0] == pytest.approx(said * usual)


def test_churn_within_longer_horizons_is_never_likelier(
    forecaster: ValueForecaster, signals: pd.DataFrame
) -> None:
    within = [forecaster.churn_within(signals, days) for days in (0, 30, 90, 365)]
    assert (within[0] == 1).all()
    for longer, shorter in zip(within[1:], within, strict=False):
        assert (longer <= shorter).all()
    assert all(((churn >= 0) & (churn <= 1)).all() for churn in within)


def test_churn_within_the_horizon_is_the_forecast(
    forecaster: ValueForecaster, signals: pd.DataFrame
) -> None:
    within = forecaster.churn_within(signals, HORIZON)
    np.testing.assert_allclose(within, forecaster.forecast(signals)["churn_probability"], atol=2e-6)


def test_calibration_turns_overconfident_churn_into_how_often_it_came(
    latent: LatentValueModel, signals: pd.DataFrame
) -> None:
    chance = np.random.default_rng(0)
    logits = chance.normal(0.5, 1.0, 20_000)
    lapsed = chance.random(20_000) < 1 / (1 + np.exp(-logits))
    said = pd.DataFrame(
        {
            "expected_value": chance.gamma(2.0, 5.0, 20_000),
            "churn_probability": 1 / (1 + np.exp(-(2.0 * logits + 1.0))),
        }
    )
    came = pd.DataFrame({"purchases": ~lapsed, "value": np.where(lapsed, 0.0, 10.0)})

    model = ValueForecaster(latent, horizon_days=HORIZON).calibrate(said, came)
    assert model.churn_slope == pytest.approx(0.5, abs=0.03)
    assert model.churn_intercept == pytest.approx(-0.5, abs=0.05)
    other = ValueForecaster(latent, horizon_days=HORIZON).calibrate(said, came, trust=0.0)
    assert (other.churn_slope, other.churn_intercept) == (1.0, 0.0)
    assert other.forecast(signals)[BOUNDS].notna().all(axis=None)


def test_calibration_moves_the_latent_part_alone(
    latent: LatentValueModel, parts: Parts, signals: pd.DataFrame
) -> None:
    model = ValueForecaster(latent, parts, WEIGHTS, horizon_days=HORIZON)
    before = model.forecast(signals)["churn_probability"]
    alone = ValueForecaster(latent, horizon_days=HORIZON)
    latent_before = alone.forecast(signals)["churn_probability"]
    for calibrated in (model, alone):
        calibrated.churn_slope, calibrated.churn_intercept = 0.8, 0.4

    moved = model.forecast(signals)["churn_probability"] - before
    latent_moved = alone.forecast(signals)["churn_probability"] - latent_before

    assert latent_moved.abs().max() > 0.01
    np.testing.assert_allclose(moved, WEIGHTS["churn"]["latent"] * latent_moved, atol=1e-12)


@pytest.mark.parametrize("lapsed", [49, 4951])
def test_too_few_of_either_outcome_calibrate_no_churn(
    latent: LatentValueModel, lapsed: int
) -> None:
    chance = np.random.default_rng(0)
    churn = chance.random(5_000)
    said = pd.DataFrame({"expected_value": 1.0, "churn_probability": churn})
    came = pd.DataFrame({"purchases": np.arange(5_000) >= lapsed, "value": 1.0})
    model = ValueForecaster(latent, horizon_days=HORIZON).calibrate(said, came)
    assert (model.churn_slope, model.churn_intercept) == (1.0, 0.0)


def test_a_churn_that_turned_the_order_round_is_left_alone(latent: LatentValueModel) -> None:
    churn = np.linspace(0.01, 0.99, 500)
    said = pd.DataFrame({"expected_value": 1.0, "churn_probability": churn})
    came = pd.DataFrame({"purchases": churn > 0.5, "value": 1.0})
    model = ValueForecaster(latent, horizon_days=HORIZON).calibrate(said, came)
    assert (model.churn_slope, model.churn_intercept) == (1.0, 0.0)


def test_bounds_presumed_hold_what_the_latent_model_draws(
    latent: LatentValueModel, signals: pd.DataFrame
) -> None:
    model = ValueForecaster(latent, horizon_days=HORIZON)
    model.presume(signals, widening=1.0, random_state=0)
    forecast = model.forecast(signals)
    _, value = latent.draw(signals, HORIZON, n_draws=50, random_state=9)
    above = (value > forecast["value_upper"].to_numpy()[:, None]).mean()
    assert 0.08 < above < 0.12
    assert (value < forecast["value_lower"].to_numpy()[:, None]).mean() < 0.12


def test_wider_presumptions_reach_higher(latent: LatentValueModel, signals: pd.DataFrame) -> None:
    def presumed(widening: float) -> pd.DataFrame:
        model = ValueForecaster(latent, horizon_days=HORIZON)
        return model.presume(signals, widening=widening, random_state=0).forecast(signals)

    assert presumed(2.0)["value_high"].sum() > presumed(1.0)["value_high"].sum()
    pd.testing.assert_frame_equal(presumed(1.5), presumed(1.5), check_exact=True)


@pytest.mark.parametrize("window_days", [HORIZON, WINDOW])
def test_a_state_survives_json_exactly(
    latent: LatentValueModel,
    parts_of: PartsOf,
    window_days: float,
    signals: pd.DataFrame,
    outcomes: pd.DataFrame,
) -> None:
    model = ValueForecaster(latent, parts_of(window_days), WEIGHTS, horizon_days=HORIZON)
    model.calibrate(model.forecast(signals), outcomes)
    model.levels = {"value": 1.1, "purchases": 0.9}
    state = json.loads(json.dumps(model.to_state(), allow_nan=False))
    restored = ValueForecaster.from_state(state)
    pd.testing.assert_frame_equal(
        restored.forecast(signals), model.forecast(signals), check_exact=True
    )
    assert (restored.churn_within(signals, 30) == model.churn_within(signals, 30)).all()
    assert json.loads(json.dumps(restored.to_state())) == state


def test_the_required_columns_are_enough_and_one_less_is_named(
    forecaster: ValueForecaster, signals: pd.DataFrame
) -> None:
    needed = list(forecaster.required_columns)
    assert needed == sorted(needed)
    forecast = forecaster.forecast(signals)
    pd.testing.assert_frame_equal(forecaster.forecast(signals[needed]), forecast)
    for column in ("recency", "gross_margin"):
        with pytest.raises(ValueError, match=rf"needs the columns \['{column}'\]"):
            forecaster.forecast(signals.drop(columns=column))


def test_a_customer_is_forecast_alike_alone_and_in_company(
    forecaster: ValueForecaster, signals: pd.DataFrame
) -> None:
    together = forecaster.forecast(signals).iloc[[7]]
    pd.testing.assert_frame_equal(forecaster.forecast(signals.iloc[[7]]), together, rtol=1e-9)
    assert forecaster.forecast(signals.iloc[:0]).shape == (0, 9)


@pytest.mark.parametrize("horizon_days", [0, -1, float("nan"), None, True])
def test_an_impossible_horizon_is_refused(latent: LatentValueModel, horizon_days: object) -> None:
    with pytest.raises(ValueError, match=r"'horizon_days' .* ValueForecaster .* \(0, inf\)"):
        ValueForecaster(latent, horizon_days=horizon_days)  # type: ignore[arg-type]


def test_negative_days_are_refused(forecaster: ValueForecaster, signals: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="Got -1 instead"):
        forecaster.churn_within(signals, -1)


def test_a_blend_answers_what_its_parts_are_given() -> None:
    assert set(QUESTIONS.values()) == set(BASE_COLUMNS)
