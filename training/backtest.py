"""Fit on what was known on a day, forecast from there, and look what came."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import exp, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.ledger import Ledger, date_of
from features.pipeline import signals_digest
from models.bundle import Bundle
from models.tier.policy import tiers_by_share
from models.value.boosted import BoostedValueModel
from models.value.explanation import Explainer, reference_of
from models.value.forecaster import ValueForecaster
from models.value.intervals import coverage
from models.value.latent import LatentValueModel
from training.baseline import naive_forecast
from training.candidates import fit_boosted, fit_latent
from training.grade import Grade, grade_of
from training.level import level_factors, relative_error
from training.measure import measure
from training.panel import (
    ValueBasis,
    outcomes_for,
    sampled,
    share_with_cost,
    signals_of,
    value_basis_of,
)
from training.plan import TrainingError, known_ledger, plan_origins
from training.tournament import (
    Tournament,
    Trial,
    run_tournament,
)

__all__ = ["Backtest", "Fitted", "backtest", "fit"]


# More customers teach a boosted model little, and cost time in proportion.
_MOST_CUSTOMERS = 25_000
# So many take 0.3 GB, and keep every processor busy.
_ROWS_AT_A_TIME = 100_000
# Never held against an outcome, the spread of the posterior is taken half as wide again.
_WIDENING = 1.5
# Calibrations of churn differ as much between windows as they differ from none (CDNOW, Online
# Retail, De Bruyn's purchases): two windows earn it half.
_WINDOWS_OF_DOUBT = 2
# 80 % of a normal error lies within so many standard errors.
_Z_80 = 1.2816
PREDICTED = (
    *("expected_value", "expected_purchases", "p_alive", "churn_probability"),
    *("value_median", "value_lower", "value_upper"),
)


@dataclass(frozen=True)
class Fitted:
    """A tournament's winner, fitted on everything known.

    Parameters
    ----------
    bundle : Bundle
        The model.
    signals : DataFrame of shape (n_customers, n_signals)
        As known on `as_of`.
    tournament : Tournament
        How it won.
    grade : Grade
        How good it is.
    """

    bundle: Bundle
    signals: pd.DataFrame
    tournament: Tournament
    grade: Grade


@dataclass(frozen=True)
class Backtest:
    """Forecasts from a past day, and what became of them.

    Parameters
    ----------
    fitted : Fitted
        The model and how it was chosen.
    predictions : DataFrame of shape (n_customers, 7), indexed by customer_id
        Columns expected_value (a mean), expected_purchases, p_alive, churn_probability,
        value_median, value_lower and value_upper (10 % and 90 % quantiles).
    metrics, baseline_metrics : dict of str to float, or None
        The figures, and those of the baseline; None where the ledger ends on `as_of`.
    days_seen : int
        How many days of the horizon the ledger covers.
    """

    fitted: Fitted
    predictions: pd.DataFrame
    metrics: dict[str, float] | None
    baseline_metrics: dict[str, float] | None
    days_seen: int

    def write_predictions(self, path: Path) -> None:
        """Write the predictions as Parquet.

        Parameters
        ----------
        path : Path
            The file.
        """
        table = pa.Table.from_pandas(self.predictions.reset_index(), preserve_index=False)
        pq.write_table(table, path)

    def summary(self) -> dict[str, Any]:
        """Sum up model, figures and tournament, as JSON can hold it.

        Returns
        -------
        dict
            Figures that could not be taken are None.
        """
        facts, tournament = self.fitted.bundle.facts, self.fitted.tournament
        return {
            "model": self.fitted.bundle.name,
            **{n: facts[n] for n in ("as_of", "horizon_days", "value_basis", "n_customers")},
            "days_seen": self.days_seen,
            "metrics": _finite(self.metrics),
            "baseline_metrics": _finite(self.baseline_metrics),
            "tournament": {entry.name: _finite(entry.metrics) for entry in tournament.entries},
            "beats_baseline": self.fitted.grade.may_serve,
            "winners": facts["winners"],
            "grade": self.fitted.grade.letter,
            "grade_reason": self.fitted.grade.reason,
            "total": facts["total"],
            "remarks": facts["remarks"],
        }


def _finite(metrics: dict[str, float] | None) -> dict[str, float | None] | None:
    if metrics is None:
        return None
    return {name: value if isfinite(value) else None for name, value in metrics.items()}


def fit(
    ledger: Ledger,
    *,
    as_of: int,
    horizon_days: int,
    basis: ValueBasis | None = None,
    random_state: int = 0,
    report: Callable[[str], None] = lambda _: None,
) -> Fitted:
    """Hold a tournament on the past and fit its winner on everything known.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are not looked at.
    as_of : int
        The last day known, in days since 1970-01-01.
    horizon_days : int
        How far to forecast.
    basis : {"gross_margin", "revenue"}, optional
        What value counts; gross margin where costs are known.
    random_state : int, default 0
        Seed of what is left to chance.
    report : callable, optional
        Told what is being done.

    Returns
    -------
    Fitted
        The model, the signals it sees and the tournament.

    Raises
    ------
    TrainingError
        If the ledger cannot carry a forecast of this horizon.
    """
    known = known_ledger(ledger, as_of)
    plan = plan_origins(known, as_of, horizon_days)
    first_forecast = min(plan.test_origins, default=as_of)
    basis = basis or value_basis_of(known, first_forecast)
    if basis == "gross_margin" and not share_with_cost(known, first_forecast):
        raise TrainingError(
            f"No order line up to {date_of(first_forecast)}, the day the candidates are to "
            "forecast from, has a cost, so there is no margin. Map cost, or take revenue as value."
        )
    signals = signals_of(known, as_of)
    if signals.empty:
        raise TrainingError(
            f"Nobody had bought by {date_of(as_of)}: all order lines up to then are returns. "
            "Choose a later as_of."
        )
    sample, fingerprint = sampled(known, _MOST_CUSTOMERS), known.fingerprint()
    del known  # It may be a copy, and from here on a sample will do.
    tournament, panels = run_tournament(
        sample, plan, basis, random_state=random_state, report=report
    )
    report(f"fitting {tournament.winner.name} on everything known")
    learning = [panels[origin] for origin in plan.learning_origins(as_of) if origin in panels]
    latent = fit_latent(signals, basis, tournament.attrition, origin=as_of)
    boosted = {}
    if tournament.is_boosted:
        boosted = fit_boosted(learning, latent, random_state=random_state)
        tournament = tournament if boosted else tournament.latent_alone()
    forecaster = _forecaster(tournament, signals, latent, boosted, random_state=random_state)
    forecast = _forecast(forecaster, signals)
    n_repeaters = int((signals["frequency"] > 0).sum())
    grade = grade_of(tournament, n_customers=len(signals), n_repeaters=n_repeaters)
    reason = forecaster.latent.attrition_.fallback_reason_
    remarks = [*tournament.remarks, *([f"Dropout was not modelled: {reason}"] if reason else [])]
    facts = {
        "as_of": date_of(as_of).isoformat(),
        "horizon_days": horizon_days,
        "window_days": plan.window_days,
        "value_basis": basis,
        "ledger_fingerprint": fingerprint,
        "signals_digest": signals_digest(),
        "n_customers": len(signals),
        "winners": {
            question: tournament.winner_of(question).name for question in tournament.weights
        },
        "attrition": tournament.attrition,
        "grade": grade.letter,
        "grade_reason": grade.reason,
        "total": _total(forecast, tournament),
        "tier_thresholds": _thresholds(forecast),
        "signals": list(forecaster.required_columns),
        "explainer": Explainer(forecaster, reference_of(forecaster, signals)).to_state(),
        "remarks": remarks,
    }
    bundle = Bundle(name=tournament.winner.name, forecaster=forecaster, facts=facts)
    return Fitted(bundle, signals, tournament, grade)


def _forecaster(
    tournament: Tournament,
    signals: pd.DataFrame,
    latent: LatentValueModel,
    boosted: Mapping[str, BoostedValueModel],
    *,
    random_state: int,
) -> ValueForecaster:
    """Put the winners' parts together, and calibrate them by their trials."""
    forecaster = ValueForecaster(
        latent, boosted, tournament.weights, horizon_days=tournament.plan.horizon_days
    )
    if not tournament.trials:
        return forecaster.presume(signals, widening=_WIDENING, random_state=random_state)
    trials = tournament.trials_of_the_season
    said = pd.concat([_at_level(tournament, trial) for trial in trials])
    came = pd.concat([trial.test.outcomes for trial in trials])
    is_full = tournament.plan.is_full_test
    trust = len(trials) / (len(trials) + _WINDOWS_OF_DOUBT) if is_full else 0.0
    latent_churn = np.concatenate(
        [trial.forecasts[tournament.attrition]["churn_probability"] for trial in trials]
    )
    forecaster.calibrate(said, came, latent_churn=latent_churn, trust=trust)
    forecaster.levels = level_factors(tournament)
    return forecaster


