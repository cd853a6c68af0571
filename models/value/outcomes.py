"""What came: outcomes to learn from, checked, and forecasts levelled to them."""

import numpy as np
import pandas as pd

from models.base import FloatArray

__all__ = ["checked_outcomes", "level"]


def checked_outcomes(y: pd.DataFrame, n_rows: int) -> tuple[FloatArray, FloatArray]:
    """Take the outcomes that a boosted model learns.

    Parameters
    ----------
    y : DataFrame of shape (n_rows, n_columns)
        With columns purchases and value.
    n_rows : int
        How many rows of signals there are.

    Returns
    -------
    (array of shape (n_rows,), array of shape (n_rows,))
        Purchase days, in [0, inf), and value, in money.

    Raises
    ------
    ValueError
        If rows, columns or outcomes are missing.
    """
    missing = [name for name in ("purchases", "value") if name not in y.columns]
    if missing:
        raise ValueError(
            f"BoostedValueModel needs the outcomes {missing}. Found {list(y.columns)}."
        )
    if n_rows == 0 or n_rows != len(y):
        raise ValueError(f"There are signals in {n_rows:,} rows but outcomes in {len(y):,}.")
    outcomes = y[["purchases", "value"]].to_numpy(dtype=float, na_value=np.nan)
    if not np.isfinite(outcomes).all() or (outcomes[:, 0] < 0).any():
        raise ValueError("Outcomes must be finite, and purchases 0 or more.")
    return outcomes[:, 0], outcomes[:, 1]


def level(actual: FloatArray, predicted: FloatArray, weight: FloatArray) -> float:
    """Find the factor that makes the sum of predictions the sum of what came.

    Parameters
    ----------
    actual, predicted : array of shape (n_rows,)
        What came, and what was expected, in [0, inf).
    weight : array of shape (n_rows,)
        How much each row counts, above 0.

    Returns
    -------
    float
        In [0, inf); 1 where nothing was expected.

    Examples
    --------
    >>> level(np.array([3.0, 0.0]), np.array([1.0, 1.0]), np.ones(2))
    1.5
    """
    total = float((weight * predicted).sum())
    return max(float((weight * actual).sum()), 0.0) / total if total > 0 else 1.0
