"""Panels: the signals of a past day, and what customers did after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from joblib import Parallel, delayed

from features.engines.duckdb import compute_outcomes, compute_signals
from features.ledger import Ledger

__all__ = [
    "Panel",
    "ValueBasis",
    "build_panel",
    "build_panels",
    "outcomes_for",
    "sampled",
    "value_basis_of",
]

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


def build_panels(
    ledger: Ledger, origins: Sequence[int], horizon_days: int, basis: ValueBasis
) -> dict[int, Panel]:
    """Build a panel for each past day, side by side.

    Parameters
    ----------
    ledger : Ledger
        The clean tables.
    origins : sequence of int
        The days.
    horizon_days : int
        Length of the window after each.
    basis : {"gross_margin", "revenue"}
        What value counts.

    Returns
    -------
    dict of int to Panel
        By origin.
    """
    # Threads, because DuckDB lets go of the interpreter and the ledger need not be copied.
    panels = Parallel(n_jobs=-1, prefer="threads")(
        delayed(build_panel)(ledger, origin, horizon_days, basis) for origin in origins
    )
    return dict(zip(origins, panels, strict=True))


def sampled(ledger: Ledger, most: int) -> Ledger:
    """Keep some of the customers with all their rows: the same ones each time.

    Parameters
    ----------
    ledger : Ledger
        The clean tables.
    most : int
        How many customers to keep at most, 1 or more.

    Returns
    -------
    Ledger
        Those whose ids have the lowest hashes; the ledger itself where it holds no more.
    """
    customers = pc.unique(ledger.order_lines["customer_id"])
    if len(customers) <= most:
        return ledger
    hashes = pd.util.hash_array(customers.to_numpy(zero_copy_only=False))
    kept = customers.take(pa.array(np.argsort(hashes, kind="stable")[:most]))
    return Ledger(
        {
            name: rows.filter(pc.is_in(rows["customer_id"], value_set=kept))
            for name, rows in ledger.tables.items()
        }
    )
