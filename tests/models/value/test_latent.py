from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.attrition import ATTRITION_MODELS
from models.metrics import churn_metrics, purchase_metrics, value_metrics
from models.value import LatentValueModel


@pytest.fixture(scope="module")
def fitted(signals: pd.DataFrame) -> LatentValueModel:
    return LatentValueModel("gross_margin").fit(signals)


def test_value_is_purchases_times_spend_times_rate(
    fitted: LatentValueModel, signals: pd.DataFrame
) -> None:
    forecast = fitted.forecast(signals, 90)
    spent = signals.rename(
        columns={"n_purchase_days": "n_purchases", "mean_purchase_revenue": "mean_value"}
    )
    value = forecast["expected_purchases"] * fitted.spend_.expected_spend(spent)
    expected = value * fitted.value_rate(signals)
    np.testing.assert_allclose(forecast["expected_value"], expected)
    assert forecast.index.equals(signals.index)


def test_unknown_margins_get_the_companys_rate(
    fitted: LatentValueModel, signals: pd.DataFrame
) -> None:
    unknown = signals["gross_margin"].isna()
    assert unknown.any()
    assert (fitted.value_rate(signals)[unknown] == fitted.rate_).all()
    known = signals[~unknown]
    rate = known["gross_margin"].sum() / known["purchase_revenue"].sum()
    assert fitted.rate_ == pytest.approx(rate)


def test_a_mean_customers_own_rate_counts_half(
    fitted: LatentValueModel, signals: pd.DataFrame
) -> None:
    revenue = fitted.prior_revenue_
    mean = signals.iloc[[0]].assign(purchase_revenue=revenue, gross_margin=0.1 * revenue)
    assert fitted.value_rate(mean)[0] == pytest.approx((0.1 + fitted.rate_) / 2)


def test_a_longer_horizon_never_brings_less_or_churns_more(
    fitted: LatentValueModel, signals: pd.DataFrame
) -> None:
    short, long = fitted.forecast(signals, 30), fitted.forecast(signals, 365)
    assert (short["expected_value"] <= long["expected_value"]).all()
    assert (short["churn_probability"] >= long["churn_probability"]).all()
    assert (short["p_alive"] == long["p_alive"]).all()


def test_without_any_revenue_nothing_is_expected(signals: pd.DataFrame) -> None:
    money = ["mean_purchase_revenue", "purchase_revenue", "revenue"]
    free = signals.assign(**dict.fromkeys(money, 0.0))
    assert (LatentValueModel().fit(free).forecast(free, 90)["expected_value"] == 0).all()


@pytest.mark.parametrize("attrition", ATTRITION_MODELS)
def test_every_model_of_attrition_can_stand_in_it_by_name(
    signals: pd.DataFrame, attrition: str
) -> None:
    model = LatentValueModel("revenue", attrition).fit(signals)
    assert type(model.attrition_) is ATTRITION_MODELS[attrition]
    forecast = model.forecast(signals, 90)
    assert forecast["churn_probability"].between(0, 1).all()
    assert (forecast["expected_value"] >= 0).all()
    assert LatentValueModel.from_state(model.to_state()).forecast(signals, 90).equals(forecast)


def test_draws_are_what_is_forecast_on_average(
    fitted: LatentValueModel, signals: pd.DataFrame
) -> None:
    purchases, value = fitted.draw(signals, 90, n_draws=200, random_state=1)
    forecast = fitted.forecast(signals, 90)
    assert purchases.shape == value.shape == (len(signals), 200)
    assert ((purchases == 0) == (value == 0)).all()
    assert purchases.mean() == pytest.approx(forecast["expected_purchases"].mean(), rel=0.02)
    assert value.mean() == pytest.approx(forecast["expected_value"].mean(), rel=0.05)
    lapsed = (purchases == 0).mean()
    assert lapsed == pytest.approx(forecast["churn_probability"].mean(), abs=0.01)


def test_the_seed_decides_a_draw(fitted: LatentValueModel, signals: pd.DataFrame) -> None:
    def value(seed: int) -> np.ndarray:
        return fitted.draw(signals.head(20), 90, n_draws=5, random_state=seed)[1]

    assert (value(1) == value(1)).all()
    assert not (value(1) == value(2)).all()


def test_an_unknown_model_of_attrition_is_refused(signals: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"'attrition' .* one of \['nbd', .* Got 'x' instead"):
        LatentValueModel(attrition="x").fit(signals)


def test_a_value_nobody_knows_is_refused(signals: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="gross_margin is null for all 600 customers"):
        LatentValueModel("gross_margin").fit(signals.assign(gross_margin=None))


def test_another_value_column_is_refused(signals: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"'value_column' parameter .* Got 'T' instead"):
        LatentValueModel("T").fit(signals)


@pytest.mark.parametrize(
    ("attrition", "mae", "r2", "gini", "tweedie", "auc"),
    [
        ("beta_geo", 0.785, 0.389, 0.672, 0.784, 0.757),
        ("pareto_nbd", 0.755, 0.393, 0.693, 0.774, 0.771),
    ],
)
def test_accuracy_on_cdnow_is_that_of_the_literature(
    shared: Path, attrition: str, mae: float, r2: float, gini: float, tweedie: float, auc: float
) -> None:
    """Calibration to 1997-09-30, 273 days held out, Gamma-Gamma on all purchases: ORACLES 3."""
    lines = pd.read_parquet(shared / "cdnow" / "cdnow_sample.parquet")
    lines["day"] = (pd.to_datetime(lines["date"]) - pd.Timestamp("1997-09-30")).dt.days
    days = lines.groupby(["customer_id", "day"], as_index=False)["dollar_value"].sum()
    past = days[days["day"] <= 0].groupby("customer_id")
    signals = past["day"].agg(n_purchase_days="size", first="min", last="max")
    signals["frequency"] = signals["n_purchase_days"] - 1
    signals["recency"] = signals["last"] - signals["first"]
    signals["T"] = -signals["first"]
    signals["revenue"] = signals["purchase_revenue"] = past["dollar_value"].sum()
    signals["mean_purchase_revenue"] = past["dollar_value"].mean()
    future = days[days["day"] > 0].groupby("customer_id")["dollar_value"].agg(["size", "sum"])
    future = future.reindex(signals.index, fill_value=0)

    forecast = LatentValueModel(attrition=attrition).fit(signals).forecast(signals, 273)

    judged = purchase_metrics(future["size"], forecast["expected_purchases"])
    judged |= value_metrics(future["sum"], forecast["expected_value"])
    judged |= churn_metrics(future["size"] == 0, forecast["churn_probability"])
    assert judged["purchases_mae"] == pytest.approx(mae, abs=0.002)
    assert judged["purchases_r2"] == pytest.approx(r2, abs=0.002)
    assert judged["value_gini"] == pytest.approx(gini, abs=0.01)
    assert judged["value_tweedie"] == pytest.approx(tweedie, abs=0.01)
    assert judged["churn_auc"] == pytest.approx(auc, abs=0.002)
    assert judged["churn_brier"] < 0.165
