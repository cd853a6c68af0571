import io
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from training import pictures

NAN, INF = float("nan"), float("inf")


class Forgetful:
    """A model that knows nothing of anybody."""

    def p_alive(self, X: pd.DataFrame) -> np.ndarray:
        return np.full(len(X), NAN)

    def expected_purchases(self, X: pd.DataFrame, horizon_days: float) -> np.ndarray:
        return np.full(len(X), horizon_days * NAN)


def calibration(predicted: list[float], actual: list[float]) -> Figure:
    return pictures.draw_calibration(forecast_of(predicted), outcomes_of(actual), currency="$ or $")


def gain(predicted: list[float], actual: list[float]) -> Figure:
    return pictures.draw_gain_curve({"$a$": forecast_of(predicted)}, outcomes_of(actual))


def forecast_of(values: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"expected_value": values}, dtype=float)


def outcomes_of(values: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"value": values}, dtype=float)


def coverage(actual: list[float], predicted: list[float], nominal: float = 0.9) -> Figure:
    width = [1.0] * len(actual)
    return pictures.draw_coverage(actual, predicted, width, predicted, nominal_coverage=nominal)


def heat_map(T: float, max_frequency: int) -> Figure:
    return pictures.draw_frequency_recency(
        Forgetful(), T=T, horizon_days=0, max_frequency=max_frequency
    )


DEGENERATE: dict[str, Callable[[], Figure]] = {
    "calibration of nobody": lambda: calibration([], []),
    "calibration of one": lambda: calibration([1.0], [2.0]),
    "calibration of zeros": lambda: calibration([0.0] * 12, [0.0] * 12),
    "calibration of the unknown": lambda: calibration([NAN, INF], [1.0, 1.0]),
    "calibration of returns": lambda: calibration([1.0, 2.0], [-1.0, -5.0]),
    "gain of nobody": lambda: gain([], []),
    "gain of one": lambda: gain([1.0], [2.0]),
    "gain of zeros": lambda: gain([0.0] * 12, [0.0] * 12),
    "gain of the unknown": lambda: gain([NAN, INF, 1.0], [1.0, 1.0, NAN]),
    "gain of returns": lambda: gain([1.0, 2.0, 3.0], [7.0, -1.0, -5.0]),
    "gain of no candidate": lambda: pictures.draw_gain_curve({}, outcomes_of([1.0])),
    "reliability of nobody": lambda: pictures.draw_reliability([], []),
    "reliability of one": lambda: pictures.draw_reliability([True], [0.0]),
    "reliability of zeros": lambda: pictures.draw_reliability([False] * 12, [0.0] * 12),
    "reliability of the unknown": lambda: pictures.draw_reliability([True], [NAN]),
    "tracking of no week": lambda: pictures.draw_tracking([], [], [], split_day=0),
    "tracking of one week": lambda: pictures.draw_tracking([7], [0], [0], split_day=7),
    "tracking of zeros": lambda: pictures.draw_tracking([7, 14], [0, 0], [0, 0], split_day=0),
    "tracking of the unknown": lambda: pictures.draw_tracking([7], [NAN], [NAN], split_day=0),
    "heat map of today": lambda: heat_map(0, 9),
    "heat map of one purchase": lambda: heat_map(30.5, 0),
    "heat map of more purchases than days": lambda: heat_map(2.7, 1_000),
    "coverage of nobody": lambda: coverage([], []),
    "coverage of one": lambda: coverage([0.0], [0.0]),
    "coverage of zeros": lambda: coverage([0.0] * 12, [0.0] * 12, nominal=1.0),
    "coverage of the unknown": lambda: coverage([1.0, 2.0], [NAN, NAN]),
    "importance of nothing": lambda: pictures.draw_importance({}),
    "importance of zeros": lambda: pictures.draw_importance({"a": 0.0, "b": -0.0, "c": NAN}),
    "importance without bounds": lambda: pictures.draw_importance({"$_a$": -INF}, currency="$^$"),
    "drift of nothing": lambda: pictures.draw_drift({}),
    "drift of zeros": lambda: pictures.draw_drift({"a": 0.0, "b": NAN}),
    "drift without bounds": lambda: pictures.draw_drift({"$_a$": INF}),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_bears_data_that_show_nothing(name: str) -> None:
    figure = DEGENERATE[name]()
    figure.savefig(io.BytesIO(), dpi=40)  # warnings, which are errors, come only now
    assert figure.get_suptitle()
    assert "nan" not in figure.get_suptitle()


def test_a_picture_belongs_to_nobody_else() -> None:
    calibration([1.0], [2.0])
    assert pyplot.get_fignums() == []


def test_all_pictures_are_covered_here() -> None:
    assert len({name.split(" of ")[0].split(" without ")[0] for name in DEGENERATE}) == len(
        pictures.__all__
    )
