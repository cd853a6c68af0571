"""How good a forecast is, in one letter: what it takes to be promoted."""

from dataclasses import dataclass
from typing import Literal

from training.level import log_errors
from training.tournament import LOSSES, Tournament

__all__ = ["Grade", "Letter", "grade_of"]

Letter = Literal["A", "B", "C", "insufficient"]
# Fewer say little about the next one: the shrunken baseline is what can be had.
FEWEST_CUSTOMERS, FEWEST_REPEATERS = 100, 30
# An A has a tenth less loss than the baseline, and a total within so much.
_A_GAIN, _A_ERROR = 0.10, 0.15


@dataclass(frozen=True)
class Grade:
    """A letter and its reason.

    Parameters
    ----------
    letter : {"A", "B", "C", "insufficient"}
        A and B beat the baseline, C does not; insufficient where nobody can tell.
    reason : str
        Why, in a sentence.
    """

    letter: Letter
    reason: str

    @property
    def may_serve(self) -> bool:
        """Whether the model may become champion in place of another."""
        return self.letter in {"A", "B"}


def grade_of(tournament: Tournament, *, n_customers: int, n_repeaters: int) -> Grade:
    """Grade a tournament's winners against the baseline, which repeats the last window.

    A: at least a tenth less Tweedie deviance of value than the baseline, no more log loss of churn,
    and on past days a total within 15 %. B: less deviance, and an order better than chance. C: not
    so. Insufficient: fewer than 100 customers or 30 who bought again, or no past day to test on.

    Parameters
    ----------
    tournament : Tournament
        Held.
    n_customers, n_repeaters : int
        How many there are as of now, and how many of them bought again.

    Returns
    -------
    Grade
        Letter and reason.
    """
    if not tournament.trials or n_customers < FEWEST_CUSTOMERS or n_repeaters < FEWEST_REPEATERS:
        return Grade(
            "insufficient",
            f"{n_customers:,} customers, {n_repeaters:,} of whom bought again, on "
            f"{len(tournament.trials)} past days to test on: the forecast is what is usual, drawn "
            "towards each customer's own history.",
        )
    baseline, winner = tournament.baseline, tournament.winner
    gain = 1.0 - winner.loss("value") / baseline.loss("value") if baseline.loss("value") else 0.0
    against = (
        f"{winner.name} against {baseline.name} on {LOSSES['value']}: {winner.loss('value'):.4g} "
        f"against {baseline.loss('value'):.4g}, mean of {len(tournament.trials)} past windows of "
        f"{tournament.plan.window_days} days."
    )
    if not gain > 0 or not winner.metrics["value_gini"] > 0:
        return Grade("C", f"Does not beat the baseline: {against}")
    errors = [abs(error) for _, error in log_errors(tournament, "value", "expected_value", "value")]
    churn = tournament.winner_of("churn")
    is_a = (
        gain >= _A_GAIN
        and churn.loss("churn") <= baseline.loss("churn")
        and len(errors) == len(tournament.trials)  # where nothing came, nobody knows the level
        and sum(errors) / len(errors) <= _A_ERROR
    )
    return Grade("A" if is_a else "B", against[0].upper() + against[1:])
