from math import isnan, log

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from models.drift import population_stability, reliability_line, total_ratio_range


class TestPopulationStability:
    def test_is_the_formula_over_bins_of_the_earlier_day(self) -> None:
        before = pd.Series(np.arange(1.0, 101.0))
        # The lowest tenth is gone, the highest has doubled.
        after = pd.Series([*np.arange(11.0, 101.0), *np.arange(91.0, 101.0)])

        shift = population_stability(before, after)

        # An empty bin counts as half a customer of the hundred.
        by_hand = (0.005 - 0.1) * log(0.005 / 0.1) + (0.2 - 0.1) * log(0.2 / 0.1)
        assert shift.psi == pytest.approx(by_hand)

    def test_null_is_a_bin_of_its_own(self) -> None:
        before = pd.Series([1.0, 2.0, np.nan, np.nan])
        after = pd.Series([1.0, np.nan, np.nan, np.nan])

        # Bins 1, 2 and null; 2 is empty now.
        by_hand = (0.125 - 0.25) * log(0.125 / 0.25) + (0.75 - 0.5) * log(0.75 / 0.5)
        assert population_stability(before, after).psi == pytest.approx(by_hand)

    @pytest.mark.parametrize(
        "signal",
        [
            pd.Series([3.0, 3.0, 3.0]),
            pd.Series([np.nan, np.nan]),
            pd.Series(["a", None, "null"], dtype="str"),
            pd.Series([0.0] * 90 + list(range(10))),
            pd.Series([5.0]),
        ],
    )
    def test_is_0_where_nothing_moves(self, signal: pd.Series) -> None:
        assert population_stability(signal, signal).psi == 0

    @pytest.mark.parametrize("later", [2.0, 4.0])
    def test_sees_what_was_the_same_for_everybody_move_either_way(self, later: float) -> None:
        before, after = pd.Series([3.0] * 50), pd.Series([later] * 50)

        assert population_stability(before, after).psi > 1

    def test_sees_a_class_that_is_new(self) -> None:
        before, after = pd.Series(["a"] * 50, dtype="str"), pd.Series(["b", None] * 25, dtype="str")

        assert population_stability(before, after).psi > 1

    def test_a_signal_that_nobody_had_has_moved_when_all_have_it(self) -> None:
        assert population_stability(pd.Series([np.nan] * 9), pd.Series([1.0] * 9)).psi > 1

    def test_is_unknown_without_anybody(self) -> None:
        nobody = pd.Series([], dtype=float)

        assert isnan(population_stability(nobody, pd.Series([1.0])).psi)
        assert isnan(population_stability(pd.Series([1.0]), nobody).psi)

    @pytest.mark.parametrize(("n", "m"), [(200, 300), (5_000, 1_000)])
    def test_stays_below_what_chance_makes_of_it_19_times_in_20(self, n: int, m: int) -> None:
        chance = np.random.default_rng(0)
        shifts = [
            population_stability(pd.Series(chance.normal(size=n)), pd.Series(chance.normal(size=m)))
            for _ in range(300)
        ]

        assert 0.90 <= np.mean([shift.psi <= shift.by_chance for shift in shifts]) <= 0.99


class TestTotalRatioRange:
    def test_holds_the_truth_19_times_in_20(self) -> None:
        chance = np.random.default_rng(0)
        held = []
        for _ in range(200):
            predicted = chance.gamma(2.0, 5.0, size=200)
            actual = predicted * chance.gamma(1.0, 1.0, size=200)
            lower, upper = total_ratio_range(actual, predicted)
            held.append(lower <= 1 <= upper)

        assert 0.88 <= np.mean(held) <= 0.99

    def test_is_the_same_each_time_and_no_wider_for_units_than_for_customers(self) -> None:
        chance = np.random.default_rng(0)
        predicted = chance.gamma(2.0, 5.0, size=60_000)
        actual = predicted * chance.gamma(1.0, 1.0, size=60_000)

        lower, upper = total_ratio_range(actual, predicted)

        assert (lower, upper) == total_ratio_range(actual, predicted)
        # Of a ratio of means: 1.96 sd / sqrt(n), with sd of p (g - 1) over the mean of p.
        by_formula = 1.96 * np.sqrt(np.mean(predicted**2)) / predicted.mean() / np.sqrt(60_000)
        assert upper - lower == pytest.approx(2 * by_formula, rel=0.15)

    @pytest.mark.parametrize("predicted", [[], [0.0, 0.0], [-1.0, 0.5]])
    def test_is_unknown_where_nothing_is_expected(self, predicted: list[float]) -> None:
        assert all(map(isnan, total_ratio_range([1.0] * len(predicted), predicted)))


class TestReliabilityLine:
    def test_a_reliable_forecast_has_slope_1_and_intercept_0(self) -> None:
        chance = np.random.default_rng(0)
        probability = chance.uniform(0.05, 0.95, size=20_000)

        line = reliability_line(chance.uniform(size=20_000) < probability, probability)

        assert line.slope_lower < 1 < line.slope_upper
        assert line.slope == pytest.approx(1, abs=0.05)
        assert line.intercept == pytest.approx(0, abs=0.1)

    def test_two_probabilities_have_a_line_by_hand(self) -> None:
        # Of ten said to be at 0.9 seven came so, of ten at 0.2 three.
        happened = [True] * 7 + [False] * 3 + [True] * 3 + [False] * 7

        line = reliability_line(happened, [0.9] * 10 + [0.2] * 10)

        slope = (logit(0.7) - logit(0.3)) / (logit(0.9) - logit(0.2))
        assert line.slope == pytest.approx(slope, abs=1e-5)
        assert line.intercept == pytest.approx(logit(0.7) - slope * logit(0.9), abs=1e-5)
        # The variance of a difference of log-odds is the sum of 1 / (n p (1 - p)).
        error = np.sqrt(2 / (10 * 0.21)) / (logit(0.9) - logit(0.2))
        assert line.slope_upper - line.slope == pytest.approx(1.96 * error, rel=1e-3)

    @pytest.mark.parametrize(
        ("happened", "probability"),
        [
            ([], []),
            ([True], [0.3]),
            ([True, True], [0.3, 0.4]),
            ([True, False], [0.5, 0.5]),
            ([False, False, True], [0.1, 0.2, 0.9]),
            ([False, False, True, True], [0.1, 0.2, 0.2, 0.9]),
            ([True, False], [0.0, 1.0]),
        ],
    )
    def test_is_unknown_where_the_likelihood_has_no_maximum(
        self, happened: list[bool], probability: list[float]
    ) -> None:
        line = reliability_line(happened, probability)

        assert all(map(isnan, vars(line).values()))
