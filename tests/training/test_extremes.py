"""Ledgers of every bad kind: a forecast in order, or one that says it is none; never a crash."""

import json
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from features.ledger import Ledger
from training.backtest import Backtest, backtest
from training.plan import TrainingError

LedgerOf = Callable[..., Ledger]
Chance = np.random.Generator

_DAY_0 = date(2005, 1, 1)


def _rows(customers: object, days: object, revenue: object) -> pd.DataFrame:
    on = [str(_DAY_0 + timedelta(days=int(day))) for day in np.asarray(days)]
    return pd.DataFrame({"customer_id": customers, "ordered_at": on, "revenue": revenue})


def _shop(chance: Chance, *, customers: int = 60, days: int = 300, visits: int = 8) -> pd.DataFrame:
    """Customers who buy now and then for some ten a time, half of them for half of the time."""
    who = chance.integers(0, customers, customers * visits)
    stays = np.where(who % 2, days, days // 2)
    on = (chance.random(len(who)) * stays).astype(int)
    return _rows([f"C{n}" for n in who], on, chance.gamma(4.0, 3.0, len(who)).round(2))


def _priced(chance: Chance, revenue: Callable[[int], object]) -> pd.DataFrame:
    shop = _shop(chance)
    return shop.assign(revenue=revenue(len(shop)))


def _later(shop: pd.DataFrame, days: int) -> pd.Series:
    return (pd.to_datetime(shop["ordered_at"]) + pd.Timedelta(days=days)).dt.date.astype(str)


def _refunds_above_sales(chance: Chance) -> pd.DataFrame:
    sales = _shop(chance)
    refunds = sales.assign(revenue=-2 * sales["revenue"], ordered_at=_later(sales, 3))
    return pd.concat([sales, refunds])


def _refunds_that_cancel_the_sales(chance: Chance) -> pd.DataFrame:
    sales = _shop(chance)
    return pd.concat([sales, sales.assign(revenue=-sales["revenue"])])


def _refunds_of_strangers(chance: Chance) -> pd.DataFrame:
    strangers = _rows([f"R{n}" for n in range(40)], chance.integers(0, 300, 40), -5.0)
    return pd.concat([strangers, _shop(chance, customers=10)])


def _a_gap_of_two_years(chance: Chance) -> pd.DataFrame:
    before, after = _shop(chance), _shop(chance)
    return pd.concat([before, after.assign(ordered_at=_later(after, 300 + 730))])


def _one_purchase_after_a_gap(chance: Chance) -> pd.DataFrame:
    return pd.concat([_shop(chance), _rows(["late"], [300 + 730], 5.0)])


def _five_thousand_lines_a_day(chance: Chance) -> pd.DataFrame:
    crowd = _rows(["big"] * 5_000, [250] * 5_000, chance.gamma(4.0, 3.0, 5_000))
    return pd.concat([_shop(chance), crowd])


def _one_who_buys_daily(chance: Chance) -> pd.DataFrame:
    daily = _rows(["big"] * 1_500, range(1_500), chance.gamma(4.0, 3.0, 1_500))
    return pd.concat([_shop(chance, days=1_500), daily])


def _constant(chance: Chance) -> pd.DataFrame:
    del chance
    return pd.concat([_rows([f"C{n}"] * 20, range(0, 400, 20), 10.0) for n in range(40)])


def _costs_above_all_sales(chance: Chance) -> pd.DataFrame:
    shop = _shop(chance)
    return shop.assign(cost=1e12)


def _costs_of_few(chance: Chance) -> pd.DataFrame:
    shop = _shop(chance)
    return shop.assign(cost=shop["revenue"].where(chance.random(len(shop)) < 0.93))


_KINDS: dict[str, Callable[[Chance], pd.DataFrame]] = {
    "refunds above sales": _refunds_above_sales,
    "refunds that cancel the sales": _refunds_that_cancel_the_sales,
    "refunds of strangers": _refunds_of_strangers,
    "one purchase each": lambda chance: _rows(
        [f"C{n}" for n in range(150)], chance.integers(0, 300, 150), chance.gamma(4.0, 3.0, 150)
    ),
    "one customer": lambda chance: _shop(chance, customers=1, visits=30),
    "one purchase": lambda chance: _rows(["a"], [0], [chance.gamma(4.0)]),
    "5,000 lines a day": _five_thousand_lines_a_day,
    "daily for years": _one_who_buys_daily,
    "values of 1e12": lambda chance: _priced(chance, lambda n: 1e12 * chance.gamma(4.0, size=n)),
    "values of 1e-9": lambda chance: _priced(chance, lambda n: np.full(n, 1e-9)),
    "values of both": lambda chance: _priced(
        chance, lambda n: np.where(chance.random(n) < 0.05, 1e12, 1e-9)
    ),
    "no values": lambda chance: _priced(chance, lambda n: 0.0),
    "constant": _constant,
    "a gap of two years": _a_gap_of_two_years,
    "one purchase after a gap": _one_purchase_after_a_gap,
    "one day": lambda chance: _shop(chance, days=1),
    "two days": lambda chance: _shop(chance, days=2),
    "20 years": lambda chance: _shop(chance, days=7_300),
    "costs above all sales": _costs_above_all_sales,
    "costs of few": _costs_of_few,
}


def assert_in_order(result: Backtest) -> None:
    """Every customer has an answer that can be one, and what cannot be trusted says so."""
    found = result.predictions
    assert len(found) == len(result.fitted.signals)
    assert np.isfinite(found).all(axis=None)
    assert found[["p_alive", "churn_probability"]].stack().between(0, 1).all()
    assert (found["expected_purchases"] >= 0).all()
    assert (found["value_lower"] <= found["value_median"]).all()
    assert (found["value_median"] <= found["value_upper"]).all()
    total = result.fitted.bundle.facts["total"]
    assert total["lower"] <= total["expected"] <= total["upper"]
    assert total["expected"] == pytest.approx(found["expected_value"].sum(), rel=1e-9, abs=1e-12)
    json.dumps(result.summary(), allow_nan=False)
    grade = result.fitted.grade
    assert grade.reason
    if not result.fitted.tournament.trials:
        assert grade.letter == "insufficient"
        assert result.fitted.bundle.facts["remarks"]


def _check(ledger: Ledger, *, horizon: int, unseen: int) -> None:
    as_of = max(ledger.last_day - unseen, ledger.first_day)
    known = ledger.up_to(as_of).order_lines["revenue"].to_pylist()
    if all(revenue < 0 for revenue in known):
        with pytest.raises(TrainingError, match="Nobody had bought by"):
            backtest(ledger, as_of=as_of, horizon_days=horizon)
    else:
        assert_in_order(backtest(ledger, as_of=as_of, horizon_days=horizon))


@pytest.mark.parametrize("kind", _KINDS)
def test_a_ledger_of_this_kind_has_a_forecast(ledger_of: LedgerOf, kind: str) -> None:
    _check(ledger_of(_KINDS[kind](np.random.default_rng(0))), horizon=60, unseen=0)


@settings(
    max_examples=6,  # each is a whole tournament, of some seconds
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    kind=st.sampled_from(list(_KINDS)),
    seed=st.integers(0, 2**32 - 1),
    horizon=st.sampled_from([30, 1, 400]),
    unseen=st.sampled_from([1, 45, 0]),
)
def test_a_ledger_of_any_kind_has_a_forecast_over_any_horizon(
    ledger_of: LedgerOf, kind: str, seed: int, horizon: int, unseen: int
) -> None:
    _check(ledger_of(_KINDS[kind](np.random.default_rng(seed))), horizon=horizon, unseen=unseen)


def test_where_all_is_returned_there_is_nobody_to_forecast(ledger_of: LedgerOf) -> None:
    ledger = ledger_of(_rows(["a", "b"], [0, 100], [-5.0, -6.0]))
    with pytest.raises(TrainingError, match=r"Nobody had bought by 2005-04-11: all order lines"):
        backtest(ledger, as_of=ledger.last_day, horizon_days=30)


def test_costs_of_strangers_alone_are_no_margin(ledger_of: LedgerOf) -> None:
    shop = _shop(np.random.default_rng(0), customers=5).assign(cost=None)
    ledger = ledger_of(pd.concat([shop, _rows(["R"], [0], -5.0).assign(cost=-3.0)]))
    with pytest.raises(TrainingError, match="no margin"):
        backtest(ledger, as_of=ledger.last_day, horizon_days=30, basis="gross_margin")


def test_a_company_that_fell_silent_is_forecast_by_the_latent_model(ledger_of: LedgerOf) -> None:
    # Months ago there was enough to learn from; in the latest windows there is not.
    shop = _shop(np.random.default_rng(0), customers=120, days=500, visits=12)
    ledger = ledger_of(pd.concat([shop, _rows(["late"], [500 + 120], 5.0)]))
    result = backtest(ledger, as_of=ledger.last_day, horizon_days=60)
    assert_in_order(result)
    tournament = result.fitted.tournament
    if any("boosted" in trial.forecasts for trial in tournament.trials):
        assert "too few bought, or too few did not" in " ".join(tournament.remarks)
        assert tournament.weights == {question: {"latent": 1.0} for question in tournament.weights}
