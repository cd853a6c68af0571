"""The company, a block of customers at a time, so that any number of them fits into memory."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from simulation.customers import Customers, draw_customers
from simulation.interactions import Interactions, draw_interactions
from simulation.invoices import Invoices, Payments, draw_invoices, draw_payments
from simulation.purchases import Contacts, Lines, Orders, draw_contacts, draw_lines, draw_orders
from simulation.world import WHOLESALER, IntArray, World

__all__ = ["BLOCK", "MAX_CUSTOMERS", "Block", "simulate", "world_of"]

# Customers a block. It is part of the world: another size is another company.
BLOCK = 25_000
MAX_CUSTOMERS = 10_000_000
# Order lines a customer in WHOLESALER, over a million customers of four seeds.
_MEAN_LINES = 10.01


@dataclass(frozen=True, slots=True)
class Block:
    """All that befell a block of customers.

    Parameters
    ----------
    world : World
        The parameters.
    end : int
        The last day of the simulation, in days since 1970-01-01.
    customers : Customers
        Who they are.
    contacts : Contacts
        Whom campaigns contacted.
    orders : Orders
        When they bought.
    lines : Lines
        And what.
    invoices : Invoices
        What they owed.
    payments : Payments
        What they paid.
    interactions : Interactions
        What else passed between them and the company.
    """

    world: World
    end: int
    customers: Customers
    contacts: Contacts
    orders: Orders
    lines: Lines
    invoices: Invoices
    payments: Payments
    interactions: Interactions


def world_of(lines_per_customer: float, world: World = WHOLESALER) -> World:
    """Let customers buy so often that they have a number of order lines on average.

    Parameters
    ----------
    lines_per_customer : float
        About how many, over the whole history; 2 or more.
    world : World
        The one to change; of `WHOLESALER`'s kinds and days.

    Returns
    -------
    World
        With another `purchase_factor`.

    Raises
    ------
    ValueError
        If there are fewer than 2.
    """
    if not lines_per_customer >= 2:
        raise ValueError(
            "The 'lines_per_customer' parameter must be a float in the range [2, inf). "
            f"Got {lines_per_customer!r} instead."
        )
    # Everyone has a first order, whatever the rate; the others grow with it.
    first = 1 + float(world.of_kind("share") @ world.of_kind("extra_lines"))
    return replace(world, purchase_factor=(lines_per_customer - first) / (_MEAN_LINES - first))


def simulate(
    n_customers: int,
    *,
    seed: int = 0,
    world: World = WHOLESALER,
    extra_days: int = 0,
) -> Iterator[Block]:
    """Simulate the company, block after block.

    Parameters
    ----------
    n_customers : int
        How many were won in all; 1 to 10,000,000.
    seed : int
        Of all chance, 0 or more. With the same seed and number of customers the company is the
        same.
    world : World
        The parameters.
    extra_days : int
        How far to run the world past its last day, to see the future. The history has another
        course then.

    Returns
    -------
    iterator of Block
        At most `BLOCK` customers each, their numbers ascending over the blocks.

    Raises
    ------
    ValueError
        If the number of customers is out of range.
    """
    if not 1 <= n_customers <= MAX_CUSTOMERS:
        raise ValueError(
            f"The 'n_customers' parameter must be an int in the range [1, {MAX_CUSTOMERS:,}]. "
            f"Got {n_customers!r} instead."
        )
    return _blocks(n_customers, seed, world, world.last_day + extra_days)


def _blocks(n_customers: int, seed: int, world: World, end: int) -> Iterator[Block]:
    begins = range(0, n_customers, BLOCK)
    seeds = np.random.SeedSequence(seed).spawn(len(begins))
    with ThreadPoolExecutor(max_workers=1) as pool:
        jobs = (
            pool.submit(_simulate_block, world, _numbers(begin, n_customers), end, of_block)
            for begin, of_block in zip(begins, seeds, strict=True)
        )
        # One block is made while the reader has another, and no more: he may be slower.
        ahead = next(jobs)
        for job in jobs:
            yield ahead.result()
            ahead = job
        yield ahead.result()


def _numbers(begin: int, n_customers: int) -> IntArray:
    return np.arange(begin + 1, min(begin + BLOCK, n_customers) + 1, dtype=np.int64)


def _simulate_block(
    world: World,
    numbers: IntArray,
    end: int,
    seed: np.random.SeedSequence,
) -> Block:
    chance = [np.random.default_rng(part) for part in seed.spawn(7)]
    customers = draw_customers(world, numbers, end, chance[0])
    contacts, owner, day = draw_contacts(world, customers, end, chance[1])
    orders = draw_orders(world, customers, end, chance[2], additional=(owner, day))
    lines = draw_lines(world, customers, orders, end, chance[3])
    invoices = draw_invoices(world, customers, orders, lines, end, chance[4])
    return Block(
        world=world,
        end=end,
        customers=customers,
        contacts=contacts,
        orders=orders,
        lines=lines,
        invoices=invoices,
        payments=draw_payments(world, customers, orders, invoices, end, chance[5]),
        interactions=draw_interactions(world, customers, contacts, end, chance[6]),
    )
