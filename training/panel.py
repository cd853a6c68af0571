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
from features.signals.catalogue import CATALOGUE

__all__ = [
    "Panel",
    "ValueBasis",
    "build_panel",
    "build_panels",
    "outcomes_for",
    "sampled",
    "share_with_cost",
    "signals_of",
    "value_basis_of",
]

ValueBasis = Literal["gross_margin", "revenue"]

# Below this share of lines with a cost, a margin says more about the gaps than about the customer.
_COST_KNOWN = 0.9
# While the signals of so many lines are computed, DuckDB takes some 0.4 GB on each core.
_LINES_AT_A_TIME = 500_000


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


def share_with_cost(ledger: Ledger, as_of: int) -> float:
    """Say how many order lines have a cost.

    Parameters
    ----------
    ledger : Ledger
        The clean tables.
    as_of : int
        The last day looked at, in days since 1970-01-01.

    Returns
    -------
    float
        In [0, 1]; 0 where there are no lines.
    """
    known = ledger.order_lines.select(["day", "cost"]).filter(pc.field("day") <= as_of)["cost"]
    return 1.0 - float(known.null_count) / len(known) if len(known) else 0.0


def value_basis_of(ledger: Ledger, as_of: int | None = None) -> ValueBasis:
    """Choose what value counts: gross margin where costs are known, else revenue.

    Parameters
    ----------
    ledger : Ledger
        The clean tables.
    as_of : int, optional
        The last day looked at, in days since 1970-01-01; the last one there is if not given.

    Returns
    -------
    {"gross_margin", "revenue"}
        Gross margin where at least nine lines in ten have a cost.
    """
    share = share_with_cost(ledger, ledger.last_day if as_of is None else as_of)
    return "gross_margin" if share >= _COST_KNOWN else "revenue"


def signals_of(ledger: Ledger, as_of: int, *, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Compute signals of every customer, of some customers at a time where there are many.

    A signal needs no one else's rows, so that only the result grows with the number of customers.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are ignored.
    as_of : int
        The last day known, in days since 1970-01-01.
    columns : sequence of str, optional
        The signals wanted; all where it is not given.

    Returns
    -------
    DataFrame of shape (n_customers, n_signals), indexed by customer_id
        As `compute_signals` gives it.
    """
    wanted = list(CATALOGUE if columns is None else columns)

    def compute(part: Ledger) -> pd.DataFrame:
        return compute_signals(part, as_of)[wanted]

    n_parts = -(-len(ledger.order_lines) // _LINES_AT_A_TIME)
    if n_parts <= 1:
        return compute(ledger)
    numbers = _part_numbers(ledger, n_parts)
    # The rows of a part are taken in the thread that needs them: no part waits in memory.
    parts: list[pd.DataFrame] = Parallel(n_jobs=-1, prefer="threads")(
        delayed(lambda part: compute(_part(ledger, numbers, part)))(part) for part in range(n_parts)
    )
    return pd.concat(parts)


def _part_numbers(ledger: Ledger, n_parts: int) -> dict[str, pa.ChunkedArray]:
    """Say of each row which part its customer is in; parts in order are ids in order."""
    customers = pc.unique(ledger.order_lines["customer_id"])
    customers = customers.take(pc.sort_indices(customers))
    size = pa.scalar(-(-len(customers) // n_parts), pa.int32())
    # Null where a customer has no order line, and so no signals.
    return {
        name: pc.divide(pc.index_in(rows["customer_id"], value_set=customers), size)
        for name, rows in ledger.tables.items()
    }


def _part(ledger: Ledger, numbers: dict[str, pa.ChunkedArray], part: int) -> Ledger:
    return Ledger(
        {name: rows.filter(pc.equal(numbers[name], part)) for name, rows in ledger.tables.items()}
    )


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
    signals = signals_of(ledger, origin)
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
