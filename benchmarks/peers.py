"""Peers, each set up as an able analyst would from the purchases alone; none sees our signals."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from features.ledger import Ledger

__all__ = ["PYMC", "Task", "has_pymc_marketing", "peers", "task_of"]

PYMC = "pymc-marketing Pareto/NBD + Gamma-Gamma, MAP"

# Training days stand a quarter of a window apart. With the last four these peers come out nearest
# to the figures measured before; with eight: better on Online Retail, worse on CDNOW.
_ORIGINS_PER_WINDOW, _MOST_ORIGINS = 4, 4
# A window longer than half the history leaves nobody to learn from, so half of it is scaled up.
_LEAST_WINDOWS = 2
_RECENT_DAYS = (30, 90, 180, 365)
_LIGHTGBM: dict[str, Any] = {
    "n_estimators": 200,
    "learning_rate": 0.03,
    "num_leaves": 15,
    "min_child_samples": 50,
    "subsample": 0.8,
    "subsample_freq": 1,
    "colsample_bytree": 0.8,
    "random_state": 0,
    "n_jobs": 1,
    "verbose": -1,
}


@dataclass(frozen=True)
class Task:
    """What is known, and how far to forecast.

    Parameters
    ----------
    lines : DataFrame of shape (n_lines, 4)
        Columns customer_id, day, revenue (negative for returns) and is_purchase; none later than
        `as_of`.
    as_of : int
        The last day known, in days since 1970-01-01.
    days : int
        The horizon.
    """

    lines: pd.DataFrame
    as_of: int
    days: int

    @property
    def window(self) -> int:
        """Days over which machine learning counts outcomes: half the horizon where need be."""
        history = self.as_of - int(self.lines["day"].min()) + 1
        return self.days if history >= _LEAST_WINDOWS * self.days else self.days // 2

    @property
    def scale(self) -> float:
        """Windows in the horizon."""
        return self.days / self.window

    @property
    def origins(self) -> list[int]:
        """Past days to learn from, the latest first; a quarter of a window lies before each."""
        step = self.window // _ORIGINS_PER_WINDOW
        earliest = int(self.lines["day"].min()) + step
        days = range(self.as_of - self.window, earliest - 1, -step)
        return list(days)[:_MOST_ORIGINS]


def task_of(ledger: Ledger, *, as_of: int, days: int) -> Task:
    """Take from a ledger what a peer may see.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are dropped.
    as_of : int
        The last day known, in days since 1970-01-01.
    days : int
        The horizon.

    Returns
    -------
    Task
        Lines of plain columns.
    """
    lines = ledger.up_to(as_of).order_lines.to_pandas()
    is_purchase = (lines["revenue"] >= 0) & (lines["quantity"].fillna(1.0) > 0)
    kept = lines[["customer_id", "day", "revenue"]].assign(is_purchase=is_purchase)
    # In one order, because sums of money, and so splits of trees, depend on it.
    return Task(kept.sort_values(list(kept), ignore_index=True), as_of, days)


def has_pymc_marketing() -> bool:
    """Say whether pymc-marketing is installed; it is in no lock of ours."""
    return find_spec("pymc_marketing") is not None


def peers() -> dict[str, Callable[[Task], pd.DataFrame]]:
    """Name the peers that can run here.

    Returns
    -------
    dict of str to callable
        Each gives, for a task, one row a customer: expected_purchases, expected_value and, where
        it knows, churn_probability.
    """
    found: dict[str, Callable[[Task], pd.DataFrame]] = {
        "naive: the last window": _naive,
        "lifetimes BG/NBD + Gamma-Gamma": lambda task: _lifetimes("BetaGeoFitter", task),
        "lifetimes Pareto/NBD + Gamma-Gamma": lambda task: _lifetimes("ParetoNBDFitter", task),
        "LightGBM hurdle": _hurdle,
        "LightGBM Tweedie": _tweedie,
    }
    return found | ({PYMC: _pymc} if has_pymc_marketing() else {})


def _history(lines: pd.DataFrame, as_of: int) -> pd.DataFrame:
    """Sum up who bought by a day: frequency, recency, T and mean spend of repeat purchases."""
    known = lines[lines["is_purchase"] & (lines["day"] <= as_of)]
    spent = known.groupby(["customer_id", "day"], as_index=False)["revenue"].sum()
    spent["first"] = spent.groupby("customer_id")["day"].transform("min")
    days = spent.groupby("customer_id")["day"].agg(["min", "max", "count"])
    repeat = spent[spent["day"] > spent["first"]].groupby("customer_id")["revenue"].mean()
    return pd.DataFrame(
        {
            "frequency": days["count"] - 1,
            "recency": days["max"] - days["min"],
            "T": as_of - days["min"],
            "monetary_value": repeat.reindex(days.index).fillna(0.0),
        }
    )


def _outcomes(lines: pd.DataFrame, customers: pd.Index, origin: int, days: int) -> pd.DataFrame:
    """Count purchase days and net revenue in the `days` after a day."""
    later = lines[(lines["day"] > origin) & (lines["day"] <= origin + days)]
    purchases = later[later["is_purchase"]].groupby("customer_id")["day"].nunique()
    value = later.groupby("customer_id")["revenue"].sum()
    found = pd.DataFrame({"purchases": purchases, "value": value})
    return found.reindex(customers).fillna(0.0)


def _features(lines: pd.DataFrame, as_of: int) -> pd.DataFrame:
    """Recency, frequency and money on a day, over all time and lately."""
    found = _history(lines, as_of)
    found["silence"] = found["T"] - found["recency"]
    found["gap"] = found["recency"] / found["frequency"].replace(0, np.nan)
    found["silence_in_gaps"] = found["silence"] / found["gap"]
    found["rate"] = (found["frequency"] + 1) / (found["T"] + 30)
    whole = int(found["T"].max()) + 1
    for days in (whole, *_RECENT_DAYS):
        recent = _outcomes(lines, found.index, as_of - days, days)
        name = "ever" if days == whole else f"{days}d"
        found[f"value_{name}"] = recent["value"]
        if days != whole:
            found[f"purchases_{name}"] = recent["purchases"]
    found["value_per_purchase"] = found["value_ever"] / (found["frequency"] + 1)
    return found


def _training_rows(task: Task) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features at past days, and what came in the window after each."""
    features = [_features(task.lines, origin) for origin in task.origins]
    outcomes = [
        _outcomes(task.lines, rows.index, origin, task.window)
        for origin, rows in zip(task.origins, features, strict=True)
    ]
    return pd.concat(features, ignore_index=True), pd.concat(outcomes, ignore_index=True)


