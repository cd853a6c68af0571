"""The catalogue of signals: family, unit, range and meaning of each, and what its null says."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import pandas as pd

from features.signals.loyalty import LOYALTY
from features.signals.margin import MARGIN
from features.signals.payment import PAYMENT
from features.signals.purchase import PURCHASE
from features.signals.signal import Family, Signal

__all__ = ["CATALOGUE", "FAMILIES", "Signal", "as_typed", "as_values"]

# In the order in which the pipeline joins them; the first decides who is a customer.
FAMILIES: tuple[Family, ...] = ("purchase", "margin", "payment", "loyalty")
CATALOGUE: Mapping[str, Signal] = MappingProxyType(
    {signal.name: signal for signal in (*PURCHASE, *MARGIN, *PAYMENT, *LOYALTY)}
)


def as_typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the rows of any engine the same types: classes are texts, all else is float64.

    Parameters
    ----------
    rows : DataFrame
        The columns customer_id and all signals, as an engine returned them.

    Returns
    -------
    DataFrame of shape (n_customers, n_signals), indexed by customer_id
        Nulls are NaN.
    """
    dtypes = {
        name: "str" if signal.unit == "class" else "float64" for name, signal in CATALOGUE.items()
    }
    return rows.astype({"customer_id": "str"} | dtypes).set_index("customer_id")


def as_values(
    row: Sequence[object], names: Sequence[str] | None = None
) -> dict[str, float | str | None]:
    """Give one customer's row of any engine the same types: classes are texts, all else is float.

    Parameters
    ----------
    row : sequence of object
        customer_id and the signals, in the order of the catalogue, as a database returned them.
    names : sequence of str, optional
        Which signals, in any order; all where not given.

    Returns
    -------
    dict of str to float, str or None
        By the signals' names.
    """
    _, *values = row
    named = CATALOGUE if names is None else [name for name in CATALOGUE if name in names]
    return {
        name: value if value is None or isinstance(value, str) else float(value)  # type: ignore[arg-type]
        for name, value in zip(named, values, strict=True)
    }
