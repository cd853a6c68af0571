"""The company as a whole: what its customers' signals add up to, and each one's share of it."""

from collections.abc import Mapping

import pandas as pd

__all__ = ["SUMMED", "shares_of_company", "totals_of"]

# A customer's share of each; sales and margin net of returns may be negative in one customer.
SUMMED: Mapping[str, str] = {
    "revenue": "revenue_share",
    "revenue_365d": "revenue_share_365d",
    "gross_margin_365d": "gross_margin_share_365d",
}


def totals_of(signals: pd.DataFrame) -> dict[str, float]:
    """Add up the signals of all customers, so that one of them can be compared with the company.

    Parameters
    ----------
    signals : DataFrame of shape (n_customers, n_signals), indexed by customer_id
        Of every customer of the company.

    Returns
    -------
    dict of str to float
        Money by signal; nulls count as nothing.
    """
    return {name: float(signals[name].sum()) for name in SUMMED}


def shares_of_company(signals: pd.DataFrame, totals: Mapping[str, float]) -> pd.DataFrame:
    """Divide customers' signals by the company's.

    Parameters
    ----------
    signals : DataFrame of shape (n_customers, n_signals), indexed by customer_id
        Of any of its customers.
    totals : mapping of str to float
        What `totals_of` found.

    Returns
    -------
    DataFrame of shape (n_customers, 3), indexed like signals
        Columns revenue_share, revenue_share_365d and gross_margin_share_365d. They add up to 1
        over all customers, and are below 0 in who brought back more than they bought. NaN where
        the company's total is not positive, or the customer's is not known.

    Examples
    --------
    >>> signals = pd.DataFrame({name: [30.0, 10.0] for name in SUMMED}, index=["a", "b"])
    >>> shares_of_company(signals, totals_of(signals))["revenue_share"].tolist()
    [0.75, 0.25]
    """
    shares = {
        share: signals[name] / totals[name] if totals[name] > 0 else float("nan")
        for name, share in SUMMED.items()
    }
    return pd.DataFrame(shares, index=signals.index)
