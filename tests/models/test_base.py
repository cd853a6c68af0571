import numpy as np
import pandas as pd
import pytest

from models.attrition import NBDModel
from models.base import check_horizon, check_penalties, checked_columns


class Owner:
    pass


def test_missing_columns_are_named_with_those_found() -> None:
    with pytest.raises(ValueError, match=r"Owner needs the columns \['T'\]. Found \['x'\]"):
        checked_columns(pd.DataFrame({"x": [1]}), ["x", "T"], Owner())


@pytest.mark.parametrize(
    ("value", "said"),
    [(np.nan, "not finite"), (np.inf, "not finite"), (-1.0, "negative"), (None, "not finite")],
)
def test_impossible_values_are_counted_with_the_first(value: float | None, said: str) -> None:
    frame = pd.DataFrame({"x": [1.0, value, value]}, index=["C-1", "C-2", "C-3"])
    with pytest.raises(ValueError, match=rf"x is {said} for 2 of 3 customers \(first: 'C-2', x "):
        checked_columns(frame, ["x"], Owner())


def test_recency_beyond_T_is_refused_with_a_way_out() -> None:
    frame = pd.DataFrame({"recency": [412.0], "T": [400.0]}, index=["C-0192"])
    with pytest.raises(ValueError, match=r"recency 412\.0, T 400\.0.*Was as_of set before"):
        checked_columns(frame, ["recency", "T"], Owner())


def test_nullable_and_signed_columns_may_be_so() -> None:
    frame = pd.DataFrame({"x": pd.array([None, -2.0], dtype="Float64")})
    checked = checked_columns(frame, ["x"], Owner(), nullable=["x"], signed=["x"])
    assert np.isnan(checked["x"][0])
    assert checked["x"][1] == -2.0


def test_too_few_customers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Owner needs 1 or more customers\. Found 0\."):
        checked_columns(pd.DataFrame({"x": []}), ["x"], Owner(), at_least=1)


@pytest.mark.parametrize("horizon_days", [-1, np.nan, np.inf, True, "90", None])
def test_impossible_horizons_are_refused(horizon_days: object) -> None:
    with pytest.raises(ValueError, match="The 'horizon_days' parameter of Owner must be"):
        check_horizon(Owner(), horizon_days)  # type: ignore[arg-type]


@pytest.mark.parametrize("penalties", [(), [-0.1], 0.1, ["a"], None])
def test_impossible_penalties_are_refused(penalties: object) -> None:
    with pytest.raises(ValueError, match="The 'penalties' parameter of Owner must be"):
        check_penalties(Owner(), penalties)  # type: ignore[arg-type]


def test_the_state_of_another_model_is_refused() -> None:
    with pytest.raises(ValueError, match="state of 'Other' cannot restore a NBDModel"):
        NBDModel.from_state({"model": "Other"})
