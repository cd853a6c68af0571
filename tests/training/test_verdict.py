from math import nan

import pandas as pd
import pytest

from models.drift import Line
from training.verdict import Calibration, judge

_RELIABLE = Line(0.0, 1.0, 0.9, 1.1)
_RIGHT = Calibration(1.0, 0.95, 1.05, _RELIABLE)
_LOW = Calibration(1.3, 1.2, 1.4, _RELIABLE)
_UNKNOWN = Calibration(nan, nan, nan, Line(nan, nan, nan, nan))
_STILL = pd.DataFrame({"psi": [0.01], "by_chance": [0.1]}, index=["frequency"])
_NONE = pd.DataFrame({"psi": [], "by_chance": []}, dtype=float)


def _moved(n: int, by_chance: float = 0.1) -> pd.DataFrame:
    names = ["frequency", "recency", "revenue_365d", "monetary_value", "gap_mean_days"][:n]
    return pd.DataFrame({"psi": [0.3] * n, "by_chance": [by_chance] * n}, index=names)


def _action(
    calibration: Calibration = _RIGHT,
    drift: pd.DataFrame = _STILL,
    *,
    gini: float = 0.6,
    naive: float = 0.5,
    tournament: float | None = None,
    n_buyers: int = 100,
    n_expected: float = 100.0,
    is_complete: bool = True,
) -> str:
    figures = {"model": {"value_gini": gini}, "naive": {"value_gini": naive}}
    if tournament is not None:
        figures["tournament"] = {"value_gini": tournament}
    verdict = judge(
        figures,
        calibration,
        drift,
        n_buyers=n_buyers,
        n_expected=n_expected,
        is_complete=is_complete,
    )
    assert verdict.reasons
    assert all(reason.endswith((".", "?")) for reason in verdict.reasons)
    return verdict.action


def test_a_model_that_holds_is_kept() -> None:
    assert _action() == "keep"
    assert _action(_UNKNOWN, _NONE, gini=nan, naive=nan) == "keep"


def test_of_few_buyers_nothing_is_concluded() -> None:
    assert _action(_LOW, gini=0.1, n_buyers=19, n_expected=19.4) == "keep"
    assert _action(_LOW, gini=0.1, n_buyers=0, n_expected=19.4) == "keep"


def test_where_nobody_bought_it_is_trained_again() -> None:
    assert _action(_UNKNOWN, gini=nan, naive=nan, n_buyers=0) == "retrain"


def test_a_ranking_below_the_baselines_is_trained_again() -> None:
    assert _action(gini=0.49) == "retrain"
    assert _action(gini=0.49, is_complete=False) == "retrain"


def test_a_ranking_lost_since_the_tournament_is_trained_again_once_the_horizon_has_passed() -> None:
    assert _action(tournament=0.69) == "keep"
    assert _action(tournament=0.71) == "retrain"
    assert _action(tournament=0.71, is_complete=False) == "keep"
    assert _action(tournament=nan) == "keep"


@pytest.mark.parametrize(
    ("calibration", "is_complete", "action"),
    [
        (_LOW, True, "recalibrate"),
        (_LOW, False, "recalibrate"),
        (Calibration(0.8, 0.7, 0.9, _RELIABLE), True, "recalibrate"),
        (Calibration(0.8, 0.7, 0.9, _RELIABLE), False, "keep"),
        (Calibration(1.3, 0.9, 1.7, _RELIABLE), True, "keep"),
        (Calibration(1.09, 1.05, 1.12, _RELIABLE), True, "keep"),
        (Calibration(1.3, nan, nan, _RELIABLE), True, "keep"),
        (Calibration(1.0, 0.9, 1.1, Line(0.0, 0.7, 0.6, 0.9)), True, "recalibrate"),
        (Calibration(1.0, 0.9, 1.1, Line(0.0, 1.3, 1.1, 1.5)), True, "recalibrate"),
        (Calibration(1.0, 0.9, 1.1, Line(0.0, 0.7, 0.3, 1.1)), True, "keep"),
        (Calibration(1.0, 0.9, 1.1, Line(0.0, 0.85, 0.8, 0.9)), True, "keep"),
    ],
)
def test_a_level_that_is_surely_off_is_recalibrated(
    calibration: Calibration, is_complete: bool, action: str
) -> None:
    assert _action(calibration, is_complete=is_complete) == action


def test_a_level_that_is_off_while_customers_have_changed_is_trained_again() -> None:
    assert _action(_LOW, _moved(4)) == "retrain"
    assert _action(_LOW, _moved(3)) == "recalibrate"
    assert _action(_LOW, _moved(4, by_chance=0.5)) == "recalibrate"
    assert _action(_RIGHT, _moved(5)) == "keep"
