"""What is to be done about a model: keep it, recalibrate it, or train it again."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan, nan
from typing import Literal

import pandas as pd

from models.drift import MUCH_DRIFT, Line

__all__ = ["FEWEST_BUYERS", "Calibration", "Verdict", "judge"]

# With fewer buyers, seen or expected, any figure may be chance, and nothing is changed for it.
FEWEST_BUYERS = 20
# The total may be off by so much: 10 % of a whole forecast. Of one that is still running more,
# because a proportional share is only about what comes first.
_MOST_OFF, _MOST_OFF_EARLY = 0.10, 0.25
_SLOPES = (0.8, 1.25)
_MOST_GINI_LOST = 0.1
# The first four are what latent models take, the others what boosted ones lean on most. Where half
# of them have moved much and the figures are worse, a new level alone would not mend it.
_IMPORTANT = (
    *("frequency", "recency", "days_since_last_purchase", "monetary_value"),
    *("mean_purchase_revenue", "revenue_365d", "purchase_days_365d", "gap_mean_days"),
)
_MANY = 4


@dataclass(frozen=True)
class Calibration:
    """How far the level of a forecast is off.

    Parameters
    ----------
    ratio : float
        Actual over predicted total of value; NaN where nothing was predicted.
    lower, upper : float
        Its 95 % range by bootstrap over customers; NaN where fewer than 20 buyers were seen or
        expected.
    line : Line
        Log-odds of no purchase on those predicted.
    """

    ratio: float
    lower: float
    upper: float
    line: Line


@dataclass(frozen=True)
class Verdict:
    """What is to be done about a model.

    Parameters
    ----------
    action : {"keep", "recalibrate", "retrain"}
        What to do.
    reasons : tuple of str
        Why, in sentences.
    """

    action: Literal["keep", "recalibrate", "retrain"]
    reasons: tuple[str, ...]


def judge(
    figures: Mapping[str, Mapping[str, float]],
    calibration: Calibration,
    drift: pd.DataFrame,
    *,
    n_buyers: int,
    n_expected: float,
    is_complete: bool,
) -> Verdict:
    """Say whether a model is to be kept, recalibrated or trained again.

    1. With fewer than 20 buyers, both seen and expected: keep, there is too little to judge by.
    2. Retrain where nobody bought; where its ranking (value_gini) is below the naive baseline's;
       where, over the whole horizon, it has lost more than 0.1 since the tournament; or where the
       level is off (rule 3) and at least 4 of the 8 important signals have a PSI above 0.25, and
       above what chance makes of it.
    3. Recalibrate where the level is off: the total by more than 10 % (25 % while the horizon is
       running) with 1 outside its range, or the slope of churn outside 0.8 to 1.25 likewise.
    4. Keep otherwise.

    Parameters
    ----------
    figures : mapping of str to mapping of str to float
        Of "model", "naive" and, where they are known, "tournament".
    calibration : Calibration
        How far the level is off.
    drift : DataFrame, indexed by signal
        Columns psi and by_chance.
    n_buyers : int
        Customers who bought.
    n_expected : float
        Customers who were expected to.
    is_complete : bool
        Whether the whole horizon has passed.

    Returns
    -------
    Verdict
        What to do, and every reason for it.
    """
    if max(n_buyers, n_expected) < FEWEST_BUYERS:
        return Verdict(
            "keep",
            (
                f"There is too little to judge by: {n_buyers:,} customers bought, "
                f"{n_expected:,.0f} were expected to.",
            ),
        )
    if not n_buyers:
        return Verdict(
            "retrain",
            (
                f"None of the scored customers bought, though {n_expected:,.0f} were expected to. "
                "Is the ledger complete?",
            ),
        )
    level = _faults_of_level(calibration, _MOST_OFF if is_complete else _MOST_OFF_EARLY)
    moved = [name for name in _moved(drift) if name in _IMPORTANT]
    faults = _faults_of_ranking(figures, is_complete)
    if level and len(moved) >= _MANY:
        faults += [*level, f"Customers have changed: {', '.join(moved)} have moved much."]
    if faults:
        return Verdict("retrain", tuple(faults))
    if level:
        return Verdict("recalibrate", ("The ranking holds.", *level))
    return Verdict("keep", ("The ranking holds, and the level is within its bounds.",))


def _faults_of_ranking(figures: Mapping[str, Mapping[str, float]], is_complete: bool) -> list[str]:
    gini, naive = figures["model"]["value_gini"], figures["naive"]["value_gini"]
    faults = []
    if gini < naive:
        faults.append(
            f"It ranks customers worse than the naive baseline: a Gini of {gini:.3f} against "
            f"{naive:.3f}."
        )
    once = figures.get("tournament", {}).get("value_gini", nan)
    if is_complete and once - gini > _MOST_GINI_LOST:
        faults.append(f"Its Gini fell from {once:.3f} in the tournament to {gini:.3f}.")
    return faults


def _faults_of_level(calibration: Calibration, most_off: float) -> list[str]:
    ratio, lower, upper = calibration.ratio, calibration.lower, calibration.upper
    line, faults = calibration.line, []
    if abs(ratio - 1) > most_off and not lower <= 1 <= upper and not isnan(lower):
        faults.append(
            f"The total came to {ratio:.0%} of what was expected (95 % range {lower:.0%} to "
            f"{upper:.0%})."
        )
    is_sure = not line.slope_lower <= 1 <= line.slope_upper
    if is_sure and (line.slope < _SLOPES[0] or line.slope > _SLOPES[1]):
        how = "extreme" if line.slope < 1 else "timid"
        faults.append(
            f"Churn probabilities are too {how}: their slope is {line.slope:.2f} (95 % range "
            f"{line.slope_lower:.2f} to {line.slope_upper:.2f})."
        )
    return faults


def _moved(drift: pd.DataFrame) -> list[str]:
    is_much = (drift["psi"] > MUCH_DRIFT) & (drift["psi"] > drift["by_chance"])
    return [str(name) for name in drift.index[is_much]]
