"""The training job: from a ledger to a registered model, with everything it takes to repeat it."""

from collections.abc import Callable
from dataclasses import dataclass

from features.ledger import Ledger, date_of
from training.album import draw_album
from training.backtest import Fitted, fit
from training.grade import Grade
from training.plan import check_as_of
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
    """Let the candidates compete, register the winner, and promote it if its grade allows it.

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
        If the ledger cannot carry a forecast. Nothing is registered then.
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
    check_as_of(ledger, as_of)
    report("reaching MLflow")
    tracking.check()
    fitted = fit(
        ledger, as_of=as_of, horizon_days=horizon_days, random_state=random_state, report=report
    )
    tournament, facts = fitted.tournament, fitted.bundle.facts
    params |= {name: facts[name] for name in ("value_basis", "ledger_fingerprint", "n_customers")}
    params |= {"signals_digest": facts["signals_digest"], "winner": tournament.winner.name}
    params |= {"window_days": facts["window_days"], "grade": fitted.grade.letter}
    report("logging to MLflow")
    with tracking.run(f"train {params['as_of']}", params) as run_id:
        for entry in tournament.entries:
            tracking.log_candidate(entry.name, entry.metrics)
        pictures = draw_album(fitted, ledger, currency=currency)
        tracking.log_result(tournament.metrics, pictures)
        report("registering the model")
        version = tracking.register(fitted.bundle, fitted.signals)
        is_champion = _may_serve(fitted.grade, tracking)
        if is_champion:
            tracking.promote(version, fitted.grade.reason)
    return Trained(fitted, run_id, version, is_champion=is_champion)


def _may_serve(grade: Grade, tracking: Tracking) -> bool:
    """Promote what beats the baseline; and, where nothing serves yet, what nobody can judge."""
    return grade.may_serve or (
        grade.letter == "insufficient"
        and not any(version.is_champion for version in tracking.versions())
    )
