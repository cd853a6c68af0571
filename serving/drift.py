"""How far the published scores have moved since their model's first set that is kept."""

import math
from collections.abc import Sequence
from itertools import pairwise

import sqlalchemy as sa

from serving.store.tables import SCORE_SETS, SCORES

__all__ = ["Histograms", "drift_between", "histograms_of", "reference_set"]

Histograms = dict[str, list[int]]

# Upper edges of the bins, so that one pass over a set counts them all; the last bin is open. Money
# has no natural scale, so its bins double.
_EDGES: dict[str, tuple[float, ...]] = {
    "churn_probability": tuple(tenth / 10 for tenth in range(1, 10)),
    "clv_expected": tuple(float(2**power) for power in range(24)),
    "days_since_last_purchase": (8, 31, 91, 181, 366, 731),
}
TIERS = ("A", "B", "C")
# An empty bin counts as half a customer; its logarithm would be infinite (as in models.drift).
_EMPTY_BIN = 0.5


def reference_set(connection: sa.Connection, published: sa.Row[tuple[object, ...]]) -> int | None:
    """Find the set that the published one is compared with.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        To the store.
    published : sqlalchemy.Row
        Of `score_sets`.

    Returns
    -------
    int or None
        The earliest kept set of the same model; None where that is the published one.
    """
    same_model = SCORE_SETS.c.model_digest == published.model_digest
    first = connection.execute(sa.select(sa.func.min(SCORE_SETS.c.id)).where(same_model)).scalar()
    return None if first is None or first == published.id else int(first)


def histograms_of(connection: sa.Connection, set_id: int) -> Histograms:
    """Count the customers of a set by tier, and by bins of what was forecast.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        To the store.
    set_id : int
        The set.

    Returns
    -------
    dict of str to list of int
        Customers by bin, of `tier` and of each binned column.
    """
    tiers = [_count(SCORES.c.tier == tier) for tier in TIERS]
    below = [_count(SCORES.c[column] < edge) for column, edges in _EDGES.items() for edge in edges]
    of_set = SCORES.c.set_id == set_id
    row = connection.execute(sa.select(sa.func.count(), *tiers, *below).where(of_set)).one()
    n_customers, *counts = (int(count or 0) for count in row)
    histograms = {"tier": [counts.pop(0) for _ in TIERS]}
    for column, edges in _EDGES.items():
        cumulative = [0, *(counts.pop(0) for _ in edges), n_customers]
        histograms[column] = [upper - lower for lower, upper in pairwise(cumulative)]
    return histograms


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def drift_between(before: Histograms, after: Histograms) -> dict[str, float]:
    """Say how far each column has moved.

    Parameters
    ----------
    before, after : dict of str to list of int
        Of two sets.

    Returns
    -------
    dict of str to float
        Population stability index by column: below 0.1 little has moved, from 0.25 on much has.

    Examples
    --------
    >>> moved = drift_between({"tier": [50, 50, 0]}, {"tier": [75, 25, 0]})
    >>> round(moved["tier"], 4)  # (3/4 - 1/2) ln(3/2) + (1/4 - 1/2) ln(1/2)
    0.2747
    """
    return {column: _stability(before[column], after[column]) for column in before}


def _stability(before: Sequence[int], after: Sequence[int]) -> float:
    n, m = sum(before), sum(after)
    if not n or not m:
        return math.nan
    return sum(
        (a - b) * math.log(a / b)
        for b, a in (
            (max(old, _EMPTY_BIN) / n, max(new, _EMPTY_BIN) / m)
            for old, new in zip(before, after, strict=True)
            if old or new
        )
    )
