"""Lists of different lengths, one after the other in flat arrays: a customer's orders, say."""

import numpy as np

from simulation.world import IntArray

__all__ = ["position_within", "rows_of"]


def rows_of(counts: IntArray) -> IntArray:
    """Say for each entry of the flat list which owner has it.

    Parameters
    ----------
    counts : array of shape (n_owners,)
        How many entries each owner has.

    Returns
    -------
    array of shape (n_entries,)
        The owners' positions, ascending.

    Examples
    --------
    >>> rows_of(np.array([2, 0, 1])).tolist()
    [0, 0, 2]
    """
    return np.repeat(np.arange(len(counts), dtype=np.int64), counts)


def position_within(owners: IntArray) -> IntArray:
    """Count the entries of each owner.

    Parameters
    ----------
    owners : array of shape (n_entries,)
        Who owns each entry; entries of one owner stand together.

    Returns
    -------
    array of shape (n_entries,)
        From 0 for each owner.

    Examples
    --------
    >>> position_within(np.array([0, 0, 2])).tolist()
    [0, 1, 0]
    """
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    lengths = np.diff(starts, append=len(owners))
    return np.arange(len(owners), dtype=np.int64) - np.repeat(starts, lengths)
