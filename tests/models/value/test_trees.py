"""Trees answer as LightGBM does, to the last bit."""

import lightgbm
import numpy as np
import pytest

from models.base import FloatArray
from models.value.trees import Trees, grow_trees


@pytest.fixture(scope="module")
def rows() -> FloatArray:
    """Numbers, zeros, whole numbers, a column that is often missing, one that never varies."""
    chance = np.random.default_rng(0)
    found = chance.normal(size=(1_500, 6))
    found[:, 1] = np.maximum(found[:, 1], 0.0)
    found[:, 2] = chance.integers(-3, 4, len(found))
    found[chance.random(len(found)) < 0.3, 3] = np.nan
    found[:, 5] = 1.0
    return found


@pytest.fixture(scope="module")
def text(rows: FloatArray) -> str:
    target = np.nan_to_num(rows[:, 3], nan=2.0) + rows[:, 1] * rows[:, 2] + rows[:, 0] ** 2
    return _grown(rows, np.abs(target) + 0.1)


def _grown(rows: FloatArray, target: FloatArray) -> str:
    n_rows, n_columns = rows.shape
    return grow_trees(
        rows,
        target,
        objective="gamma",
        falls=[False] * n_columns,
        offset=None,
        weight=np.ones(n_rows),
        random_state=0,
    )


def _odd(rows: FloatArray) -> FloatArray:
    """Values no training row had, missing ones where none was among them."""
    odd = np.repeat(rows[:200], 7, axis=0)
    for place, value in enumerate([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e300, -1e-300]):
        odd[place::7, :5] = np.where(np.arange(5) == place % 5, value, odd[place::7, :5])
    return np.vstack([odd, np.full((1, 6), np.nan)])


@pytest.mark.parametrize("n_rows", [1, 2, 7, 511, 513, 1_200])
def test_raw_scores_are_those_of_lightgbm(rows: FloatArray, text: str, n_rows: int) -> None:
    booster, trees = lightgbm.Booster(model_str=text), Trees(text)
    for some in (rows[-n_rows:], _odd(rows)[-n_rows:]):
        expected = booster.predict(some, raw_score=True)
        np.testing.assert_array_equal(trees.raw_scores(some.T), expected)


def test_a_row_scores_alone_as_among_others(rows: FloatArray, text: str) -> None:
    trees = Trees(text)
    alone = [trees.raw_scores(rows[[row]].T)[0] for row in range(50)]
    np.testing.assert_array_equal(alone, trees.raw_scores(rows.T)[:50])


def test_nobody_has_no_scores(rows: FloatArray, text: str) -> None:
    assert Trees(text).raw_scores(rows[:0].T).shape == (0,)


def test_trees_that_split_nothing_are_constant(rows: FloatArray) -> None:
    text = _grown(rows[:20], np.arange(1.0, 21.0))
    found = Trees(text).raw_scores(rows.T)
    np.testing.assert_array_equal(
        found, lightgbm.Booster(model_str=text).predict(rows, raw_score=True)
    )
    assert np.ptp(found) == 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"num_leaves": 31}, "at most 9 leaves"),
        ({"zero_as_missing": True}, "as 'Zero' instead"),
        ({"categorical_feature": [2]}, "Got '=='"),
    ],
)
def test_other_trees_are_refused(rows: FloatArray, settings: dict[str, object], said: str) -> None:
    settings = {"num_leaves": 4, "verbosity": -1, "min_data_per_group": 1, **settings}
    columns = settings.pop("categorical_feature", "auto")
    categories = rows + 3.0
    data = lightgbm.Dataset(categories, (rows[:, 2] % 2) + rows[:, 1], categorical_feature=columns)
    text = lightgbm.train(settings, data, 5).model_to_string()
    with pytest.raises(ValueError, match=said):
        Trees(text)


def test_linear_leaves_are_refused(rows: FloatArray) -> None:
    settings = {"num_leaves": 4, "verbosity": -1, "linear_tree": True}
    text = lightgbm.train(settings, lightgbm.Dataset(rows, rows[:, 1]), 5).model_to_string()
    with pytest.raises(ValueError, match="constant leaves"):
        Trees(text)


@pytest.mark.parametrize("lost", ["max_feature_idx=", "threshold=", "left_child="])
def test_what_is_no_text_of_lightgbm_is_refused(text: str, lost: str) -> None:
    with pytest.raises(ValueError, match="not the whole of it"):
        Trees(text.replace(lost, "other="))
