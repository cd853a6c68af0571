"""What of the data goes into a picture, and in which order."""

import numpy as np
import numpy.typing as npt

from models.base import FloatArray

__all__ = ["equal_groups", "known_rows"]


def known_rows(*columns: npt.ArrayLike) -> tuple[FloatArray, ...]:
    """Keep the customers of whom everything is known.

    Parameters
    ----------
    *columns : array-like of shape (n_customers,)
        Figures of the same customers.

    Returns
    -------
    tuple of arrays of shape (n_known,)
        The columns, without the rows in which any is null or infinite.

    Raises
    ------
    ValueError
        If they are not of the same customers.

    Examples
    --------
    >>> known_rows([1, 2, 3], [4, float("nan"), 6])
    (array([1., 3.]), array([4., 6.]))
    """
    arrays = [np.asarray(column, dtype=float) for column in columns]
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"A picture needs columns of the same length. Got {lengths} instead.")
    is_known = np.logical_and.reduce([np.isfinite(array) for array in arrays])
    return tuple(array[is_known] for array in arrays)


def equal_groups(by: FloatArray, n_groups: int) -> list[npt.NDArray[np.intp]]:
    """Split customers into groups of equal size, lowest first.

    Parameters
    ----------
    by : array of shape (n_customers,)
        By what.
    n_groups : int
        How many groups there are to be.

    Returns
    -------
    list of arrays of int
        Row numbers by group; fewer groups where there are fewer customers.

    Examples
    --------
    >>> equal_groups(np.array([3.0, 1.0, 2.0, 4.0]), 2)
    [array([1, 2]), array([0, 3])]
    """
    order = np.argsort(by, kind="stable")
    return np.array_split(order, min(n_groups, len(order))) if len(order) else []
