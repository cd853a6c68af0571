"""What a tier policy is, and the cut by cumulative share that policies have in common."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["Policy", "cuts_of", "tier_by_cuts", "tiers_by_share"]

# A gets customers up to this share of the total, B up to the next, C the rest.
_A_SHARE, _B_SHARE = 0.80, 0.95
# Sums of money in binary miss round shares by some 1e-16 a customer.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Policy:
    """A named, versioned rule that puts customers into tiers.

    Parameters
    ----------
    name : str
        By which settings and scores know it.
    version : int
        Raised whenever the rule changes, from 1.
    value_column : str
        The column it goes by, in money.
    description : str
        The rule in one sentence.
    """

    name: str
    version: int
    value_column: str
    description: str

    def assign(self, customers: pd.DataFrame) -> pd.Series:
        """Put each customer into a tier.

        Parameters
        ----------
        customers : DataFrame of shape (n_customers, n_columns), indexed by customer_id
            With the column `value_column`.

        Returns
        -------
        Series of shape (n_customers,), named tier, indexed like customers
            A, B or C.

        Raises
        ------
        ValueError
            If the column is missing.
        """
        if self.value_column not in customers.columns:
            raise ValueError(
                f"The tier policy '{self.name}' needs the column '{self.value_column}'. "
                f"Found {list(map(str, customers.columns))}."
            )
        return tiers_by_share(customers[self.value_column])


def tiers_by_share(value: pd.Series) -> pd.Series:
    """Cut customers into A, B and C by their cumulative share of the total value.

    A is the smallest set of best customers that reaches 80 % of the sum of positive values, B the
    next up to 95 %, C the rest. Who has no positive value is in C.

    Parameters
    ----------
    value : Series of shape (n_customers,), indexed by customer_id
        Money; may be negative or null. Equal values are put in order by customer_id.

    Returns
    -------
    Series of shape (n_customers,), named tier, indexed like value
        A, B or C.

    Examples
    --------
    >>> tiers_by_share(pd.Series([5.0, 80.0, 15.0, -3.0], index=["d", "a", "b", "e"])).tolist()
    ['C', 'A', 'B', 'C']
    """
    money = pd.Series(value.to_numpy(dtype=float, na_value=np.nan)).clip(lower=0.0).fillna(0.0)
    by_customer = np.argsort(value.index, kind="stable")
    order = by_customer[np.argsort(-money.to_numpy()[by_customer], kind="stable")]
    ranked = money.to_numpy()[order]
    before = np.cumsum(ranked) - ranked  # what better customers bring
    total = ranked.sum()
    tier = np.full(len(value), "C", dtype=object)
    tier[order[(ranked > 0) & (before < (_B_SHARE - _TOLERANCE) * total)]] = "B"
    tier[order[(ranked > 0) & (before < (_A_SHARE - _TOLERANCE) * total)]] = "A"
    return pd.Series(tier, index=value.index, name="tier", dtype="str")


def cuts_of(value: pd.Series, tier: pd.Series) -> dict[str, float | None]:
    """Find the value from which on a customer is in A, and from which on in B.

    With them one customer is put into a tier without all others.

    Parameters
    ----------
    value : Series of shape (n_customers,)
        What the tiers were made of, in money.
    tier : Series of shape (n_customers,)
        Result of `tiers_by_share`.

    Returns
    -------
    dict of str to float or None
        Lowest value by tier A and B; None where nobody is in it.

    Examples
    --------
    >>> value = pd.Series([5.0, 80.0, 15.0, -3.0], index=["d", "a", "b", "e"])
    >>> cuts_of(value, tiers_by_share(value))
    {'A': 80.0, 'B': 15.0}
    """
    lowest = value.groupby(tier.to_numpy()).min()
    return {code: float(lowest[code]) if code in lowest else None for code in ("A", "B")}


def tier_by_cuts(value: float | None, cuts: Mapping[str, float | None]) -> str:
    """Put one customer into a tier by what the last cut of all customers found.

    Parameters
    ----------
    value : float or None
        Money.
    cuts : mapping of str to float or None
        Result of `cuts_of`.

    Returns
    -------
    str
        A, B or C.

    Examples
    --------
    >>> tier_by_cuts(20.0, {"A": 80.0, "B": 15.0})
    'B'
    """
    for code in ("A", "B"):
        lowest = cuts[code]
        if value is not None and lowest is not None and value >= lowest:
            return code
    return "C"
