import math

import numpy as np
import pytest

from models import metrics

ACTUAL = np.array([0.0, 0, 0, 0, 0, 10, 0, 20, 30, 40])


def test_simple_figures_by_hand() -> None:
    assert metrics.mae([1, 2], [2, 4]) == 1.5
    assert metrics.rmse([1, 2], [2, 4]) == pytest.approx(math.sqrt(2.5))
    assert metrics.r2([1, 3], [2, 2]) == 0.0
    assert metrics.wape([1, 3], [2, 5]) == 0.75
    assert metrics.bias([1, 3], [1, 1]) == -0.5


def test_gini_by_hand() -> None:
    # Worst first: shares 0, 1/4, 1 against the best order's 3/4, 1, 1.
    worst, best = 2 * (0 + 1 / 4 + 1) / 3 - 1, 2 * (3 / 4 + 1 + 1) / 3 - 1
    assert metrics.normalised_gini([0, 1, 3], [3, 2, 1]) == pytest.approx(worst / best)


def test_gini_is_one_for_the_perfect_order_and_about_zero_for_none() -> None:
    actual = np.random.default_rng(0).exponential(size=20_000)
    assert metrics.normalised_gini(actual, actual**3) == pytest.approx(1.0)
    assert metrics.normalised_gini(actual, np.ones(20_000)) == pytest.approx(0.0, abs=0.03)


def test_gini_breaks_ties_by_its_seed() -> None:
    tied = [metrics.normalised_gini(ACTUAL, np.ones(10), random_state=seed) for seed in (3, 3, 4)]
    assert tied[0] == tied[1] != tied[2]


def test_tweedie_is_one_for_the_mean_and_less_for_better() -> None:
    assert metrics.tweedie_deviance(ACTUAL, np.full(10, 10.0)) == pytest.approx(1.0)
    assert metrics.tweedie_deviance(ACTUAL, ACTUAL) < 0.1
    assert metrics.tweedie_deviance(ACTUAL, -ACTUAL) > 1.0


def test_decile_mape_by_hand_leaves_out_groups_without_value() -> None:
    assert metrics.decile_mape(ACTUAL, 1.1 * ACTUAL) == pytest.approx(0.1)
    assert metrics.decile_mape(np.ones(100), np.full(100, 0.7)) == pytest.approx(0.3)


def test_churn_figures_by_hand() -> None:
    judged = metrics.churn_metrics([True, True, False, False], [0.9, 0.4, 0.5, 0.1])
    assert judged["churn_auc"] == 0.75
    assert judged["churn_brier"] == pytest.approx((0.01 + 0.36 + 0.25 + 0.01) / 4)
    assert judged["churn_log_loss"] == pytest.approx(-math.log(0.9 * 0.4 * 0.5 * 0.9) / 4)


@pytest.mark.parametrize("actual", [np.zeros(20), np.full(20, -3.0), np.array([])])
def test_what_the_data_cannot_give_is_nan(actual: np.ndarray) -> None:
    judged = metrics.value_metrics(actual, np.ones(len(actual)))
    unknown = {name for name, figure in judged.items() if math.isnan(figure)}
    assert unknown >= set(judged) - {"value_mae"}
    assert all(map(math.isnan, metrics.purchase_metrics([], []).values()))


def test_one_class_has_no_auc_but_a_brier_score() -> None:
    judged = metrics.churn_metrics([True, True], [0.5, 1.0])
    assert math.isnan(judged["churn_auc"])
    assert judged["churn_brier"] == 0.125
    assert all(map(math.isnan, metrics.churn_metrics([], []).values()))


def test_keys_are_stable() -> None:
    assert [*metrics.purchase_metrics([1], [1])] == [
        *("purchases_mae", "purchases_rmse", "purchases_r2", "purchases_bias"),
        "purchases_poisson",
    ]
    assert [*metrics.value_metrics([1], [1])] == [
        *("value_gini", "value_tweedie", "value_decile_mape", "value_wape"),
        *("value_mae", "value_r2", "value_bias"),
    ]


def test_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 actual but 1 predicted"):
        metrics.mae([1, 2], [1])
