"""Contributions as people read them: whole cents, a few named factors, the company's drivers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.base import FloatArray
from models.value.explanation.explainer import BASE

__all__ = ["OTHERS", "Factor", "drivers", "factors_of", "to_cents", "to_cents_one"]

OTHERS = "other signals"
_CENTS = 100


@dataclass(frozen=True)
class Factor:
    """What one signal adds to a customer's expected value.

    Parameters
    ----------
    signal : str
        Its name, or `OTHERS` for the rest together.
    amount : float
        Money in whole cents, discounted as the explained value is.
    direction : {"raises", "lowers"}
        Which way; an amount of 0 raises.
    value : object
        The customer's; None where it is not known, and for the rest.
    typical : float or None
        The reference's.
    meaning : str
        What the signal says.
    """

    signal: str
    amount: float
    direction: Literal["raises", "lowers"]
    value: object
    typical: float | None
    meaning: str


def to_cents(explained: pd.DataFrame, expected: npt.ArrayLike) -> pd.DataFrame:
    """Round contributions to cents, so that they add up to the rounded value.

    The largest contribution takes what rounding leaves over; the base, where there are none.

    Parameters
    ----------
    explained : DataFrame of shape (n_customers, n_signals + 1)
        Result of `Explainer.explain`.
    expected : array-like of shape (n_customers,)
        What the rows are to add up to: the published expected value, in money.

    Returns
    -------
    DataFrame of shape (n_customers, n_signals + 1), indexed and named like explained
        Money in whole cents.

    Examples
    --------
    >>> explained = pd.DataFrame({"frequency": [1.004], "recency": [0.504], BASE: [2.004]})
    >>> to_cents(explained, [3.512]).to_dict("records")
    [{'frequency': 1.01, 'recency': 0.5, 'base': 2.0}]
    """
    cents = _cents(
        explained.to_numpy(dtype=float),
        np.asarray(expected, dtype=float),
        base=explained.columns.tolist().index(BASE),
    )
    return pd.DataFrame(cents, index=explained.index, columns=explained.columns)


def to_cents_one(explained: Mapping[str, float], expected: float) -> dict[str, float]:
    """Round one customer's contributions as `to_cents` does.

    Parameters
    ----------
    explained : mapping of str to float
        Result of `Explainer.explain_one`.
    expected : float
        What they are to add up to, in money.

    Returns
    -------
    dict of str to float
        Money in whole cents.

    Examples
    --------
    >>> to_cents_one({"frequency": 1.004, "recency": 0.504, BASE: 2.004}, 3.512)
    {'frequency': 1.01, 'recency': 0.5, 'base': 2.0}
    """
    names = list(explained)
    amounts = np.array([list(explained.values())], dtype=float)
    (cents,) = _cents(amounts, np.array([expected], dtype=float), base=names.index(BASE)).tolist()
    return dict(zip(names, cents, strict=True))


def _cents(amounts: FloatArray, expected: FloatArray, *, base: int) -> FloatArray:
    # Rounded as it is printed: by decimals, not by a product with 100.
    total = [round(value, 2) * _CENTS for value in expected.tolist()]
    cents: FloatArray = np.rint(amounts * _CENTS)
    left = np.rint(total) - cents.sum(axis=1)
    sizes = np.abs(cents)
    sizes[:, base] = np.where(sizes.sum(axis=1) > sizes[:, base], -1.0, 1.0)
    cents[np.arange(len(cents)), sizes.argmax(axis=1)] += left
    # Adding 0 makes a plain 0 of minus 0.
    return cents / _CENTS + 0.0


def factors_of(
    row: "pd.Series[float]",
    values: Mapping[str, object],
    meanings: Mapping[str, str],
    *,
    typical: Mapping[str, float | None],
    most: int = 10,
) -> list[Factor]:
    """Name what moves one customer's expected value most.

    Parameters
    ----------
    row : Series of shape (n_signals + 1,)
        A row of `to_cents`.
    values : mapping of str to object
        The customer's signals.
    meanings : mapping of str to str
        What each signal says.
    typical : mapping of str to float or None
        The reference's signals.
    most : int, default 10
        How many factors to give, the rest included, 2 or more.

    Returns
    -------
    list of Factor
        The largest first, the rest together last; signals that add nothing are left out. With the
        base they add up to the expected value, to the cent.
    """
    amounts = row.drop(BASE)
    amounts = amounts[amounts != 0].sort_values(key=lambda x: -x.abs(), kind="stable")
    n_named = len(amounts) if len(amounts) <= most else most - 1
    named = [
        Factor(
            name,
            amount,
            _direction(amount),
            values.get(name),
            typical.get(name),
            meanings.get(name, ""),
        )
        for name, amount in zip(map(str, amounts.index[:n_named]), amounts.tolist(), strict=False)
    ]
    rest = amounts.iloc[n_named:]
    if rest.empty:
        return named
    amount = float(np.rint(rest * _CENTS).sum() / _CENTS)
    meaning = f"{len(rest)} signals that add less each."
    return [*named, Factor(OTHERS, amount, _direction(amount), None, None, meaning)]


def drivers(explained: pd.DataFrame) -> pd.DataFrame:
    """Average contributions over customers: what drives the company's expected value.

    Parameters
    ----------
    explained : DataFrame of shape (n_customers, n_signals + 1)
        Result of `Explainer.explain` for many customers.

    Returns
    -------
    DataFrame of shape (n_signals, 3), indexed by signal
        Columns mean_absolute (how much the signal moves a customer's value, money, in [0, inf)),
        mean_signed (what it adds to the mean customer's, money; the base and these add up to the
        mean expected value) and total (what it adds to all of them together, money). The largest
        mover first.
    """
    amounts = explained.drop(columns=BASE)
    found = pd.DataFrame(
        {
            "mean_absolute": amounts.abs().mean(),
            "mean_signed": amounts.mean(),
            "total": amounts.sum(),
        }
    )
    found.index.name = "signal"
    return found.sort_values("mean_absolute", ascending=False, kind="stable")


def _direction(amount: float) -> Literal["raises", "lowers"]:
    return "lowers" if amount < 0 else "raises"
