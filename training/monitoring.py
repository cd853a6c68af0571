"""Hold what was predicted on an earlier day against what came since, and say what is to be done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from features.engines.duckdb import compute_outcomes, compute_signals
from features.ledger import Ledger, date_of
from features.signals.catalogue import CATALOGUE
from models.drift import population_stability, reliability_line, total_ratio_range
from models.value.discounting import discount_factor
from training.baseline import naive_forecast
from training.measure import measure
from training.panel import ValueBasis, outcomes_for, sampled
from training.pictures.samples import equal_groups
from training.verdict import FEWEST_BUYERS, Calibration, Verdict, judge

__all__ = ["NOMINAL_COVERAGE", "Forecast", "Monitoring", "expect", "monitor"]

# Share of customers whose value is to lie between clv_lower and clv_upper.
NOMINAL_COVERAGE = 0.8

# They grow by a day a day for everybody, which says nothing of a change.
_GROWING = frozenset({"T", "tenure_days"})

_N_GROUPS = 10
# Customers whose signals are compared: by then the index is known to about 0.001.
_MOST_SAMPLED = 50_000


@dataclass(frozen=True)
class Forecast:
    """What was predicted, on which day and of what.

    Parameters
    ----------
    as_of : int
        The last day known, in days since 1970-01-01.
    horizon_days : int
        How far it reaches.
    basis : {"gross_margin", "revenue"}
        What value counts.
    discount_rate : float
        Annual, at which clv_expected, clv_lower and clv_upper were discounted.
    scores : DataFrame of shape (n_customers, n_columns), indexed by customer_id
        With expected_purchases, churn_probability, clv_expected, clv_lower, clv_upper (NaN where
        nobody knows), days_since_last_purchase and tier.
    """

    as_of: int
    horizon_days: int
    basis: ValueBasis
    discount_rate: float
    scores: pd.DataFrame


@dataclass(frozen=True)
class Monitoring:
    """A forecast, what came, and what they say of each other.

    Parameters
    ----------
    forecast : Forecast
        What was predicted.
    last_day : int
        The last day the ledger knows, in days since 1970-01-01.
    days_seen : int
        How many days of the horizon have passed.
    expected, actual : DataFrame, indexed by customer_id
        What was expected of `days_seen` days, and came in them; undiscounted.
    naive : DataFrame, indexed by customer_id
        What the baseline would have expected.
    figures : dict of str to dict of str to float
        The figures of the "model", of "naive" and, where they are known, of the "tournament".
    by_tier, by_decile : DataFrame
        Columns n_customers, mean_predicted, mean_actual and ratio.
    calibration : Calibration
        How far the level is off.
    coverage : dict of str to float
        Keys n_customers, inside, below and above (shares); empty where no intervals can be judged.
    newcomers : dict of str to float
        Keys n_customers (their first purchase came since) and revenue_share (of all that came).
    drift : DataFrame, indexed by signal
        Columns psi and by_chance, the largest first.
    remarks : tuple of str
        What limits the comparison.
    verdict : Verdict
        What is to be done.
    """

    forecast: Forecast
    last_day: int
    days_seen: int
    expected: pd.DataFrame
    actual: pd.DataFrame
    naive: pd.DataFrame
    figures: dict[str, dict[str, float]]
    by_tier: pd.DataFrame
    by_decile: pd.DataFrame
    calibration: Calibration
    coverage: dict[str, float]
    newcomers: dict[str, float]
    drift: pd.DataFrame
    remarks: tuple[str, ...]
    verdict: Verdict

    @property
    def is_complete(self) -> bool:
        """Whether the whole horizon has passed."""
        return self.days_seen == self.forecast.horizon_days


def monitor(
    ledger: Ledger,
    forecast: Forecast,
    *,
    tournament: Mapping[str, float] | None = None,
    notes: Sequence[str] = (),
    report: Callable[[str], None] = lambda _: None,
) -> Monitoring:
    """Hold a forecast against what came after its day.

    The past is taken as it is known now: an order of then that was loaded later counts both in the
    signals of then and in what came. Of later days, signals of then see nothing. Customers whose
    rows are gone since, or who have opted out of profiling, are left out.

    Parameters
    ----------
    ledger : Ledger
        The clean tables; they reach beyond the forecast's day.
    forecast : Forecast
        What was predicted.
    tournament : mapping of str to float, optional
        The model's figures when it was trained, where they are known.
    notes : sequence of str
        What else limits the comparison.
    report : callable, optional
        Told what is being done.

    Returns
    -------
    Monitoring
        Figures, groups, drift and verdict.

    Raises
    ------
    ValueError
        If the ledger ends on the forecast's day or before.
    """
    last_day = ledger.last_day
    days = min(last_day - forecast.as_of, forecast.horizon_days)
    if days < 1:
        raise ValueError(
            f"Nothing can have come of a forecast as of {date_of(forecast.as_of)}: the ledger ends "
            f"on {date_of(last_day)}."
        )
    window: dict[str, int] = {"origin": forecast.as_of, "days": days}
    report("what came since")
    ids = ledger.order_lines.filter(pc.field("day") <= forecast.as_of)["customer_id"]
    known, opted_out = pd.Index(pc.unique(ids).to_pylist()), ledger.opted_out
    is_there = forecast.scores.index.isin(known)
    is_out = forecast.scores.index.isin(opted_out)
    scores = forecast.scores[is_there & ~is_out]
    expected = expect(scores, forecast, days)
    actual = outcomes_for(scores.index, ledger, **window, basis=forecast.basis)
    report("what the baseline would have expected")
    naive = expected if scores.empty else _naive(ledger, scores, window, forecast.basis)
    figures = {"model": measure(expected, actual), "naive": measure(naive, actual)}
    if tournament:
        figures["tournament"] = {name: tournament.get(name, nan) for name in figures["model"]}
    calibration = _calibration(expected, actual)
    report("signals of then and of now")
    drift = _drift(sampled(ledger, _MOST_SAMPLED), opted_out, forecast.as_of, last_day)
    n_unscored = len(known.difference(forecast.scores.index).difference(opted_out))
    remarks = _remarks(
        forecast,
        days=days,
        n_gone=int((~is_there).sum()),
        n_out=int((is_there & is_out).sum()),
        n_unscored=n_unscored,
        n_customers=ledger.n_customers,
    )
    return Monitoring(
        forecast=forecast,
        last_day=last_day,
        days_seen=days,
        expected=expected,
        actual=actual,
        naive=naive,
        figures=figures,
        by_tier=_groups(scores["tier"], expected, actual),
        by_decile=_by_decile(expected, actual),
        calibration=calibration,
        coverage=_coverage(expected, actual),
        newcomers=_newcomers(ledger, **window),
        drift=drift,
        remarks=(*notes, *remarks),
        verdict=judge(
            figures,
            calibration,
            drift,
            n_buyers=int((actual["purchases"] > 0).sum()),
            n_expected=float((1 - expected["churn_probability"]).sum()),
            is_complete=days == forecast.horizon_days,
        ),
    )


def expect(scores: pd.DataFrame, forecast: Forecast, days: int) -> pd.DataFrame:
    """Say what a forecast expects of the first days of its horizon.

    Money is no longer discounted. Purchases and value are taken in proportion to the days; the
    probability of no purchase is raised to that proportion, as if purchases came at a steady rate.

    Parameters
    ----------
    scores : DataFrame of shape (n_customers, n_columns), indexed by customer_id
        Of the forecast.
    forecast : Forecast
        Its horizon and discount rate.
    days : int
        How many days of the horizon, from 1 to all of them.

    Returns
    -------
    DataFrame of shape (n_customers, 5), indexed like `scores`
        Columns expected_purchases, churn_probability, expected_value, value_lower and value_upper;
        the last two are NaN but over the whole horizon, because bounds are in no proportion.
    """
    share = days / forecast.horizon_days
    factor = discount_factor(forecast.horizon_days, forecast.discount_rate)
    whole = 1.0 if share == 1 else nan
    return pd.DataFrame(
        {
            "expected_purchases": scores["expected_purchases"] * share,
            "churn_probability": scores["churn_probability"] ** share,
            "expected_value": scores["clv_expected"] / factor * share,
            "value_lower": scores["clv_lower"] / factor * whole,
            "value_upper": scores["clv_upper"] / factor * whole,
        }
    )


def _naive(
    ledger: Ledger, scores: pd.DataFrame, window: dict[str, int], basis: ValueBasis
) -> pd.DataFrame:
    signals = scores[["days_since_last_purchase"]].astype("float64")
    return naive_forecast(ledger, signals, **window, basis=basis)


def _calibration(expected: pd.DataFrame, actual: pd.DataFrame) -> Calibration:
    predicted, came = expected["expected_value"], actual["value"]
    lapsed = actual["purchases"] == 0
    ratio = float(came.sum() / predicted.sum()) if predicted.sum() > 0 else nan
    n_buyers = max((~lapsed).sum(), (1 - expected["churn_probability"]).sum())
    lower, upper = nan, nan
    # Of fewer, a draw shows less than chance can do: where nobody bought, nobody ever does.
    if n_buyers >= FEWEST_BUYERS:
        lower, upper = total_ratio_range(came, predicted)
    return Calibration(ratio, lower, upper, reliability_line(lapsed, expected["churn_probability"]))


def _by_decile(expected: pd.DataFrame, actual: pd.DataFrame) -> pd.DataFrame:
    values = expected["expected_value"].to_numpy(dtype=float)
    decile = np.zeros(len(values), dtype=int)
    for number, rows in enumerate(equal_groups(values, _N_GROUPS), start=1):
        decile[rows] = number
    return _groups(pd.Series(decile, index=expected.index, name="decile"), expected, actual)


def _groups(group: pd.Series, expected: pd.DataFrame, actual: pd.DataFrame) -> pd.DataFrame:
    predicted, came = expected["expected_value"].groupby(group), actual["value"].groupby(group)
    means = pd.DataFrame(
        {
            "n_customers": came.size(),
            "mean_predicted": predicted.mean(),
            "mean_actual": came.mean(),
        }
    )
    positive = means["mean_predicted"].where(means["mean_predicted"] > 0)
    return means.assign(ratio=means["mean_actual"] / positive)


def _coverage(expected: pd.DataFrame, actual: pd.DataFrame) -> dict[str, float]:
    bounds = expected[["value_lower", "value_upper"]].dropna()
    if bounds.empty:
        return {}
    came = actual.loc[bounds.index, "value"]
    below = float((came < bounds["value_lower"]).mean())
    above = float((came > bounds["value_upper"]).mean())
    return {"n_customers": len(came), "inside": 1 - below - above, "below": below, "above": above}


def _newcomers(ledger: Ledger, *, origin: int, days: int) -> dict[str, float]:
    firsts = ledger.order_lines.group_by("customer_id").aggregate([("day", "min")])
    is_new = pc.and_(
        pc.greater(firsts["day_min"], origin), pc.less_equal(firsts["day_min"], origin + days)
    )
    new = firsts.filter(is_new)["customer_id"].to_pylist()
    revenue = compute_outcomes(ledger, origin, days)["revenue"]
    total = float(revenue.sum())
    theirs = float(revenue[revenue.index.isin(new)].sum())
    return {"n_customers": len(new), "revenue_share": theirs / total if total > 0 else nan}


def _drift(ledger: Ledger, opted_out: list[str], *days: int) -> pd.DataFrame:
    signals = (compute_signals(ledger, day) for day in days)
    before, after = (rows[~rows.index.isin(opted_out)] for rows in signals)
    names = [
        name
        for name, signal in CATALOGUE.items()
        if signal.unit != "day number" and name not in _GROWING
    ]
    known = [name for name in names if before[name].notna().any() or after[name].notna().any()]
    shifts = {name: population_stability(before[name], after[name]) for name in known}
    rows = [(shift.psi, shift.by_chance) for shift in shifts.values()]
    drift = pd.DataFrame(rows, index=pd.Index(known, name="signal"), columns=["psi", "by_chance"])
    return drift.astype("float64").sort_values("psi", ascending=False, kind="stable")


def _remarks(
    forecast: Forecast, *, days: int, n_gone: int, n_out: int, n_unscored: int, n_customers: int
) -> tuple[str, ...]:
    remarks = []
    if days < forecast.horizon_days:
        remarks.append(
            f"{days:,} of {forecast.horizon_days:,} days have passed: what was expected is scaled "
            f"to {days / forecast.horizon_days:.0%}, and intervals cannot be judged yet."
        )
    for n, why in (
        (n_gone, "scored customers are left out, because the ledger no longer holds them"),
        (n_out, "scored customers are left out, because they have opted out of profiling since"),
        (n_unscored, "customers known by then were not scored: opted out then, or loaded since"),
    ):
        if n:
            remarks.append(f"{n:,} {why}.")
    if n_customers > _MOST_SAMPLED:
        remarks.append(
            f"Signals are compared on {_MOST_SAMPLED:,} of {n_customers:,} customers, chosen by a "
            "hash of their ids."
        )
    if forecast.scores.empty:
        remarks.append(f"Nobody was scored as of {date_of(forecast.as_of)}.")
    return tuple(remarks)
