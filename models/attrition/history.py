"""What an attrition model knows of a customer: frequency, recency and T."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.base import FloatArray, checked_columns, refuse_rows
from models.columns import Signals

__all__ = ["HISTORY_COLUMNS", "IntArray", "PurchaseHistory", "distinct_rows"]

HISTORY_COLUMNS = ("frequency", "recency", "T")
IntArray = npt.NDArray[np.int64]

# Finding the distinct rows of a million takes a second where all differ. A sample of this size
# tells whether they do: days repeat, continuous times do not.
_SAMPLE = 10_000
# Without any time observed, one customer's first day is all there is: a month is a cautious unit.
_UNIT_WITHOUT_TIME = 28.0


@dataclass(frozen=True)
class PurchaseHistory:
    """Purchase histories, each standing for `weight` customers.

    Parameters
    ----------
    x : array of shape (n_rows,)
        Repeat purchase days, whole numbers in [0, inf).
    t_x : array of shape (n_rows,)
        Days from first to last purchase, in [0, T]; 0 where x is 0.
    T : array of shape (n_rows,)
        Days from first purchase to as_of, in [0, inf).
    weight : array of shape (n_rows,)
        Customers per row, 1 or more.
    """

    x: FloatArray
    t_x: FloatArray
    T: FloatArray
    weight: FloatArray

    def __len__(self) -> int:
        return len(self.x)

    @classmethod
    def of(cls, X: "Signals | PurchaseHistory", owner: object, *, at_least: int = 0) -> Self:
        """Read and check the histories of customers.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns), Columns or PurchaseHistory
            With columns frequency, recency, T. What was read before is not checked again.
        owner : object
            The model that asks, for the message.
        at_least : int
            The fewest customers that will do, 0 or more.

        Returns
        -------
        PurchaseHistory
            One row a customer, in the order of X.

        Raises
        ------
        ValueError
            If the histories cannot be.
        """
        if isinstance(X, PurchaseHistory):
            return cls(X.x, X.t_x, X.T, X.weight)
        columns = checked_columns(X, HISTORY_COLUMNS, owner, at_least=at_least)
        x, t_x, T = (columns[name] for name in HISTORY_COLUMNS)
        refuse_rows(
            x != np.floor(x),
            columns,
            what="frequency is not a whole number",
            show=["frequency"],
            hint="It counts repeat purchase days.",
        )
        refuse_rows(
            (x > 0) != (t_x > 0),
            columns,
            what="frequency and recency disagree",
            show=["frequency", "recency"],
            hint="Both are 0 for a single purchase day, and neither is 0 after it.",
        )
        return cls(x, t_x, T, np.ones(len(columns)))

    @classmethod
    def unseen(cls, n_customers: int) -> Self:
        """Write the history of customers on the day of their first purchase.

        Parameters
        ----------
        n_customers : int
            How many, 0 or more.

        Returns
        -------
        PurchaseHistory
            Rows of zeros.
        """
        nothing = np.zeros(n_customers)
        return cls(nothing, nothing, nothing, np.ones(n_customers))

    def collapsed(self) -> Self:
        """Merge identical histories into one row with their weight, where that pays.

        Returns
        -------
        PurchaseHistory
            Distinct rows; unchanged where nearly all are distinct.
        """
        found = distinct_rows(self.T, self.x, self.t_x)
        if found is None:
            return self
        first, row = found
        weight: FloatArray = np.bincount(row, self.weight).astype(float)
        return type(self)(self.x[first], self.t_x[first], self.T[first], weight)

    def take(self, rows: slice | IntArray) -> Self:
        """Select rows.

        Parameters
        ----------
        rows : slice or array of int
            Which.

        Returns
        -------
        PurchaseHistory
            These.
        """
        return type(self)(self.x[rows], self.t_x[rows], self.T[rows], self.weight[rows])

    def every(self, step: int) -> Self:
        """Take a sample: every step-th row.

        Parameters
        ----------
        step : int
            1 or more.

        Returns
        -------
        PurchaseHistory
            These rows, side by side in memory.
        """
        return self if step == 1 else self.take(np.arange(0, len(self), step))

    @cached_property
    def counts(self) -> tuple[FloatArray, FloatArray]:
        """Distinct numbers of repeat purchases, and how many customers made as many."""
        x, of_row = np.unique(self.x, return_inverse=True)
        return x, np.bincount(of_row, self.weight).astype(float)

    def time_unit(self) -> float:
        """Measure the mean T, in which the parameters of a rhythm are near 1.

        Returns
        -------
        float
            Days, in (0, inf).
        """
        unit = float(np.average(self.T, weights=self.weight))
        return unit if unit > 0 else _UNIT_WITHOUT_TIME

    def in_units_of(self, days: float) -> Self:
        """Measure time in another unit.

        Parameters
        ----------
        days : float
            The unit, in (0, inf).

        Returns
        -------
        PurchaseHistory
            The same histories.
        """
        return type(self)(self.x, self.t_x / days, self.T / days, self.weight)


def distinct_rows(repeating: FloatArray, *columns: FloatArray) -> tuple[IntArray, IntArray] | None:
    """Find the distinct rows of a table, unless nearly all are distinct.

    Parameters
    ----------
    repeating : array of shape (n_rows,)
        The column that tells in a sample whether rows repeat.
    *columns : array of shape (n_rows,)
        The others.

    Returns
    -------
    (array of int, array of int) or None
        The place of each distinct row, and for each row its number among them. None where looking
        for them does not pay.

    Examples
    --------
    >>> days = np.array([9.0, 7.0, 9.0])
    >>> place, number = distinct_rows(days, np.zeros(3))
    >>> place.tolist(), number.tolist()
    ([0, 1], [0, 1, 0])
    """
    n_rows = len(repeating)
    if n_rows > 2 * _SAMPLE:
        sample = repeating[:: n_rows // _SAMPLE]
        if len(np.unique(sample)) > len(sample) / 2:
            return None
    number = np.zeros(n_rows, dtype=np.int64)
    for column in (repeating, *columns):
        values, distinct = pd.factorize(column)
        # Numbered anew after each column, so that the codes never exceed n_rows squared.
        number = pd.factorize(number * max(len(distinct), 1) + values)[0]
    place = np.empty(number.max(initial=-1) + 1, dtype=np.int64)
    place[number[::-1]] = np.arange(n_rows)[::-1]  # the first of several comes last
    return place, number
