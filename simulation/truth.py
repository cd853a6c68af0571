"""What is to come, in expectation: the simulator knows what no company can."""

import numpy as np
import pyarrow as pa

from simulation.columns import customer_ids
from simulation.customers import Customers, mean_order
from simulation.world import DAYS_PER_YEAR, FloatArray, World

__all__ = ["HORIZONS", "truth_table"]

HORIZONS = (90, 180, 365)
# Nodes a stretch between two horizons; season and survival are smooth enough for eight to be exact
# to a millionth.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


def truth_table(world: World, customers: Customers) -> pa.Table:
    """Compute what each customer will do after the last day, given their latent state on it.

    Purchases are days with orders. Money is of orders in the horizon, net of what comes back of
    them. There are no more campaigns.

    Parameters
    ----------
    world : World
        The parameters.
    customers : Customers
        With their latent state.

    Returns
    -------
    pyarrow.Table of n_customers rows
        customer_id, kind, reliability, is_alive; purchase_rate and departure_hazard (a year, on
        the last day); expected_purchases, expected_revenue and expected_margin over 90, 180 and
        365 days; campaign_uplift (relative, for 30 days) and uplift_purchases_30d (days with orders
        that a contact on the last day would add).
    """
    is_alive = customers.departure > world.last_day
    shock = world.complaint_hazard / DAYS_PER_YEAR
    known = customers.complaint_owner[customers.complaint_day <= world.last_day]
    hazard = customers.hazard + shock * np.bincount(known, minlength=len(customers))
    revenue, cost = mean_order(world, customers)
    columns: dict[str, object] = {
        "customer_id": customer_ids(customers.number),
        "kind": pa.array([kind.name for kind in world.kinds]).take(pa.array(customers.kind)),
        "reliability": pa.array([r.name for r in world.reliabilities]).take(
            pa.array(customers.reliability)
        ),
        "is_alive": is_alive,
        "purchase_rate": customers.rate * DAYS_PER_YEAR,
        "departure_hazard": hazard * DAYS_PER_YEAR,
    }
    purchases = np.zeros(len(customers))
    begin = 0
    for horizon in HORIZONS:
        purchases = purchases + _purchases_between(
            world, customers, hazard, begin, horizon, np.zeros(len(customers))
        )
        expected = np.where(is_alive, purchases, 0.0)
        columns[f"expected_purchases_{horizon}d"] = expected
        columns[f"expected_revenue_{horizon}d"] = expected * revenue
        columns[f"expected_margin_{horizon}d"] = expected * (revenue - cost)
        begin = horizon
    columns["campaign_uplift"] = customers.uplift
    without, with_contact = (
        _purchases_between(world, customers, hazard, 0, world.campaign_days, uplift)
        for uplift in (np.zeros(len(customers)), customers.uplift)
    )
    columns[f"uplift_purchases_{world.campaign_days}d"] = np.where(
        is_alive, with_contact - without, 0.0
    )
    return pa.table(columns)


def _purchases_between(
    world: World,
    customers: Customers,
    hazard: FloatArray,
    begin: int,
    until: int,
    uplift: FloatArray,
) -> FloatArray:
    """Sum the chance of a purchase over the days after `begin` and to `until`, for the living."""
    # The sum over whole days is the integral from half a day before the first to half a day after
    # the last.
    half = (until - begin) / 2
    ahead = begin + 0.5 + half * (1 + _NODES)  # days after the last one
    pace = world.pace(world.last_day + ahead)  # (n_kinds, n_nodes)
    total = np.zeros(len(customers))
    for node, weight in enumerate(_WEIGHTS * half):
        rate = customers.rate * (1 + uplift) * pace[customers.kind, node]
        total += weight * _survival(world, customers, hazard, ahead[node]) * -np.expm1(-rate)
    return total


def _survival(world: World, customers: Customers, hazard: FloatArray, days: float) -> FloatArray:
    """Compute the chance to be a customer still, given that one is on the last day.

    Complaints are a Poisson process, one of day s adding shock * (days - s) to the cumulative
    hazard, so that E exp(-sum) = exp(-complaint_rate * sum over s of 1 - exp(-shock * (days - s))).
    """
    shock = world.complaint_hazard / DAYS_PER_YEAR
    by_complaints = days - np.expm1(-shock * days) / np.expm1(-shock) if shock else 0.0
    survival: FloatArray = np.exp(-hazard * days - customers.complaint_rate * by_complaints)
    return survival
