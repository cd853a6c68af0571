"""When customers buy and what: orders and their lines, returns included."""

from dataclasses import dataclass

import numpy as np

from simulation.customers import DISCOUNTS, Customers
from simulation.products import CATEGORIES, COSTS, N_RANKS, PRICES, RANKS
from simulation.ragged import position_within, rows_of
from simulation.world import BoolArray, FloatArray, IntArray, World

__all__ = ["CHANNELS", "Contacts", "Lines", "Orders", "draw_contacts", "draw_lines", "draw_orders"]

CHANNELS = ("sales rep", "phone", "web", "shop")
# By kind: agents and franchisees deal with people, retail shops with machines.
_CHANNEL_SHARES = np.array(
    [[0.6, 0.2, 0.2, 0.0], [0.4, 0.2, 0.4, 0.0], [0.3, 0.2, 0.4, 0.1], [0.05, 0.15, 0.4, 0.4]]
)
_RETURN_WITHIN = 14


@dataclass(frozen=True, slots=True)
class Contacts:
    """Whom campaigns contacted; each array has one entry a contact, by customer and day.

    Parameters
    ----------
    owner : array of int
        Position of the customer in the block.
    campaign : array of int
        Position in the world's campaigns.
    day : array of int
        Of the contact.
    response_day : array of int
        Of the first order that would not have been without it; -1 where there is none.
    """

    owner: IntArray
    campaign: IntArray
    day: IntArray
    response_day: IntArray


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders: at most one a customer and day, sorted by both.

    Parameters
    ----------
    owner : array of int
        Position of the customer in the block.
    day : array of int
        Of the order.
    number : array of int
        From 1 for each customer.
    channel : array of int
        Position in `CHANNELS`.
    """

    owner: IntArray
    day: IntArray
    number: IntArray
    channel: IntArray

    def __len__(self) -> int:
        return len(self.owner)


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of all orders and returns, by customer and day.

    Parameters
    ----------
    owner : array of int
        Position of the customer in the block.
    order : array of int
        Position of the order, a return's own order being the one that it undoes.
    day : array of int
        Of the order or the return.
    number : array of int
        From 1 for each customer.
    product : array of int
        Position in the catalogue.
    quantity, revenue, cost : array of float
        Units; money net of discount; money that the goods cost. All negative for a return.
    discount : array of float
        Money given away on the line, or once on the line that comes back; 0 or more.
    is_return : array of bool
        Whether goods came back.
    """

    owner: IntArray
    order: IntArray
    day: IntArray
    number: IntArray
    product: IntArray
    quantity: FloatArray
    revenue: FloatArray
    cost: FloatArray
    discount: FloatArray
    is_return: BoolArray


class _Clock:
    """Draws days of purchases: a day is as likely as its pace."""

    def __init__(self, world: World, end: int) -> None:
        self._origin = world.first_day - 1
        pace = world.pace(np.arange(world.first_day, end + 1))
        cumulative = np.cumsum(pace, axis=1)
        # One table for all kinds, each beginning where the one before it ends, so that one search
        # serves them all.
        self._table = np.concatenate([[0.0], cumulative.ravel()])
        self._n_days = cumulative.shape[1]
        starts = np.concatenate([[0.0], np.cumsum(cumulative[:, -1])[:-1]])
        self._table[1:] += np.repeat(starts, self._n_days)

    def elapsed(self, kind: IntArray, day: IntArray) -> FloatArray:
        """Read a kind's sum of paces to the end of a day."""
        elapsed: FloatArray = self._table[kind * self._n_days + (day - self._origin)]
        return elapsed

    def draw(
        self,
        kind: IntArray,
        rate: FloatArray,
        after: IntArray,
        until: IntArray,
        rng: np.random.Generator,
    ) -> tuple[IntArray, IntArray]:
        """Draw purchases on the days after one and until another: whose they are, and the days."""
        begin = self.elapsed(kind, after)
        length = np.maximum(self.elapsed(kind, until) - begin, 0)
        row = rows_of(rng.poisson(rate * length))
        at = begin[row] + length[row] * (1 - rng.random(len(row)))
        found = np.searchsorted(self._table, at) - kind[row] * self._n_days + self._origin
        return row, np.clip(found, after[row] + 1, until[row])


def draw_contacts(
    world: World, customers: Customers, end: int, rng: np.random.Generator
) -> tuple[Contacts, IntArray, IntArray]:
    """Draw whom the campaigns contact, and the purchases that this brings.

    Parameters
    ----------
    world : World
        The parameters.
    customers : Customers
        Contacted are those already won who consent, each with the same chance.
    end : int
        The last day of the simulation.
    rng : numpy.random.Generator
        Chance.

    Returns
    -------
    contacts : Contacts
        Whom, and what came of it.
    owner, day : arrays of shape (n_purchases,)
        The additional purchases.
    """
    campaigns = world.campaigns()
    is_contacted = rng.random((len(customers), len(campaigns))) < world.campaign_share
    is_contacted &= customers.has_consent[:, None]
    is_contacted &= customers.acquired_day[:, None] < campaigns
    owner, campaign = np.nonzero(is_contacted)
    day = campaigns[campaign]
    until = np.minimum(day + world.campaign_days, customers.last_active_day(end)[owner])
    rate = customers.rate[owner] * customers.uplift[owner]
    row, bought = _Clock(world, end).draw(
        customers.kind[owner], rate, day, np.maximum(until, day), rng
    )
    never = np.iinfo(np.int64).max
    response_day = np.full(len(owner), never)
    np.minimum.at(response_day, row, bought)
    response_day[response_day == never] = -1
    return Contacts(owner, campaign, day, response_day), owner[row], bought


