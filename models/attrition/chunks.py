"""Histories in pieces, on all processors, and no work done twice for those who share one."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from models.attrition.history import PurchaseHistory, distinct_rows
from models.base import FloatArray
from models.pieces import in_pieces

__all__ = ["in_chunks", "once_each"]

_Result = TypeVar("_Result")
Ahead = Callable[[PurchaseHistory, FloatArray], FloatArray]
# Rows whose integrals ahead are computed at a time.
_CHUNK_ROWS = 4_096
# To find out which of so few rows are alike takes longer than to compute them all.
_FEW_ROWS = 100


def in_chunks(
    function: Callable[..., _Result],
    history: PurchaseHistory,
    n_rows: int,
    *arrays: npt.NDArray[np.float64],
) -> list[_Result]:
    """Apply a function to pieces of the rows, on all processors.

    Parameters
    ----------
    function : callable
        Given a piece of the history and of each array. Must not write into them.
    history : PurchaseHistory
        Customers.
    n_rows : int
        The most rows a piece has.
    *arrays : array of shape (n_rows, ...)
        Whatever goes with the rows.

    Returns
    -------
    list
        One result a piece, in the order of the rows whatever the processors do.
    """

    def apply(rows: slice) -> _Result:
        return function(history.take(rows), *(array[rows] for array in arrays))

    return in_pieces(apply, len(history), n_rows)


def once_each(function: Ahead, history: PurchaseHistory, horizon: FloatArray) -> FloatArray:
    """Compute what lies ahead of those alive, once for all who share x, T and horizon.

    Parameters
    ----------
    function : callable
        From customers alive at T, and a horizon for each, to numbers.
    history : PurchaseHistory
        Customers.
    horizon : array of shape (n_rows,)
        Days after T, in [0, inf).

    Returns
    -------
    array of shape (n_rows, ...)
        A result a customer.
    """
    is_few = len(history) <= _FEW_ROWS
    found = None if is_few else distinct_rows(history.T, history.x, horizon)
    if found is None:
        return np.concatenate(in_chunks(function, history, _CHUNK_ROWS, horizon))
    place, number = found
    once = in_chunks(function, history.take(place), _CHUNK_ROWS, horizon[place])
    return np.concatenate(once)[number]
