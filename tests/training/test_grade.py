from collections.abc import Callable

import pytest

from training.grade import Grade, grade_of
from training.tournament import Tournament

TournamentOf = Callable[..., Tournament]


def _graded(tournament: Tournament, n_customers: int = 1_000, n_repeaters: int = 300) -> Grade:
    return grade_of(tournament, n_customers=n_customers, n_repeaters=n_repeaters)


def test_a_tenth_less_loss_and_a_total_within_15_percent_are_an_a(
    tournament_of: TournamentOf,
) -> None:
    better = {"pareto_nbd": {"value_tweedie": 0.89}}
    grade = _graded(tournament_of((90, 1.1), (136, 0.9), figures=better))
    assert grade.letter == "A"
    assert grade.may_serve
    assert grade.reason == (
        "Pareto_nbd against naive on value_tweedie: 0.89 against 1, mean of 2 past windows of "
        "90 days."
    )


@pytest.mark.parametrize(
    ("figures", "came"),
    [
        ({"value_tweedie": 0.91}, 1.0),
        ({"value_tweedie": 0.5}, 1.2),
        ({"value_tweedie": 0.5}, 0.8),
        ({"value_tweedie": 0.5, "churn_log_loss": 0.51}, 1.0),
    ],
    ids=["less than a tenth better", "too low a total", "too high a total", "worse on churn"],
)
def test_what_beats_the_baseline_but_is_no_a_is_a_b(
    tournament_of: TournamentOf, figures: dict[str, float], came: float
) -> None:
    grade = _graded(tournament_of((90, came), figures={"pareto_nbd": figures}))
    assert grade.letter == "B"
    assert grade.may_serve


def test_a_total_that_nobody_could_hold_against_what_came_is_no_a(
    tournament_of: TournamentOf,
) -> None:
    tournament = tournament_of((90, 1.0), figures={"pareto_nbd": {"value_tweedie": 0.5}})
    tournament.trials[0].test.outcomes["value"] = 0.0
    assert _graded(tournament).letter == "B"


@pytest.mark.parametrize(
    "figures",
    [
        {"value_tweedie": 1.0},
        {"value_tweedie": 1.3},
        {"value_tweedie": 0.5, "value_gini": 0.0},
        {"value_tweedie": float("nan")},
        {"value_tweedie": 0.5, "value_gini": float("nan")},
    ],
    ids=["as good", "worse", "no better an order than chance", "no loss", "no order"],
)
def test_what_does_not_beat_the_baseline_is_a_c(
    tournament_of: TournamentOf, figures: dict[str, float]
) -> None:
    grade = _graded(tournament_of((90, 1.0), figures={"pareto_nbd": figures}))
    assert grade.letter == "C"
    assert not grade.may_serve
    assert grade.reason.startswith("Does not beat the baseline: pareto_nbd against naive")


@pytest.mark.parametrize(("naive", "letter"), [(0.0, "C"), (float("nan"), "C")])
def test_a_baseline_without_loss_is_not_beaten(
    tournament_of: TournamentOf, naive: float, letter: str
) -> None:
    figures = {"naive": {"value_tweedie": naive}, "pareto_nbd": {"value_tweedie": naive}}
    assert _graded(tournament_of((90, 1.0), figures=figures)).letter == letter


@pytest.mark.parametrize(("n_customers", "n_repeaters"), [(99, 90), (1_000, 29), (0, 0)])
def test_too_few_customers_or_repeaters_are_insufficient(
    tournament_of: TournamentOf, n_customers: int, n_repeaters: int
) -> None:
    better = {"pareto_nbd": {"value_tweedie": 0.5}}
    grade = _graded(tournament_of((90, 1.0), figures=better), n_customers, n_repeaters)
    assert grade.letter == "insufficient"
    assert not grade.may_serve
    assert grade.reason.startswith(f"{n_customers:,} customers, {n_repeaters} of whom bought again")


def test_just_enough_of_them_are_graded(tournament_of: TournamentOf) -> None:
    better = {"pareto_nbd": {"value_tweedie": 0.5}}
    assert _graded(tournament_of((90, 1.0), figures=better), 100, 30).letter == "A"


def test_without_a_past_day_to_test_on_nobody_can_tell(tournament_of: TournamentOf) -> None:
    grade = _graded(tournament_of())
    assert grade.letter == "insufficient"
    assert "on 0 past days to test on" in grade.reason
