"""The training job: from a ledger to a registered model, with everything it takes to repeat it."""

from collections.abc import Callable
from dataclasses import dataclass

from features.ledger import Ledger, date_of
from training.backtest import Fitted, fit
from training.pictures import draw_calibration, draw_gain_curve
from training.plan import known_ledger, plan_origins
from training.tournament import LOSS, Tournament
from training.tracking import Tracking

__all__ = ["Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """What came of a training job.

    Parameters
    ----------
    fitted : Fitted
        The winner and how it won.
    run_id : str
        The run in MLflow.
    version : str
        The version in the model registry.
    is_champion : bool
        Whether it was promoted.
    """

    fitted: Fitted
    run_id: str
    version: str
    is_champion: bool


def train(
    ledger: Ledger,
    tracking: Tracking,
    *,
    as_of: int,
    horizon_days: int,
    currency: str,
    random_state: int = 0,
    report: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Let the candidates compete, register the winner, and promote it if it beats the baseline.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are not looked at.
    tracking : Tracking
        Where runs and models are kept.
    as_of : int
        The last day known, in days since 1970-01-01.
    horizon_days : int
        How far to forecast.
    currency : str
        Of the ledger's money.
    random_state : int, default 0
        Seed of what is left to chance.
    report : callable, optional
        Told what is being done.

    Returns
    -------
    Trained
        The model's version and whether it is champion.

    Raises
    ------
    TrainingError
        If the ledger cannot carry a forecast of this horizon. Nothing is registered then.
    TrackingError
        If MLflow does not answer.
    """
    params = {
        "as_of": date_of(as_of).isoformat(),
        "horizon_days": horizon_days,
        "currency": currency,
        "random_state": random_state,
    }
    # Refused before anything is touched, and MLflow asked before the work that it is to keep.
    plan_origins(known_ledger(ledger, as_of), as_of, horizon_days)
    report("reaching MLflow")
    tracking.check()
    fitted = fit(
        ledger, as_of=as_of, horizon_days=horizon_days, random_state=random_state, report=report
    )
    tournament, facts = fitted.tournament, fitted.bundle.facts
    params |= {name: facts[name] for name in ("value_basis", "ledger_fingerprint", "n_customers")}
    params |= {"signals_digest": facts["signals_digest"], "winner": tournament.winner.name}
    params |= {"test_days": tournament.plan.test_days}
    report("logging to MLflow")
    with tracking.run(f"train {params['as_of']}", params) as run_id:
        for entry in tournament.entries:
            tracking.log_candidate(entry.name, entry.metrics)
        forecasts = {entry.name: entry.forecast for entry in tournament.entries}
        outcomes = tournament.test.outcomes
        pictures = {
            "calibration": draw_calibration(
                tournament.winner.forecast, outcomes, currency=currency
            ),
            "gain": draw_gain_curve(forecasts, outcomes),
        }
        tracking.log_result(tournament.winner.metrics, pictures)
        report("registering the model")
        version = tracking.register(fitted.bundle, fitted.signals)
        if tournament.beats_baseline:
            tracking.promote(version, _reason(tournament))
    return Trained(fitted, run_id, version, is_champion=tournament.beats_baseline)


def _reason(tournament: Tournament) -> str:
    winner, baseline = tournament.winner, tournament.baseline
    return (
        f"{winner.name} beats {baseline.name} on {LOSS}: {winner.loss:.4g} against "
        f"{baseline.loss:.4g} over {tournament.plan.test_days} days."
    )
