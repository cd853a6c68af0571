"""How far the level of a forecast was off on past days, and by how much to correct it."""

from collections.abc import Sequence
from math import exp, log, sqrt

import numpy as np
import pandas as pd

from models.value.forecaster import QUESTIONS
from training.tournament import Tournament

__all__ = ["level_factors", "log_errors", "relative_error"]

# A level more than twice or less than half as high as on past days is not a matter of level.
_MOST = log(2.0)
# Windows overlap: two of one direction are little more than one.
_FEWEST_AGREEING = 3
# Totals of single windows are off by as much, as a root mean square over seventeen of them
# (`python -m benchmarks.portfolio`).
_USUAL_ERROR = 0.12
# Errors of the same season differ from year to year by as much, as the standard deviation of one,
# over the ten windows of that benchmark that have such a season behind them.
_SEASON_ERROR = 0.06
# For a ledger of which nothing is known: the usual peers are off by as much (ORACLES, section 5).
_UNKNOWN_ERROR = 0.3
# Where returns all but cancel the sales a total has no order of magnitude, and e^710 no float.
_LARGEST_ERROR = 5.0


def log_errors(
    tournament: Tournament, question: str, column: str, outcome: str
) -> list[tuple[int, float]]:
    """Give how far the winners' total was off on each past day.

    Parameters
    ----------
    tournament : Tournament
        Held.
    question, column, outcome : str
        What is summed: a question, its column in forecasts, and in outcomes.

    Returns
    -------
    list of (int, float)
        Origin, and the logarithm of actual over expected total; days where either is not positive
        are left out.
    """
    winner = tournament.winner_of(question).name
    found = []
    for trial in tournament.trials:
        came = float(trial.test.outcomes[outcome].sum())
        said = float(trial.forecasts[winner][column].sum())
        if came > 0 and said > 0:
            found.append((trial.test.origin, log(came / said)))
    return found


def level_factors(tournament: Tournament) -> dict[str, float]:
    """Choose the factors that level value and purchases.

    Where windows of the same season lie behind, the mean of their errors, drawn towards none by how
    much they usually differ from year to year (positive-part James-Stein [1]_). Else an error
    counts only as far as the last days agree on its direction: what one window had too little and
    the next too much is no matter of level. A window shorter than the horizon says nothing of the
    horizon's.

    Parameters
    ----------
    tournament : Tournament
        Held.

    Returns
    -------
    dict of str to float
        Keys value and purchases; 1 changes nothing.

    References
    ----------
    .. [1] Efron, B. and Morris, C. (1973), "Stein's Estimation Rule and Its Competitors", Journal
       of the American Statistical Association 68 (341), 117-130.
    """
    if not tournament.plan.is_full_test:
        return {"value": 1.0, "purchases": 1.0}
    return {
        "value": exp(_correction(tournament, "value", "value")),
        "purchases": exp(_correction(tournament, "purchases", "purchases")),
    }


def _correction(tournament: Tournament, question: str, outcome: str) -> float:
    errors = log_errors(tournament, question, QUESTIONS[question], outcome)
    seasonal = [error for origin, error in errors if tournament.plan.is_same_season(origin)]
    if seasonal:
        mean = sum(seasonal) / len(seasonal)
        noise = _SEASON_ERROR**2 / len(seasonal)
        correction = mean * max(0.0, 1.0 - noise / max(mean * mean, 1e-12))
    else:
        correction = _agreed([error for _, error in errors])
    return max(-_MOST, min(_MOST, correction))


def _agreed(errors: Sequence[float]) -> float:
    """Take the smallest error where all have one direction, and nothing where there are few."""
    if len(errors) < _FEWEST_AGREEING or min(errors) < 0 < max(errors):
        return 0.0
    return min(errors, key=abs)


def relative_error(tournament: Tournament) -> float:
    """Estimate the standard error of the total, as a share of it.

    The spread of the errors that the levels of `level_factors` would have left on past days, and at
    least what chance alone does to a sum over so many customers, and what is usual.

    Parameters
    ----------
    tournament : Tournament
        Held.

    Returns
    -------
    float
        In (0, 5], on the logarithm of the total.
    """
    if not tournament.trials:
        return _UNKNOWN_ERROR
    correction = _correction(tournament, "value", "value") if tournament.plan.is_full_test else 0.0
    days = {trial.test.origin for trial in tournament.trials_of_the_season}
    errors = [
        error - correction
        for origin, error in log_errors(tournament, "value", "expected_value", "value")
        if origin in days
    ]
    spread = sqrt(sum(e * e for e in errors) / len(errors)) if errors else _UNKNOWN_ERROR
    by_chance = max(_sampling_error(t.test.outcomes["value"]) for t in tournament.trials)
    # Errors of few windows tell little of how large one may be.
    error = max(spread, by_chance, _USUAL_ERROR) * sqrt(1.0 + 1.0 / max(len(errors), 1))
    return min(error, _LARGEST_ERROR)


def _sampling_error(value: "pd.Series[float]") -> float:
    total = float(value.sum())
    return sqrt(len(value)) * float(np.std(value)) / total if total > 0 else _UNKNOWN_ERROR