def draw_orders(
    world: World,
    customers: Customers,
    end: int,
    rng: np.random.Generator,
    *,
    additional: tuple[IntArray, IntArray],
) -> Orders:
    """Draw the days on which customers order.

    Parameters
    ----------
    world : World
        The parameters.
    customers : Customers
        Who buys.
    end : int
        The last day of the simulation.
    rng : numpy.random.Generator
        Chance.
    additional : (array, array)
        Customers and days of the purchases that campaigns bring.

    Returns
    -------
    Orders
        The first one on the day on which the customer was won.
    """
    owner, day = _Clock(world, end).draw(
        customers.kind,
        customers.rate,
        customers.acquired_day,
        customers.last_active_day(end),
        rng,
    )
    span = end - world.first_day + 1
    keys = np.concatenate(
        [
            np.arange(len(customers)) * span + customers.acquired_day - world.first_day,
            owner * span + day - world.first_day,
            additional[0] * span + additional[1] - world.first_day,
        ]
    )
    keys.sort()
    keys = keys[np.flatnonzero(np.diff(keys, prepend=-1))]
    owner, day = np.divmod(keys, span)
    limits = np.cumsum(_CHANNEL_SHARES, axis=1)[:, :-1]
    chosen = rng.random(len(keys))
    channel = np.zeros(len(keys), dtype=np.int64)
    for limit in limits.T:
        channel += chosen > limit[customers.kind % len(limits)][owner]
    return Orders(owner, day + world.first_day, position_within(owner) + 1, channel)


def draw_lines(
    world: World, customers: Customers, orders: Orders, end: int, rng: np.random.Generator
) -> Lines:
    """Draw what is on the orders, and what of it comes back.

    Parameters
    ----------
    world : World
        The parameters.
    customers : Customers
        Who buys.
    orders : Orders
        When.
    end : int
        The last day of the simulation; later returns are not known.
    rng : numpy.random.Generator
        Chance.

    Returns
    -------
    Lines
        Sorted by customer and day.
    """
    kind = customers.kind[orders.owner]
    order = rows_of(1 + rng.poisson(world.of_kind("extra_lines")[kind]))
    owner = orders.owner[order]
    n = len(order)
    category = np.where(
        rng.random(n) < world.favourite_share,
        customers.favourite[owner],
        rng.integers(len(CATEGORIES), size=n),
    )
    product = category * (len(PRICES) // len(CATEGORIES)) + RANKS[rng.integers(N_RANKS, size=n)]
    quantity = (1 + rng.poisson((customers.quantity - 1)[owner])).astype(np.float64)
    gross = quantity * PRICES[product] * world.of_kind("price_factor")[customers.kind][owner]
    chance = np.where(customers.is_bargain_hunter, world.bargain_discounts, world.other_discounts)
    discount = gross * DISCOUNTS[rng.integers(len(DISCOUNTS), size=n)]
    discount *= rng.random(n) < chance[owner]
    bought = Lines(
        owner=owner,
        order=order,
        day=orders.day[order],
        number=order,
        product=product,
        quantity=quantity,
        revenue=np.round(gross - discount, 2),
        cost=np.round(quantity * COSTS[product], 2),
        discount=np.round(discount, 2),
        is_return=np.zeros(n, dtype=np.bool_),
    )
    is_returned = rng.random(n) < world.return_share
    return_day = bought.day + rng.integers(1, _RETURN_WITHIN + 1, n)
    returned = np.flatnonzero(is_returned & (return_day <= end))
    return _with_returns(bought, returned, return_day[returned])


def _with_returns(bought: Lines, returned: IntArray, return_day: IntArray) -> Lines:
    """Put each return among its customer's lines, on its day."""
    owner = np.concatenate([bought.owner, bought.owner[returned]])
    day = np.concatenate([bought.day, return_day])
    first = int(day.min()) if len(day) else 0
    span = int(day.max()) - first + 1 if len(day) else 1
    # Almost in order already, which a stable sort is quick with.
    ranks = np.argsort(owner * span + (day - first), kind="stable")
    source = np.concatenate([np.arange(len(bought.owner)), returned])[ranks]
    is_return = ranks >= len(bought.owner)
    sign: FloatArray = np.where(is_return, -1.0, 1.0)
    owner = owner[ranks]
    return Lines(
        owner=owner,
        order=bought.order[source],
        day=day[ranks],
        number=position_within(owner) + 1,
        product=bought.product[source],
        quantity=bought.quantity[source] * sign,
        revenue=bought.revenue[source] * sign,
        cost=bought.cost[source] * sign,
        discount=bought.discount[source],
        is_return=is_return,
    )
