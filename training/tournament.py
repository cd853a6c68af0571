"""Candidates forecast from a past day; the one whose forecast of value was best is champion."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isnan

import pandas as pd
from joblib import Parallel, cpu_count, delayed

from features.ledger import Ledger, date_of
from models.metrics import churn_metrics, purchase_metrics, value_metrics
from models.value.boosted import BoostedValueModel
from models.value.latent import LatentValueModel
from training.baseline import naive_forecast
from training.panel import Panel, ValueBasis, build_panel, stack
from training.plan import Plan, TrainingError

__all__ = ["BASELINE", "LOSS", "Entry", "Tournament", "fit_boosted", "measure", "run_tournament"]

BASELINE = "naive"
# Proper for a mean with many zeros, which is what an expected value is (ORACLES, metrics).
LOSS = "value_tweedie"


@dataclass(frozen=True)
class Entry:
    """One candidate's result.

    Parameters
    ----------
    name : str
        "naive", "latent" or "boosted".
    forecast : DataFrame of shape (n_customers, n_columns)
        What it said on the test's first day.
    metrics : dict of str to float
        Its figures over the test window.
    """

    name: str
    forecast: pd.DataFrame
    metrics: dict[str, float]

    @property
    def loss(self) -> float:
        """The figure that decides; infinite where it cannot be taken."""
        loss = self.metrics[LOSS]
        return inf if isnan(loss) else loss


@dataclass(frozen=True)
class Tournament:
    """The result of a tournament.

    Parameters
    ----------
    plan : Plan
        Its days.
    test : Panel
        What the candidates were held against.
    entries : tuple of Entry
        The baseline first.
    remarks : tuple of str
        What it had to do without, and why.
    """

    plan: Plan
    test: Panel
    entries: tuple[Entry, ...]
    remarks: tuple[str, ...]

    @property
    def baseline(self) -> Entry:
        """What happened last time, repeated."""
        return self.entries[0]

    @property
    def winner(self) -> Entry:
        """The best candidate; the baseline is none, because it cannot serve single customers."""
        return min(self.entries[1:], key=lambda entry: entry.loss)

    @property
    def beats_baseline(self) -> bool:
        """Whether the winner's loss is below the baseline's, and its order better than chance."""
        return self.winner.loss < self.baseline.loss and self.winner.metrics["value_gini"] > 0


def run_tournament(
    ledger: Ledger,
    plan: Plan,
    basis: ValueBasis,
    *,
    random_state: int = 0,
    report: Callable[[str], None] = lambda _: None,
) -> Tournament:
    """Let the candidates forecast the last complete window, each fitted on what came before it.

    Parameters
    ----------
    ledger : Ledger
        The clean tables, without rows after the plan's `as_of`.
    plan : Plan
        The days.
    basis : {"gross_margin", "revenue"}
        What value counts.
    random_state : int, default 0
        Seed of what is left to chance.
    report : callable, optional
        Told what is being done.

    Returns
    -------
    Tournament
        Every candidate's forecast and figures.

    Raises
    ------
    TrainingError
        If nobody had bought by the day of the test.
    """
    report("signals at past days")
    test, *learning = build_panels(
        ledger,
        [(plan.test_origin, plan.test_days)]
        + [(origin, plan.horizon_days) for origin in plan.learning_origins],
        basis,
    )
    if test.signals.empty:
        raise TrainingError(
            f"Nobody had bought by {date_of(plan.test_origin)}, the day the candidates are to "
            "forecast from. Choose a shorter horizon_days, or load a longer history."
        )
    naive = naive_forecast(
        ledger, test.signals, origin=plan.test_origin, days=plan.test_days, basis=basis
    )
    forecasts = {BASELINE: naive}
    report("fitting latent attrition")
    latent = LatentValueModel(value_column=basis).fit(test.signals)
    forecasts["latent"] = latent.forecast(test.signals, plan.test_days)
    learning = [panel for panel in learning if len(panel.signals)]
    remarks = _remarks(plan, latent)
    if learning:
        report(f"boosting on {len(learning)} past days")
        try:
            boosted = fit_boosted(learning, plan.horizon_days, random_state=random_state)
            forecasts["boosted"] = boosted.forecast(test.signals)
        except ImportError as error:
            remarks.append(f"The boosted candidate sat out: {error}")
    entries = [Entry(name, f, measure(f, test.outcomes)) for name, f in forecasts.items()]
    return Tournament(plan, test, tuple(entries), tuple(remarks))


def build_panels(ledger: Ledger, windows: list[tuple[int, int]], basis: ValueBasis) -> list[Panel]:
    """Build a panel for each window, in parallel.

    Parameters
    ----------
    ledger : Ledger
        The clean tables.
    windows : list of (int, int)
        Origin and horizon of each.
    basis : {"gross_margin", "revenue"}
        What value counts.

    Returns
    -------
    list of Panel
        In the order of the windows.
    """
    # Threads, because DuckDB lets go of the interpreter and the ledger need not be copied.
    return list(
        Parallel(n_jobs=-1, prefer="threads")(
            delayed(build_panel)(ledger, origin, days, basis) for origin, days in windows
        )
    )


def fit_boosted(panels: list[Panel], horizon_days: int, *, random_state: int) -> BoostedValueModel:
    """Fit the challenger on several past days.

    Parameters
    ----------
    panels : list of Panel
        Signals and outcomes.
    horizon_days : int
        The horizon of their outcomes.
    random_state : int
        Seed of the boosting.

    Returns
    -------
    BoostedValueModel
        Fitted.
    """
    signals, outcomes = stack(panels)
    model = BoostedValueModel(
        horizon_days=horizon_days, random_state=random_state, n_jobs=cpu_count()
    )
    return model.fit(signals, outcomes)


def measure(forecast: pd.DataFrame, outcomes: pd.DataFrame) -> dict[str, float]:
    """Hold a forecast against what happened.

    Parameters
    ----------
    forecast : DataFrame of shape (n_customers, n_columns)
        With expected_purchases, churn_probability and expected_value.
    outcomes : DataFrame of shape (n_customers, 2)
        Purchases and value of the same customers.

    Returns
    -------
    dict of str to float
        Figures of value, purchases and churn.
    """
    purchases = outcomes["purchases"].to_numpy()
    return {
        **value_metrics(outcomes["value"].to_numpy(), forecast["expected_value"].to_numpy()),
        **purchase_metrics(purchases, forecast["expected_purchases"].to_numpy()),
        **churn_metrics(purchases == 0, forecast["churn_probability"].to_numpy()),
    }


def _remarks(plan: Plan, latent: LatentValueModel) -> list[str]:
    remarks = []
    if not plan.is_full_test:
        remarks.append(
            f"The history is shorter than two and a half horizons: the candidates were tested over "
            f"{plan.test_days} days instead of {plan.horizon_days}, the boosted one sat out, and "
            "the latent model extrapolates."
        )
    reason = latent.attrition_.fallback_reason_
    if reason:
        remarks.append(f"Dropout was not modelled: {reason}")
    return remarks
