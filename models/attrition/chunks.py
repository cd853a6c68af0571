"""Histories in pieces, on all processors, and no work done twice for those who share one."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from models.attrition.history import PurchaseHistory, distinct_rows
from models.base import FloatArray

__all__ = ["in_chunks", "once_each"]

_Result = TypeVar("_Result")
Ahead = Callable[[PurchaseHistory, FloatArray], FloatArray]
# Rows whose integrals ahead are computed at a time.
_CHUNK_ROWS = 4_096


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
    pieces = list(history.chunks(n_rows))

    def apply(rows: slice) -> _Result:
        return function(history.take(rows), *(array[rows] for array in arrays))

    if len(pieces) == 1:
        return [apply(pieces[0])]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(apply, pieces))


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
    found = distinct_rows(history.T, history.x, horizon)
    if found is None:
        return np.concatenate(in_chunks(function, history, _CHUNK_ROWS, horizon))
    place, number = found
    once = in_chunks(function, history.take(place), _CHUNK_ROWS, horizon[place])
    return np.concatenate(once)[number]