def _churn_over_horizon(task: Task, active: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chance of no purchase in all the windows of the horizon, from that of one in a window."""
    return np.asarray((1.0 - active) ** task.scale)


def _naive(task: Task) -> pd.DataFrame:
    """Expect the last window once more, and churn by silence alone."""
    now = _history(task.lines, task.as_of)
    last = _outcomes(task.lines, now.index, task.as_of - task.days, task.days)
    silent, bought = [], []
    for origin in task.origins:
        then = _history(task.lines, origin)
        silent.append(then["T"] - then["recency"])
        later = _outcomes(task.lines, then.index, origin, task.window)
        bought.append(later["purchases"] > 0)
    model = LogisticRegression().fit(np.log1p(pd.concat(silent).to_frame()), pd.concat(bought))
    silence = np.log1p((now["T"] - now["recency"]).to_frame())
    return pd.DataFrame(
        {
            "expected_purchases": last["purchases"],
            "expected_value": last["value"],
            "churn_probability": _churn_over_horizon(task, model.predict_proba(silence)[:, 1]),
        },
        index=now.index,
    )


def _hurdle(task: Task) -> pd.DataFrame:
    """Whether there is a purchase, times how many and how much where there is."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    rows, outcomes = _training_rows(task)
    active, paying = outcomes["purchases"] > 0, outcomes["value"] > 0
    buys = LGBMClassifier(**_LIGHTGBM).fit(rows, active)
    spends = LGBMRegressor(objective="gamma", **_LIGHTGBM)
    spends.fit(rows[active & paying], outcomes["value"][active & paying])
    counts = LGBMRegressor(objective="poisson", **_LIGHTGBM)
    counts.fit(rows[active], outcomes["purchases"][active])
    now = _features(task.lines, task.as_of)
    p = np.asarray(buys.predict_proba(now))[:, 1]
    return pd.DataFrame(
        {
            "expected_purchases": p * np.asarray(counts.predict(now)) * task.scale,
            "expected_value": p * np.asarray(spends.predict(now)) * task.scale,
            "churn_probability": _churn_over_horizon(task, p),
        },
        index=now.index,
    )


def _tweedie(task: Task) -> pd.DataFrame:
    """Value and purchases each in one go, zeros included; it knows no churn."""
    from lightgbm import LGBMRegressor

    rows, outcomes = _training_rows(task)
    now = _features(task.lines, task.as_of)
    found = {}
    for column, outcome in (("expected_purchases", "purchases"), ("expected_value", "value")):
        model = LGBMRegressor(objective="tweedie", tweedie_variance_power=1.5, **_LIGHTGBM)
        model.fit(rows, outcomes[outcome].clip(lower=0.0))
        found[column] = np.asarray(model.predict(now)) * task.scale
    return pd.DataFrame(found, index=now.index)


@contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings(), redirect_stdout(StringIO()), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _lifetimes(fitter: str, task: Task) -> pd.DataFrame:
    """Forecast as the documentation of lifetimes does, with a penalty where it needs one."""
    with _quietly():
        import lifetimes

        now = _history(task.lines, task.as_of)
        # In weeks, where its optimiser does best.
        x, t_x, age = now["frequency"], now["recency"] / 7, now["T"] / 7
        for penalty in (0.0, 0.001, 0.01, 0.1, 1.0):
            try:
                buys = getattr(lifetimes, fitter)(penalizer_coef=penalty).fit(x, t_x, age)
                break
            except lifetimes.utils.ConvergenceError:
                continue
        repeat = now[(x > 0) & (now["monetary_value"] > 0)]
        spends = lifetimes.GammaGammaFitter().fit(repeat["frequency"], repeat["monetary_value"])
        purchases = buys.conditional_expected_number_of_purchases_up_to_time(
            task.days / 7, x, t_x, age
        )
        spend = spends.conditional_expected_average_profit(x, now["monetary_value"])
        p_alive = np.asarray(buys.conditional_probability_alive(x, t_x, age))
    forecast = pd.DataFrame(
        {
            "expected_purchases": purchases,
            "expected_value": purchases * spend,
            "churn_probability": 1.0 - p_alive,  # All it offers.
        },
        index=now.index,
    )
    return forecast.fillna(0.0)  # Heavy buyers overflow in its hypergeometric functions.


def _pymc(task: Task) -> pd.DataFrame:
    """Forecast as the documentation of pymc-marketing does, at the mode of the posterior."""
    with _quietly():
        clv = import_module("pymc_marketing.clv")
        logging.getLogger("pymc").setLevel(logging.ERROR)
        now = _history(task.lines, task.as_of).rename_axis("customer_id").reset_index()
        now = now.assign(recency=now["recency"] / 7, T=now["T"] / 7)
        buys = clv.ParetoNBDModel()
        buys.fit(data=now, method="map", progressbar=False)
        spends = clv.GammaGammaModel()
        repeat = now[(now["frequency"] > 0) & (now["monetary_value"] > 0)]
        spends.fit(data=repeat, method="map", progressbar=False)
        weeks = task.days / 7
        purchases = buys.expected_purchases(now, future_t=weeks)
        silent = buys.expected_purchase_probability(now, n_purchases=0, future_t=weeks)
        spend = spends.expected_customer_spend(now)
    columns = {
        name: found.mean(("chain", "draw")).to_numpy()
        for name, found in (("purchases", purchases), ("silent", silent), ("spend", spend))
    }
    return pd.DataFrame(
        {
            "expected_purchases": columns["purchases"],
            "expected_value": columns["purchases"] * columns["spend"],
            "churn_probability": columns["silent"].clip(0.0, 1.0),
        },
        index=pd.Index(now["customer_id"]),
    )
