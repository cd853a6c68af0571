"""Who the customers are: what a company knows of them, and what it can only guess."""

from dataclasses import dataclass

import numpy as np

from simulation.products import CATEGORIES, COSTS, PRICES, mean_of_category
from simulation.ragged import position_within, rows_of
from simulation.world import DAYS_PER_YEAR, BoolArray, FloatArray, IntArray, World

__all__ = ["DISCOUNTS", "OWNERS_PER_REGION", "REGIONS", "Customers", "draw_customers", "mean_order"]

REGIONS = (
    "Centre",
    "Coast",
    "East",
    "Lakes",
    "North",
    "South",
    "Valley",
    "West",
)
OWNERS_PER_REGION = 5
DISCOUNTS = np.array([0.05, 0.10, 0.15, 0.20])
# Richer regions buy more often; the mean is 1.
_REGION_FACTOR = np.linspace(0.8, 1.2, len(REGIONS))
_MEDIAN_EMPLOYEES = 8.0
# A plan is made by people: it errs by a third either way.
_PLAN_SPREAD = 0.3


@dataclass(frozen=True, slots=True)
class Customers:
    """The customers of one block; each array has one entry a customer.

    Parameters
    ----------
    number : array of int
        From 1, over the whole company.
    kind, reliability, region, owner, favourite : array of int
        Positions in the world's kinds and reliabilities, in `REGIONS`, of the sales person in the
        region, and in the catalogue's categories.
    acquired_day : array of int
        Day they were won, and of their first order.
    employees : array of int
        1 or more.
    rate : array of float
        Purchases a day at pace 1.
    hazard : array of float
        Of departure, a day, before complaints.
    complaint_rate : array of float
        A day, while alive.
    quantity : array of float
        Mean units on a line.
    is_bargain_hunter, has_consent, has_opted_out : array of bool
        Whether they buy on discount, may be contacted, must not be scored.
    uplift : array of float
        Relative rise of the purchase rate after a contact.
    planned_revenue : array of float
        Money a year; NaN where nothing is planned.
    complaint_owner, complaint_day : array of int, shape (n_complaints,)
        Complaints until departure or the end, in the order of customers and days.
    departure : array of float
        Time of ceasing to be a customer; they can buy on days before it.
    """

    number: IntArray
    kind: IntArray
    reliability: IntArray
    region: IntArray
    owner: IntArray
    favourite: IntArray
    acquired_day: IntArray
    employees: IntArray
    rate: FloatArray
    hazard: FloatArray
    complaint_rate: FloatArray
    quantity: FloatArray
    is_bargain_hunter: BoolArray
    has_consent: BoolArray
    has_opted_out: BoolArray
    uplift: FloatArray
    planned_revenue: FloatArray
    complaint_owner: IntArray
    complaint_day: IntArray
    departure: FloatArray

    def __len__(self) -> int:
        return len(self.number)

    def last_active_day(self, end: int) -> IntArray:
        """Say until when each customer can buy.

        Parameters
        ----------
        end : int
            The last day of the simulation.

        Returns
        -------
        array of shape (n_customers,)
            The last whole day before departure, at most `end`.
        """
        last: IntArray = np.minimum(np.ceil(self.departure) - 1, end).astype(np.int64)
        return last


def draw_customers(
    world: World, numbers: IntArray, end: int, rng: np.random.Generator
) -> Customers:
    """Draw customers with all that is latent in them.

    Parameters
    ----------
    world : World
        The parameters.
    numbers : array of shape (n_customers,)
        The customers' numbers.
    end : int
        The last day of the simulation, in days since 1970-01-01.
    rng : numpy.random.Generator
        Chance.

    Returns
    -------
    Customers
        In the order of their numbers.
    """
    n = len(numbers)
    kind = rng.choice(len(world.kinds), n, p=world.of_kind("share"))
    shares = [reliability.share for reliability in world.reliabilities]
    reliability = rng.choice(len(shares), n, p=shares)
    region = rng.integers(len(REGIONS), size=n)
    favourite = rng.integers(len(CATEGORIES), size=n)
    size = rng.lognormal(0.0, world.size_spread, n)
    is_bargain_hunter = rng.random(n) < world.bargain_share
    acquired_day = rng.integers(world.first_day, world.last_day + 1, n)
    shape = world.of_kind("rate_shape")[kind]
    rate = world.of_kind("purchases_per_year")[kind] * _REGION_FACTOR[region]
    rate *= rng.gamma(shape) / shape * world.purchase_factor / DAYS_PER_YEAR
    hazard = world.of_kind("departures_per_year")[kind] / DAYS_PER_YEAR
    hazard *= rng.gamma(world.departure_shape, 1 / world.departure_shape, n)
    hazard *= np.array([r.departure_factor for r in world.reliabilities])[reliability]
    complaint_rate = rng.exponential(world.complaints_per_year, n) / DAYS_PER_YEAR
    quantity = 1 + (world.of_kind("quantity")[kind] - 1) * np.sqrt(size)
    complaint_owner, complaint_day, departure = _draw_departures(
        world, acquired_day, hazard, complaint_rate, end, rng
    )
    customers = Customers(
        number=numbers,
        kind=kind,
        reliability=reliability,
        region=region,
        owner=rng.integers(OWNERS_PER_REGION, size=n),
        favourite=favourite,
        acquired_day=acquired_day,
        employees=np.maximum(1, np.rint(_MEDIAN_EMPLOYEES * size)).astype(np.int64),
        rate=rate,
        hazard=hazard,
        complaint_rate=complaint_rate,
        quantity=quantity,
        is_bargain_hunter=is_bargain_hunter,
        has_consent=rng.random(n) < world.consent_share,
        has_opted_out=rng.random(n) < world.opt_out_share,
        uplift=world.of_kind("campaign_uplift")[kind] * np.where(is_bargain_hunter, 1.5, 1.0),
        planned_revenue=np.full(n, np.nan),
        complaint_owner=complaint_owner,
        complaint_day=complaint_day,
        departure=departure,
    )
    _plan(world, customers, rng)
    return customers


