"""Rows in pieces, on all processors."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["in_pieces"]

_Result = TypeVar("_Result")


def in_pieces(function: Callable[[slice], _Result], n_rows: int, piece_rows: int) -> list[_Result]:
    """Apply a function to pieces of the rows, on all processors.

    Parameters
    ----------
    function : callable
        Given the rows of a piece. It runs in several threads at a time.
    n_rows : int
        How many rows there are, 0 or more.
    piece_rows : int
        The most rows a piece has, 1 or more.

    Returns
    -------
    list
        One result a piece, in the order of the rows whatever the processors do; one for no rows
        where there are none.

    Examples
    --------
    >>> in_pieces(lambda rows: rows.stop - rows.start, 5, 2)
    [2, 2, 1]
    """
    starts = range(0, max(n_rows, 1), piece_rows)
    pieces = [slice(start, min(start + piece_rows, n_rows)) for start in starts]
    if len(pieces) == 1:
        return [function(pieces[0])]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(function, pieces))
