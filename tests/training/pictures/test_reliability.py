import numpy as np
import pytest

from models.metrics import churn_metrics
from training.pictures import draw_reliability


@pytest.fixture
def sample() -> tuple[np.ndarray, np.ndarray]:
    probability = np.linspace(0.05, 0.95, 200)
    return np.random.default_rng(0).random(200) < probability, probability


def test_points_are_shares_in_ten_groups_of_equal_size(
    sample: tuple[np.ndarray, np.ndarray],
) -> None:
    lapsed, probability = sample
    _, groups = draw_reliability(lapsed, probability).axes[0].lines
    assert groups.get_xdata() == pytest.approx(probability.reshape(10, 20).mean(axis=1))
    assert groups.get_ydata() == pytest.approx(lapsed.reshape(10, 20).mean(axis=1))


def test_every_point_lies_within_its_interval(sample: tuple[np.ndarray, np.ndarray]) -> None:
    axes = draw_reliability(*sample).axes[0]
    intervals = [segment[:, 1] for segment in axes.collections[0].get_segments()]
    shares = axes.lines[1].get_ydata()
    assert all(low <= share <= high for (low, high), share in zip(intervals, shares, strict=True))


def test_the_histogram_counts_every_customer(sample: tuple[np.ndarray, np.ndarray]) -> None:
    axes = draw_reliability(*sample).axes[1]
    assert sum(bar.get_height() for bar in axes.patches) == 200
    assert axes.get_ylabel() == "customers"


def test_the_title_gives_bias_and_brier_score(sample: tuple[np.ndarray, np.ndarray]) -> None:
    lapsed, probability = sample
    brier = churn_metrics(lapsed, probability)["churn_brier"]
    assert draw_reliability(*sample).get_suptitle().endswith(f"Brier score {brier:.3f}")
    low = draw_reliability([True, True], [0.9, 0.7]).get_suptitle()
    assert low == "Churn is predicted 20 points too low; Brier score 0.050"