def _forecast(forecaster: ValueForecaster, signals: pd.DataFrame) -> pd.DataFrame:
    """Forecast some customers at a time: trees want a copy of all signals of those they see."""
    starts = range(0, max(len(signals), 1), _ROWS_AT_A_TIME)
    return pd.concat(
        [forecaster.forecast(signals.iloc[start : start + _ROWS_AT_A_TIME]) for start in starts]
    )


def _at_level(tournament: Tournament, trial: Trial) -> pd.DataFrame:
    """Take a trial's forecast at the level that came: an error of the total is no spread."""
    said = tournament.forecast_of_winners(trial)
    came, expected = trial.test.outcomes["value"].sum(), said["expected_value"].sum()
    if came > 0 and expected > 0:
        said["expected_value"] *= came / expected
    return said


def _total(forecast: pd.DataFrame, tournament: Tournament) -> dict[str, float]:
    """Expect the value of all customers together, with bounds of 80 %."""
    expected = float(forecast["expected_value"].sum())
    error = relative_error(tournament)
    # In order even where returns outweigh sales.
    lower, upper = sorted(expected * exp(sign * _Z_80 * error) for sign in (-1, 1))
    return {"expected": expected, "lower": lower, "upper": upper, "relative_error": error}


def _thresholds(forecast: pd.DataFrame) -> dict[str, float]:
    """Least expected value of a customer in tiers A and B of the policy `predicted`."""
    tiers = tiers_by_share(forecast["expected_value"])
    least = forecast["expected_value"].groupby(tiers).min()
    return {tier: float(least[tier]) for tier in ("A", "B") if tier in least}


