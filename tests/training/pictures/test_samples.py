import numpy as np

from training.pictures.samples import equal_groups, known_rows


def test_groups_are_of_equal_size_and_in_order() -> None:
    by = np.random.default_rng(0).random(103)
    groups = equal_groups(by, 10)
    assert {len(group) for group in groups} == {10, 11}
    assert list(np.concatenate(groups)) == list(np.argsort(by))


def test_there_are_no_more_groups_than_customers() -> None:
    assert len(equal_groups(np.array([1.0, 2.0]), 10)) == 2
    assert equal_groups(np.array([]), 10) == []


def test_rows_with_anything_unknown_are_left_out() -> None:
    a, b = known_rows([1, None, 3, 4], [True, False, float("inf"), True])
    assert (list(a), list(b)) == ([1, 4], [1, 1])
