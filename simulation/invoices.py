"""How orders are invoiced, and when they are paid."""

from dataclasses import dataclass

import numpy as np

from simulation.customers import Customers
from simulation.purchases import Lines, Orders
from simulation.ragged import rows_of
from simulation.world import FloatArray, IntArray, World

__all__ = ["Invoices", "Payments", "draw_invoices", "draw_payments"]

_ON_TIME, _LATE, _VERY_LATE, _IN_PART, _NEVER = range(5)
_LATE_DAYS = (1, 30)
_VERY_LATE_DAYS = (31, 120)
_REST_DAYS = (30, 90)
_DISPUTED_WITHIN = (1, 30)
_DISPUTE_TAKES = 45
# Half of what was paid in part is paid up in the end.
_REST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Invoices:
    """One invoice an order, in the same order.

    Parameters
    ----------
    due_day : array of int
        Day by which it is to be paid.
    amount : array of float
        Money, the order's revenue. Returns are refunded apart from it.
    disputed_day : array of int
        -1 where it is not disputed, or not yet.
    """

    due_day: IntArray
    amount: FloatArray
    disputed_day: IntArray


@dataclass(frozen=True, slots=True)
class Payments:
    """The payments, by invoice.

    Parameters
    ----------
    order : array of int
        Position of the order whose invoice they settle.
    part : array of int
        1 for the first of an invoice, 2 for the second.
    day : array of int
        On which it came in.
    amount : array of float
        Money.
    """

    order: IntArray
    part: IntArray
    day: IntArray
    amount: FloatArray


def draw_invoices(
    world: World,
    customers: Customers,
    orders: Orders,
    lines: Lines,
    end: int,
    rng: np.random.Generator,
) -> Invoices:
    """Invoice each order on its day.

    Parameters
    ----------
    world : World
        The parameters.
    customers : Customers
        Who owes.
    orders : Orders
        What is invoiced.
    lines : Lines
        Which say what it amounts to.
    end : int
        The last day of the simulation; later disputes are not known.
    rng : numpy.random.Generator
        Chance.

    Returns
    -------
    Invoices
        One an order.
    """
    bought = ~lines.is_return
    amount = np.bincount(lines.order[bought], lines.revenue[bought], minlength=len(orders))
    terms = world.of_kind("terms_days").astype(np.int64)
    chance = np.array([r.disputed for r in world.reliabilities])[customers.reliability]
    is_disputed = rng.random(len(orders)) < chance[orders.owner]
    disputed_day = orders.day + _between(_DISPUTED_WITHIN, len(orders), rng)
    return Invoices(
        due_day=orders.day + terms[customers.kind][orders.owner],
        amount=np.round(amount, 2),
        disputed_day=np.where(is_disputed & (disputed_day <= end), disputed_day, -1),
    )


def draw_payments(
    world: World,
    customers: Customers,
    orders: Orders,
    invoices: Invoices,
    end: int,
    rng: np.random.Generator,
) -> Payments:
    """Pay the invoices as reliably as their customers are.

    Parameters
    ----------
    world : World
        The parameters.
    customers : Customers
        Who pays.
    orders : Orders
        When they were invoiced.
    invoices : Invoices
        What is to be paid.
    end : int
        The last day of the simulation; later payments are not known.
    rng : numpy.random.Generator
        Chance.

    Returns
    -------
    Payments
        At most two an invoice; none where it is not paid, or not yet.
    """
    n = len(orders)
    outcome = _outcomes(world, customers.reliability[orders.owner], rng)
    terms = invoices.due_day - orders.day
    # Who pays on time does so in the last third of the term.
    early = (rng.random(n) * (terms // 3 + 1)).astype(np.int64)
    delay = np.where(outcome == _ON_TIME, -early, _between(_LATE_DAYS, n, rng))
    delay = np.where(outcome == _VERY_LATE, _between(_VERY_LATE_DAYS, n, rng), delay)
    delay += np.where(invoices.disputed_day >= 0, _DISPUTE_TAKES, 0)
    is_in_part = outcome == _IN_PART
    share = np.where(is_in_part, rng.uniform(0.3, 0.7, n), 1.0)
    first = np.round(invoices.amount * share, 2)
    first_day = invoices.due_day + delay
    rest_day = first_day + _between(_REST_DAYS, n, rng)
    has_first = (outcome != _NEVER) & (first_day <= end)
    has_rest = is_in_part & (rng.random(n) < _REST_SHARE) & (rest_day <= end)
    order = rows_of(has_first.astype(np.int64) + has_rest)
    is_rest = np.diff(order, prepend=-1) == 0
    return Payments(
        order=order,
        part=1 + is_rest,
        day=np.where(is_rest, rest_day[order], first_day[order]),
        amount=np.where(is_rest, np.round(invoices.amount - first, 2)[order], first[order]),
    )


def _outcomes(world: World, reliability: IntArray, rng: np.random.Generator) -> IntArray:
    limits = np.cumsum([r.outcomes for r in world.reliabilities], axis=1)[:, :-1]
    chosen = rng.random(len(reliability))
    outcome = np.zeros(len(reliability), dtype=np.int64)
    for limit in limits.T:
        outcome += chosen > limit[reliability]
    return outcome


def _between(limits: tuple[int, int], n: int, rng: np.random.Generator) -> IntArray:
    return rng.integers(limits[0], limits[1] + 1, n)