def backtest(
    ledger: Ledger,
    *,
    as_of: int,
    horizon_days: int,
    basis: ValueBasis | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Backtest:
    """Forecast from a past day and, where the ledger goes on, measure the forecast.

    Parameters
    ----------
    ledger : Ledger
        The clean tables.
    as_of : int
        The last day known to the models, in days since 1970-01-01.
    horizon_days : int
        How far to forecast.
    basis : {"gross_margin", "revenue"}, optional
        What value counts; gross margin where costs are known.
    report : callable, optional
        Told what is being done.

    Returns
    -------
    Backtest
        One prediction a customer known by `as_of`, and the figures.

    Raises
    ------
    TrainingError
        If the ledger cannot carry a forecast of this horizon.
    """
    fitted = fit(ledger, as_of=as_of, horizon_days=horizon_days, basis=basis, report=report)
    predictions = _forecast(fitted.bundle.forecaster, fitted.signals)[list(PREDICTED)]
    days_seen = min(max(ledger.last_day - as_of, 0), horizon_days)
    if not days_seen:
        return Backtest(fitted, predictions, None, None, 0)
    window = {"origin": as_of, "days": horizon_days, "basis": fitted.bundle.facts["value_basis"]}
    outcomes = outcomes_for(predictions.index, ledger, **window)
    naive = naive_forecast(ledger, fitted.signals, **window)
    shares = coverage(
        outcomes["value"],
        predictions["value_lower"],
        predictions["value_upper"],
        predictions["expected_value"],
    )
    figures = measure(predictions, outcomes) | {f"share_{n}": x for n, x in shares.items()}
    return Backtest(fitted, predictions, figures, measure(naive, outcomes), days_seen)
