from collections.abc import Callable
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.level import level_factors, log_errors, relative_error
from training.tournament import Tournament

TournamentOf = Callable[..., Tournament]


def _value_factor(tournament: Tournament) -> float:
    return level_factors(tournament)["value"]


def test_errors_are_logs_of_actual_over_expected(tournament_of: TournamentOf) -> None:
    tournament = tournament_of((90, 1.2), (136, 0.9))
    errors = log_errors(tournament, "value", "expected_value", "value")
    assert [tournament.plan.as_of - origin for origin, _ in errors] == [90, 136]
    assert [error for _, error in errors] == pytest.approx([log(1.2), log(0.9)])


def test_days_on_which_nothing_came_are_left_out(tournament_of: TournamentOf) -> None:
    tournament = tournament_of((90, 1.2), (136, 0.9))
    tournament.trials[0].forecasts["pareto_nbd"]["expected_value"] = 0.0
    assert len(log_errors(tournament, "value", "expected_value", "value")) == 1


def test_the_smallest_error_counts_where_the_last_days_agree(tournament_of: TournamentOf) -> None:
    assert _value_factor(tournament_of((90, 1.3), (136, 1.1), (182, 1.2))) == pytest.approx(1.1)
    assert _value_factor(tournament_of((90, 0.7), (136, 0.9), (182, 0.8))) == pytest.approx(0.9)


def test_what_one_window_had_too_little_and_the_next_too_much_is_no_matter_of_level(
    tournament_of: TournamentOf,
) -> None:
    assert _value_factor(tournament_of((90, 1.3), (136, 0.9))) == 1.0


def test_one_or_two_days_alone_move_nothing(tournament_of: TournamentOf) -> None:
    assert _value_factor(tournament_of((90, 1.5))) == 1.0
    assert _value_factor(tournament_of((90, 1.5), (136, 1.5))) == 1.0


def test_the_same_season_counts_and_the_last_days_do_not(tournament_of: TournamentOf) -> None:
    factor = _value_factor(tournament_of((90, 0.6), (365, 1.5), (730, 1.5)))
    assert 1.45 < factor < 1.5
    assert 1.45 < _value_factor(tournament_of((90, 0.6), (365, 1.5))) < factor


def test_what_seasons_usually_differ_by_moves_nothing(tournament_of: TournamentOf) -> None:
    assert _value_factor(tournament_of((90, 0.6), (365, 1.05))) == 1.0
    assert _value_factor(tournament_of((90, 0.6), (365, 1.05), (730, 0.97))) == 1.0


def test_nothing_moves_by_more_than_a_factor_of_two(tournament_of: TournamentOf) -> None:
    high = tournament_of((90, 9.0), (136, 8.0), (182, 8.0))
    assert _value_factor(high) == pytest.approx(2.0)
    assert _value_factor(tournament_of((90, 1.0), (365, 0.01))) == pytest.approx(0.5)


def test_a_window_shorter_than_the_horizon_says_nothing_of_its_level(
    tournament_of: TournamentOf,
) -> None:
    short = tournament_of((90, 1.3), (136, 1.3), horizon_days=365)
    assert level_factors(short) == {"value": 1.0, "purchases": 1.0}


_FACTORS = st.floats(1e-9, 1e9)


@given(windows=st.lists(st.tuples(st.sampled_from([90, 136, 365, 730]), _FACTORS), max_size=3))
def test_factors_lie_within_bounds_whatever_came(
    tournament_of: TournamentOf, windows: list[tuple[int, float]]
) -> None:
    tournament = tournament_of(*windows)
    assert all(0.5 <= factor <= 2.000001 for factor in level_factors(tournament).values())
    assert 0 < relative_error(tournament) <= 5.0


def test_the_error_of_the_total_is_that_of_the_past_days(tournament_of: TournamentOf) -> None:
    # Two windows, off by a fifth either way: so much, and half more because they are but two.
    error = relative_error(tournament_of((90, 1.2), (136, 1 / 1.2)))
    assert error == pytest.approx(log(1.2) * np.sqrt(1.5))


def test_the_error_of_the_total_is_at_least_what_chance_does(tournament_of: TournamentOf) -> None:
    exact = tournament_of((90, 1.0), (136, 1.0))
    outcomes = exact.trials[0].test.outcomes
    outcomes["value"] = [float(outcomes["value"].sum()), *[0.0] * (len(outcomes) - 1)]
    value = outcomes["value"]
    by_chance = np.std(value) / np.sqrt(len(value)) / value.mean()
    assert relative_error(exact) == pytest.approx(by_chance * np.sqrt(1.5))


def test_the_error_of_the_total_is_at_least_the_usual_one(tournament_of: TournamentOf) -> None:
    assert relative_error(tournament_of((90, 1.0), (136, 1.0))) >= 0.12 * np.sqrt(1.5)


def test_returns_that_all_but_cancel_the_sales_leave_the_error_a_number(
    tournament_of: TournamentOf,
) -> None:
    tournament = tournament_of((90, 1.0))
    tournament.trials[0].test.outcomes["value"] = [1e12, -1e12 + 1e-3] * 200
    assert relative_error(tournament) == 5.0


def test_without_a_past_day_the_error_is_what_is_usual(tournament_of: TournamentOf) -> None:
    assert relative_error(tournament_of()) == 0.3