def _draw_departures(
    world: World,
    acquired_day: IntArray,
    hazard: FloatArray,
    complaint_rate: FloatArray,
    end: int,
    rng: np.random.Generator,
) -> tuple[IntArray, IntArray, FloatArray]:
    """Draw complaints, and departures at the hazard that grows with each of them."""
    shock = world.complaint_hazard / DAYS_PER_YEAR
    observed = end - acquired_day
    counts = rng.poisson(complaint_rate * observed)
    owner = rows_of(counts)
    span = int(observed.max()) + 1 if len(observed) else 1
    after = 1 + (rng.random(len(owner)) * observed[owner]).astype(np.int64)
    after = np.sort(owner * span + after) - owner * span  # days since they were won
    position = position_within(owner)

    # The cumulative hazard at each complaint: what ran up since the one before, summed over the
    # customer's own complaints.
    before = np.where(position == 0, 0, np.concatenate([[0], after[:-1]])[: len(after)])
    step = (hazard[owner] + position * shock) * (after - before)
    total = np.cumsum(step)
    first = np.flatnonzero(position == 0)
    base = np.repeat((total - step)[first], counts[counts > 0])
    cumulative = total - base

    limit = rng.exponential(size=len(hazard))
    is_lived = cumulative <= limit[owner]
    n_lived = np.bincount(owner[is_lived], minlength=len(hazard))
    last = np.cumsum(counts) - counts + n_lived - 1  # the last complaint lived through
    has_any = n_lived > 0
    spent, since = np.zeros(len(hazard)), np.zeros(len(hazard))
    spent[has_any] = cumulative[last[has_any]]
    since[has_any] = after[last[has_any]]
    departure = acquired_day + since + (limit - spent) / (hazard + n_lived * shock)
    return owner[is_lived], (acquired_day[owner] + after)[is_lived], departure


def mean_order(world: World, customers: Customers) -> tuple[FloatArray, FloatArray]:
    """Compute what an order of each customer brings on average, net of what comes back.

    Parameters
    ----------
    world : World
        The parameters.
    customers : Customers
        With their latent state.

    Returns
    -------
    revenue, cost : arrays of shape (n_customers,)
        Money an order.
    """
    favourite = world.favourite_share
    prices, costs = mean_of_category(PRICES), mean_of_category(COSTS)
    discounted = np.where(
        customers.is_bargain_hunter, world.bargain_discounts, world.other_discounts
    )
    units = customers.quantity * (1 + world.of_kind("extra_lines")[customers.kind])
    units *= 1 - world.return_share
    price = favourite * prices[customers.favourite] + (1 - favourite) * prices.mean()
    price *= world.of_kind("price_factor")[customers.kind] * (1 - discounted * DISCOUNTS.mean())
    cost = favourite * costs[customers.favourite] + (1 - favourite) * costs.mean()
    return units * price, units * cost


def _plan(world: World, customers: Customers, rng: np.random.Generator) -> None:
    """Plan a yearly revenue with those kinds that have a plan."""
    revenue, _ = mean_order(world, customers)
    yearly = revenue * customers.rate * DAYS_PER_YEAR
    plan = np.round(yearly * rng.lognormal(0.0, _PLAN_SPREAD, len(customers)), -2)
    has_plan = world.of_kind("has_plan")[customers.kind] > 0
    customers.planned_revenue[has_plan] = plan[has_plan]
