"""Boosted trees as LightGBM text: grown the same way each time, restored without running code."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from models.base import FloatArray

__all__ = ["grow_trees", "restore_trees"]

_N_TREES = 150


def grow_trees(
    rows: FloatArray,
    target: FloatArray,
    *,
    objective: str,
    falls: Sequence[bool],
    offset: FloatArray | None,
    weight: FloatArray,
    random_state: int,
) -> str:
    """Boost trees on one thread.

    Parameters
    ----------
    rows : array of shape (n_rows, n_columns)
        What to learn from; NaN where not known.
    target : array of shape (n_rows,)
        What to learn.
    objective : str
        LightGBM's name of the loss.
    falls : sequence of bool, shape (n_columns,)
        Whether the prediction must not rise with the column.
    offset : array of shape (n_rows,) or None
        Raw scores to start from.
    weight : array of shape (n_rows,)
        How much each row counts, above 0.
    random_state : int
        Seed of the sampling of rows and columns, in [0, 2**31).

    Returns
    -------
    str
        LightGBM text.

    Raises
    ------
    ImportError
        If a library is missing that LightGBM needs.
    """
    lightgbm = _lightgbm()
    settings = {
        "objective": objective,
        "learning_rate": 0.04,
        # 7 leaves are better out of time than 15 (CDNOW: Tweedie deviance .720, not .766).
        "num_leaves": 7,
        # A leaf of 1 % of the rows, 20 to 200, has seen enough zeros to know their share.
        "min_data_in_leaf": int(np.clip(len(rows) // 100, 20, 200)),
        "max_bin": 127,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "monotone_constraints": [-int(fall) for fall in falls],
        "seed": random_state,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    dataset = lightgbm.Dataset(rows, target, weight=weight, init_score=offset)
    text: str = lightgbm.train(settings, dataset, _N_TREES).model_to_string()
    return text


def restore_trees(text: str) -> Any:
    """Read trees back.

    Parameters
    ----------
    text : str
        What `grow_trees` gave.

    Returns
    -------
    lightgbm.Booster
        It predicts exactly what was grown.

    Raises
    ------
    ImportError
        If a library is missing that LightGBM needs.
    """
    return _lightgbm().Booster(model_str=text)


def _lightgbm() -> ModuleType:
    """Import LightGBM late: only what boosts pays for it."""
    try:
        import lightgbm
    except OSError as error:
        if "libgomp" not in str(error):
            raise
        raise ImportError(
            "LightGBM needs the system library libgomp1: "
            "install it with 'apt-get install libgomp1'."
        ) from error
    return lightgbm
