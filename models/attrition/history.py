"""What an attrition model knows of a customer: frequency, recency and T."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from models.base import FloatArray, checked_frame, refuse_rows

__all__ = ["HISTORY_COLUMNS", "PurchaseHistory"]

HISTORY_COLUMNS = ("frequency", "recency", "T")


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

    @classmethod
    def of(cls, X: pd.DataFrame, owner: object, *, at_least: int = 0) -> Self:
        """Read and check the histories of customers.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns)
            With columns frequency, recency, T.
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
        frame = checked_frame(X, HISTORY_COLUMNS, owner, at_least=at_least)
        x, t_x, T = (frame[column].to_numpy() for column in HISTORY_COLUMNS)
        refuse_rows(
            x != np.floor(x),
            frame,
            what="frequency is not a whole number",
            show=["frequency"],
            hint="It counts repeat purchase days.",
        )
        refuse_rows(
            (x > 0) != (t_x > 0),
            frame,
            what="frequency and recency disagree",
            show=["frequency", "recency"],
            hint="Both are 0 for a single purchase day, and neither is 0 after it.",
        )
        return cls(x, t_x, T, np.ones(len(frame)))

    def collapsed(self) -> Self:
        """Merge identical histories into one row with their weight.

        Returns
        -------
        PurchaseHistory
            Distinct rows, sorted.
        """
        columns = pd.DataFrame({"x": self.x, "t_x": self.t_x, "T": self.T, "weight": self.weight})
        rows = columns.groupby(["x", "t_x", "T"], as_index=False)["weight"].sum()
        return type(self)(*(rows[c].to_numpy(dtype=float) for c in ("x", "t_x", "T", "weight")))
