"""Panels: the signals of a past day, and what customers did after it."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from features.engines.duckdb import compute_outcomes, compute_signals
from features.ledger import Ledger

__all__ = ["Panel", "ValueBasis", "build_panel", "outcomes_for", "stack", "value_basis_of"]

ValueBasis = Literal["gross_margin", "revenue"]

# Below this share of lines with a cost, a margin says more about the gaps than about the customer.
_COST_KNOWN = 0.9


@dataclass(frozen=True)
class Panel:
    """What was known of each customer on a day, and what came after.

    Parameters
    ----------
    origin : int
        The last day known, in days since 1970-01-01.
    horizon_days : int
        Length of the window the outcomes are of.
    signals : DataFrame of shape (n_customers, n_signals)
        Every customer with a purchase by then.
    outcomes : DataFrame of shape (n_customers, 2)
        Columns purchases (days with a purchase) and value (in the ledger's currency).
    """

    origin: int
    horizon_days: int
    signals: pd.DataFrame
    outcomes: pd.DataFrame


def value_basis_of(ledger: Ledger) -> ValueBasis:
    """Choose what value counts: gross margin where costs are known, else revenue.

    Parameters
    ----------
    ledger : Ledger
        The clean tables.

    Returns
    -------
    {"gross_margin", "revenue"}
        Gross margin where at least nine lines in ten have a cost.
    """
    costs = ledger.order_lines["cost"]
    known = len(costs) - costs.null_count
    return "gross_margin" if known >= _COST_KNOWN * max(len(costs), 1) else "revenue"


def build_panel(ledger: Ledger, origin: int, horizon_days: int, basis: ValueBasis) -> Panel:
    """Look at the ledger as it was on a past day.

    Parameters
    ----------
    ledger : Ledger
        The clean tables; they reach at least to the end of the window.
    origin : int
        The last day known, in days since 1970-01-01.
    horizon_days : int
        Length of the window after it.
    basis : {"gross_margin", "revenue"}
        What value counts.

    Returns
    -------
    Panel
        Signals and outcomes of the same customers.
    """
    signals = compute_signals(ledger, origin)
    outcomes = outcomes_for(signals.index, ledger, origin=origin, days=horizon_days, basis=basis)
    return Panel(origin, horizon_days, signals, outcomes)


def outcomes_for(
    customers: pd.Index, ledger: Ledger, *, origin: int, days: int, basis: ValueBasis
) -> pd.DataFrame:
    """Sum up what given customers did in a window; those who did nothing have zeros.

    Parameters
    ----------
    customers : Index
        Their ids.
    ledger : Ledger
        The clean tables.
    origin : int
        The last day before the window.
    days : int
        Its length.
    basis : {"gross_margin", "revenue"}
        What value counts.

    Returns
    -------
    DataFrame of shape (n_customers, 2), indexed like `customers`
        Columns purchases and value.
    """
    outcomes = compute_outcomes(ledger, origin, days).reindex(customers).fillna(0.0)
    return pd.DataFrame({"purchases": outcomes["purchases"], "value": outcomes[basis]})


def stack(panels: list[Panel]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Put panels on top of each other.

    Parameters
    ----------
    panels : list of Panel
        At least one.

    Returns
    -------
    tuple of (DataFrame, DataFrame)
        Signals and outcomes, row by row alike.
    """
    signals = pd.concat([panel.signals for panel in panels], ignore_index=True)
    outcomes = pd.concat([panel.outcomes for panel in panels], ignore_index=True)
    return signals, outcomes
