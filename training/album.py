"""The pictures of a training run: how the winners fared on the last past day they were tried on."""

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from features.ledger import Ledger
from models.attrition import ATTRITION_MODELS, AttritionModel
from models.value.explanation import Explainer, drivers
from models.value.intervals import ValueIntervals
from training.backtest import Fitted
from training.pictures import (
    draw_calibration,
    draw_coverage,
    draw_frequency_recency,
    draw_gain_curve,
    draw_importance,
    draw_reliability,
    draw_tracking,
)
from training.tournament import Tournament

__all__ = ["draw_album"]

IntArray = npt.NDArray[np.int64]
_DAYS_A_WEEK = 7
# So many customers buy less often than where the heat map ends.
_SHOWN = 0.98
# Enough for a mean, in a second.
_EXPLAINED = 1_000
_LOWER, _UPPER, _NOMINAL = 1, 3, 0.8  # places of 10 % and 90 % among the quantiles


def draw_album(fitted: Fitted, ledger: Ledger, *, currency: str) -> dict[str, Figure]:
    """Draw what a training run is judged by.

    Parameters
    ----------
    fitted : Fitted
        A tournament's winners.
    ledger : Ledger
        The clean tables. Rows after the day of the training are not looked at.
    currency : str
        Of its money.

    Returns
    -------
    dict of str to Figure
        By name; where no past day could be tried, the pictures that need none.
    """
    tournament = fitted.tournament
    pictures = {
        "frequency_recency": _heat_map(fitted),
        "importance": _importance(fitted, currency=currency),
    }
    if not tournament.trials:
        return pictures
    trial = tournament.trials[0]
    said, came = tournament.forecast_of_winners(trial), trial.test.outcomes
    return pictures | {
        "gain": draw_gain_curve(trial.forecasts, came),
        "calibration": draw_calibration(said, came, currency=currency),
        "reliability": draw_reliability(came["purchases"] == 0, said["churn_probability"]),
        "coverage": _coverage(tournament, said, came),
        "tracking": _tracking(tournament, ledger),
    }


def _heat_map(fitted: Fitted) -> Figure:
    signals = fitted.signals
    return draw_frequency_recency(
        fitted.bundle.forecaster.latent.attrition_,
        T=float(signals["T"].median()),
        horizon_days=fitted.bundle.facts["horizon_days"],
        max_frequency=max(1, int(signals["frequency"].quantile(_SHOWN))),
    )


def _importance(fitted: Fitted, *, currency: str) -> Figure:
    """How much each signal moves the value of a customer, as a mean over so many."""
    explainer = Explainer.from_state(fitted.bundle.forecaster, fitted.bundle.facts["explainer"])
    some = fitted.signals.iloc[:: max(1, len(fitted.signals) // _EXPLAINED)]
    return draw_importance(drivers(explainer.explain(some))["mean_absolute"], currency=currency)


def _coverage(tournament: Tournament, said: pd.DataFrame, came: pd.DataFrame) -> Figure:
    """Bounds learned on the earlier days hold the last one; where it is alone, it is its own."""
    earlier = tournament.trials[1:] or tournament.trials
    forecasts = pd.concat([tournament.forecast_of_winners(trial) for trial in earlier])
    outcomes = pd.concat([trial.test.outcomes for trial in earlier])
    intervals = ValueIntervals().fit(
        forecasts["expected_value"],
        forecasts["churn_probability"],
        outcomes["value"],
        outcomes["purchases"] > 0,
    )
    bounds = intervals.predict(said["expected_value"], said["churn_probability"])
    return draw_coverage(
        came["value"],
        bounds[:, _LOWER],
        bounds[:, _UPPER],
        said["expected_value"],
        nominal_coverage=_NOMINAL,
    )


def _tracking(tournament: Tournament, ledger: Ledger) -> Figure:
    """Repeat purchases of those known on the last day tried, and what was expected on it."""
    test = tournament.trials[0].test
    origin, model = test.origin, ATTRITION_MODELS[tournament.attrition]().fit(test.signals)
    first, bought = _repeats(ledger, origin, tournament.plan.as_of)
    start = int(first.min())
    ends = np.arange(start + _DAYS_A_WEEK, tournament.plan.as_of + 1, _DAYS_A_WEEK)
    edges = np.concatenate([[start], ends])
    actual = np.histogram(bought, bins=edges + 1)[0].astype(float) if len(ends) else np.zeros(0)
    days, customers = np.unique(first, return_counts=True)
    cumulative = np.array([_expected(model, edge - days, customers) for edge in edges])
    return draw_tracking(ends, actual, np.diff(cumulative), split_day=origin)


def _expected(model: AttritionModel, ages: IntArray, customers: IntArray) -> float:
    """Repeat purchases that so many customers of such ages are expected to have made."""
    known = ages > 0
    if not known.any():
        return 0.0
    each = model.expected_purchases_new(ages[known].astype(float))
    return float(np.sum(np.asarray(each) * customers[known]))


def _repeats(ledger: Ledger, origin: int, as_of: int) -> tuple[IntArray, IntArray]:
    """Days of first purchases up to `origin`, and of those customers' repeats up to `as_of`."""
    with duckdb.connect() as connection:
        connection.register("order_lines", ledger.order_lines)
        found = connection.execute(
            "WITH days AS (SELECT DISTINCT customer_id, day FROM order_lines "
            "WHERE revenue >= 0 AND COALESCE(quantity, 1) > 0 AND day <= $as_of), "
            "dated AS (SELECT day, MIN(day) OVER (PARTITION BY customer_id) AS first FROM days) "
            "SELECT day, first FROM dated WHERE first <= $origin",
            {"origin": origin, "as_of": as_of},
        ).fetchnumpy()
    day, first = (np.asarray(found[name], dtype=np.int64) for name in ("day", "first"))
    return first[day == first], day[day > first]
