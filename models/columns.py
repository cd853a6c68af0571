"""Customers' signals as arrays of numbers, read once for all parts that compute with them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Self, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Columns", "Signals"]

_Array = npt.NDArray[np.float64]


class Columns:
    """Columns of numbers, each of one length; null is NaN.

    To take a column out of a DataFrame takes longer than to forecast one customer by it, so a
    DataFrame is read at the door, and within there are arrays.

    Parameters
    ----------
    arrays : mapping of str to array of shape (n_customers,)
        By name.
    customers : sequence
        Who they are, of length n_customers.
    given : iterable, optional
        Names of all that was given, for messages; those of the arrays where it is left out.

    Examples
    --------
    >>> columns = Columns.of(pd.DataFrame({"T": [90, 40], "note": "x"}), ["T"])
    >>> columns["T"].tolist(), len(columns)
    ([90.0, 40.0], 2)
    """

    def __init__(
        self,
        arrays: Mapping[str, _Array],
        customers: Sequence[object] | pd.Index,
        given: Iterable[object] | None = None,
    ) -> None:
        self._arrays = arrays
        self.customers = customers
        self._given = arrays if given is None else given

    @classmethod
    def of(cls, X: "Signals", names: Iterable[str]) -> Self:
        """Read the columns there are of those named.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_columns), indexed by customer, or Columns
            Signals, in any order of columns.
        names : iterable of str
            The columns wanted.

        Returns
        -------
        Columns
            Those of them that X has; `require` says what it lacks.

        Raises
        ------
        ValueError
            If one of them does not hold numbers.
        """
        if isinstance(X, Columns):
            return cast("Self", X)
        if len(X) == 1:  # to look up a hundred columns takes ten times as long as to read a row
            return cls._of_row(
                dict(zip(X.columns, X.iloc[0].tolist(), strict=True)), names, X.index
            )
        arrays = {
            name: X[name].to_numpy(dtype=float, na_value=np.nan)
            for name in names
            if name in X.columns
        }
        return cls(arrays, X.index, X.columns)

    @classmethod
    def of_one(cls, signals: Mapping[str, object], names: Iterable[str]) -> Self:
        """Read one customer's signals.

        Parameters
        ----------
        signals : mapping of str to float, truth value, text or None
            By name; None is not known.
        names : iterable of str
            The columns wanted.

        Returns
        -------
        Columns
            Those of them that are given, for one customer.

        Raises
        ------
        ValueError
            If one of them is no number.

        Examples
        --------
        >>> Columns.of_one({"T": 90, "dso_days": None}, ["T", "dso_days"])["dso_days"]
        array([nan])
        """
        return cls._of_row(signals, names, range(1))

    @classmethod
    def _of_row(
        cls,
        signals: Mapping[str, object],
        names: Iterable[str],
        customers: Sequence[object] | pd.Index,
    ) -> Self:
        found = [name for name in names if name in signals]
        row = np.array([_number(name, signals[name]) for name in found], dtype=float)
        arrays = {name: row[place : place + 1] for place, name in enumerate(found)}
        return cls(arrays, customers, signals)

    def __len__(self) -> int:
        return len(self.customers)

    def __getitem__(self, name: str) -> _Array:
        return self._arrays[name]

    def require(self, names: Iterable[str], owner: str) -> None:
        """Refuse to go on without columns that are needed.

        Parameters
        ----------
        names : iterable of str
            The columns needed.
        owner : str
            Who needs them, for the message.

        Raises
        ------
        ValueError
            If there are not all of them.
        """
        missing = [name for name in names if name not in self._arrays]
        if missing:
            raise ValueError(
                f"{owner} needs the columns {missing}. Found {list(map(str, self._given))}."
            )

    def renamed(self, names: Mapping[str, str]) -> Self:
        """Call columns by other names.

        Parameters
        ----------
        names : mapping of str to str
            The new names, by the old ones; the other columns are left out.

        Returns
        -------
        Columns
            The same numbers.
        """
        arrays = {new: self._arrays[old] for old, new in names.items()}
        return type(self)(arrays, self.customers)

    def take(self, rows: slice) -> Self:
        """Select customers.

        Parameters
        ----------
        rows : slice
            Which.

        Returns
        -------
        Columns
            Views of theirs.
        """
        if rows.start == 0 and rows.stop >= len(self):
            return self
        arrays = {name: array[rows] for name, array in self._arrays.items()}
        return type(self)(arrays, self.customers[rows], self._given)

    def laid(self, names: Iterable[str], *more: _Array) -> _Array:
        """Lay columns one below the other.

        Parameters
        ----------
        names : iterable of str
            Which.
        *more : array of shape (n_customers,)
            What to add at the end.

        Returns
        -------
        array of shape (n_names + n_more, n_customers)
            A copy.
        """
        rows = list(chain((self._arrays[name] for name in names), more))
        return np.concatenate(rows).reshape(len(rows), len(self))


Signals = pd.DataFrame | Columns


def _number(name: str, value: object) -> float:
    if value is None or value is pd.NA:
        return np.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number or null. Got {value!r} instead.") from None
