import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.tier import POLICIES, tiers_by_share


def tiers(*value: float | None) -> str:
    customers = [f"C-{i}" for i in range(len(value))]
    return "".join(tiers_by_share(pd.Series(value, index=customers, dtype=float)))


def test_the_cut_is_at_80_and_95_percent() -> None:
    assert tiers(80, 15, 5) == "ABC"
    assert tiers(79, 16, 5) == "AAC"
    assert tiers(5, 15, 80) == "CBA"


def test_round_shares_are_met_in_spite_of_binary_fractions() -> None:
    assert tiers(*[0.1] * 10) == "AAAAAAAABB"


def test_one_customer_with_value_is_an_a() -> None:
    assert tiers(1) == "A"


def test_without_positive_value_all_are_c() -> None:
    assert tiers(0, -5, None) == "CCC"
    assert tiers() == ""
    assert tiers(10, 0, -5, None) == "ACCC"


def test_equal_values_go_by_customer_id() -> None:
    value = pd.Series(1.0, index=["e", "d", "c", "b", "a"])
    assert tiers_by_share(value).to_dict() == dict(zip("abcde", "AAAAB", strict=True))


@given(st.lists(st.floats(-1e6, 1e6), max_size=40))
def test_a_is_the_smallest_set_that_reaches_its_share(values: list[float]) -> None:
    value = pd.Series(values, dtype=float)
    tier = tiers_by_share(value)
    best, total = value[tier == "A"], value.clip(lower=0).sum()
    assert best.sum() >= 0.8 * total * (1 - 1e-8)
    if len(best):
        assert best.sum() - best.min() <= 0.8 * total
        assert best.min() >= value[tier != "A"].max() or (tier == "A").all()
    assert not (tier[value <= 0] != "C").any()


@given(st.lists(st.floats(0, 1e6), max_size=40), st.randoms())
def test_the_order_of_rows_changes_nothing(
    values: list[float], chance: np.random.Generator
) -> None:
    value = pd.Series(values, dtype=float)
    order = list(value.index)
    chance.shuffle(order)
    pd.testing.assert_series_equal(
        tiers_by_share(value.loc[order]).sort_index(), tiers_by_share(value)
    )


def test_policies_are_known_by_their_names() -> None:
    assert [*POLICIES] == ["predicted", "pareto"]
    assert all(policy.name == name and policy.version >= 1 for name, policy in POLICIES.items())


def test_each_policy_goes_by_its_column() -> None:
    customers = pd.DataFrame({"expected_value": [80, 15, 5], "revenue": [5, 15, 80]})
    assert [*POLICIES["predicted"].assign(customers)] == [*"ABC"]
    assert [*POLICIES["pareto"].assign(customers)] == [*"CBA"]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ValueError, match="policy 'pareto' needs the column 'revenue'"):
        POLICIES["pareto"].assign(pd.DataFrame({"expected_value": [1.0]}))
