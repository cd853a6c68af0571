"""Fit on what was known on a day, forecast from there, and look what came."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.engines.duckdb import compute_signals
from features.ledger import Ledger, date_of
from features.pipeline import signals_digest
from models.bundle import Bundle
from models.value.latent import LatentValueModel
from training.baseline import naive_forecast
from training.panel import ValueBasis, outcomes_for, value_basis_of
from training.plan import TrainingError, known_ledger, plan_origins
from training.tournament import Tournament, build_panels, fit_boosted, measure, run_tournament

__all__ = ["Backtest", "Fitted", "backtest", "fit"]


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
    """

    bundle: Bundle
    signals: pd.DataFrame
    tournament: Tournament


@dataclass(frozen=True)
class Backtest:
    """Forecasts from a past day, and what became of them.

    Parameters
    ----------
    fitted : Fitted
        The model and how it was chosen.
    predictions : DataFrame of shape (n_customers, 6), indexed by customer_id
        Columns expected_value, expected_purchases, p_alive, churn_probability, value_lower and
        value_upper.
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
            "beats_baseline": tournament.beats_baseline,
            "remarks": list(tournament.remarks),
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
    before_test = known.up_to(plan.test_origin)
    basis = basis or value_basis_of(before_test)
    if basis == "gross_margin" and not before_test.has_cost:
        raise TrainingError(
            f"No order line up to {date_of(plan.test_origin)}, the day the candidates are to "
            "forecast from, has a cost, so there is no margin. Map cost, or take revenue as value."
        )
    tournament = run_tournament(known, plan, basis, random_state=random_state, report=report)
    report(f"fitting {tournament.winner.name} on everything known")
    signals = compute_signals(known, as_of)
    latent = LatentValueModel(value_column=basis).fit(signals)
    boosted = None
    if tournament.winner.name == "boosted":
        panels = build_panels(known, [(o, horizon_days) for o in plan.final_origins], basis)
        boosted = fit_boosted(panels, horizon_days, random_state=random_state)
    facts = {
        "as_of": date_of(as_of).isoformat(),
        "horizon_days": horizon_days,
        "value_basis": basis,
        "ledger_fingerprint": known.fingerprint(),
        "signals_digest": signals_digest(),
        "n_customers": len(signals),
        "beats_baseline": tournament.beats_baseline,
        "remarks": list(tournament.remarks),
    }
    bundle = Bundle(name=tournament.winner.name, latent=latent, boosted=boosted, facts=facts)
    return Fitted(bundle, signals, tournament)


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
    forecast = fitted.bundle.forecast(fitted.signals)
    columns = ["expected_value", "expected_purchases", "p_alive", "churn_probability"]
    predictions = forecast[columns].assign(value_lower=float("nan"), value_upper=float("nan"))
    days_seen = min(max(ledger.last_day - as_of, 0), horizon_days)
    if not days_seen:
        return Backtest(fitted, predictions, None, None, 0)
    window = {"origin": as_of, "days": horizon_days, "basis": fitted.bundle.facts["value_basis"]}
    outcomes = outcomes_for(predictions.index, ledger, **window)
    naive = naive_forecast(ledger, fitted.signals, **window)
    return Backtest(
        fitted, predictions, measure(predictions, outcomes), measure(naive, outcomes), days_seen
    )
