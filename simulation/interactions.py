"""What passes between the company and its customers beside orders and money."""

from dataclasses import dataclass

import numpy as np

from simulation.customers import Customers
from simulation.purchases import Contacts
from simulation.ragged import position_within, rows_of
from simulation.world import DAYS_PER_YEAR, BoolArray, FloatArray, IntArray, World

__all__ = ["KINDS", "TOPICS", "Interactions", "draw_interactions"]

KINDS = ("campaign_contact", "campaign_response", "complaint", "service", "survey", "visit")
_CONTACT, _RESPONSE, _COMPLAINT, _SERVICE, _SURVEY, _VISIT = range(len(KINDS))
# Money a contact costs, by kind.
_COSTS = np.array([2.0, 0.0, 25.0, 15.0, 1.0, 60.0])
TOPICS = ("contract", "quality", "service", "transport")
_TOPIC_SHARES = (0.15, 0.40, 0.20, 0.25)
# A share of the complaints is never resolved; the others are within three weeks on average.
_UNRESOLVED_SHARE = 0.15
_MEAN_DAYS_TO_RESOLVE = 21.0
_SATISFACTION = 0.80
_SATISFACTION_SPREAD = 0.12
_LOST_BY_COMPLAINT = 0.12
# Three complaints or thirty: nobody is less than dissatisfied.
_COMPLAINTS_THAT_COUNT = 4
_LOST_BY_RELIABILITY = 0.06


@dataclass(frozen=True, slots=True)
class Interactions:
    """The contacts, by customer and day.

    Parameters
    ----------
    owner : array of int
        Position of the customer in the block.
    number : array of int
        From 1 for each customer.
    day : array of int
        Of the contact.
    kind, topic, campaign : array of int
        Positions in `KINDS`, in `TOPICS` and in the world's campaigns; -1 for no topic or campaign.
    resolved_day : array of int
        -1 where there is nothing to resolve, or it is not resolved yet.
    satisfaction : array of float
        0 to 1; NaN where nobody asked.
    cost : array of float
        Money.
    """

    owner: IntArray
    number: IntArray
    day: IntArray
    kind: IntArray
    topic: IntArray
    campaign: IntArray
    resolved_day: IntArray
    satisfaction: FloatArray
    cost: FloatArray


def draw_interactions(
    world: World,
    customers: Customers,
    contacts: Contacts,
    end: int,
    rng: np.random.Generator,
) -> Interactions:
    """Draw all contacts.

    Visits go on after a customer has departed, as the company does not know; complaints, calls for
    service and answers to surveys do not.

    Parameters
    ----------
    world : World
        The parameters.
    customers : Customers
        With whom, and their complaints.
    contacts : Contacts
        Whom campaigns contacted.
    end : int
        The last day of the simulation.
    rng : numpy.random.Generator
        Chance.

    Returns
    -------
    Interactions
        Sorted by customer and day.
    """
    n = len(customers)
    active = customers.last_active_day(end)
    visits = world.of_kind("visits_per_year")[customers.kind]
    responded = np.flatnonzero(contacts.response_day >= 0)
    none = np.array([-1])
    parts = [  # kind, owner, day, campaign
        (_CONTACT, contacts.owner, contacts.day, contacts.campaign),
        (
            _RESPONSE,
            contacts.owner[responded],
            contacts.response_day[responded],
            contacts.campaign[responded],
        ),
        (_COMPLAINT, customers.complaint_owner, customers.complaint_day, none),
        (_SERVICE, *_at_random(customers, np.full(n, world.services_per_year), active, rng), none),
        (_SURVEY, *_at_random(customers, np.full(n, world.surveys_per_year), active, rng), none),
        (_VISIT, *_at_random(customers, visits, np.full(n, end), rng), none),
    ]
    owner = np.concatenate([part[1] for part in parts])
    day = np.concatenate([part[2] for part in parts])
    kind = np.concatenate([np.full(len(part[1]), part[0]) for part in parts])
    campaign = np.concatenate([np.broadcast_to(part[3], part[1].shape) for part in parts])
    ranks = np.argsort((owner * (end + 1) + day) * len(KINDS) + kind, kind="stable")
    owner, day, kind, campaign = owner[ranks], day[ranks], kind[ranks], campaign[ranks]
    topic, resolved_day = _complaints(day, kind == _COMPLAINT, end, rng)
    return Interactions(
        owner=owner,
        number=position_within(owner) + 1,
        day=day,
        kind=kind,
        topic=topic,
        campaign=campaign,
        resolved_day=resolved_day,
        satisfaction=_satisfaction(customers, owner, kind, rng),
        cost=_COSTS[kind],
    )


def _at_random(
    customers: Customers, per_year: FloatArray, until: IntArray, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Draw contacts evenly over the days from the one after the first order."""
    days = np.maximum(until - customers.acquired_day, 0)
    owner = rows_of(rng.poisson(per_year / DAYS_PER_YEAR * days))
    after = 1 + (rng.random(len(owner)) * days[owner]).astype(np.int64)
    return owner, customers.acquired_day[owner] + after


def _complaints(
    day: IntArray,
    is_complaint: BoolArray,
    end: int,
    rng: np.random.Generator,
) -> tuple[IntArray, IntArray]:
    """Give complaints a topic and the day they were resolved."""
    rows = np.flatnonzero(is_complaint)
    topic, resolved_day = np.full(len(day), -1), np.full(len(day), -1)
    topic[rows] = rng.choice(len(TOPICS), len(rows), p=_TOPIC_SHARES)
    resolved = day[rows] + rng.geometric(1 / _MEAN_DAYS_TO_RESOLVE, len(rows))
    is_known = (rng.random(len(rows)) >= _UNRESOLVED_SHARE) & (resolved <= end)
    resolved_day[rows] = np.where(is_known, resolved, -1)
    return topic, resolved_day


def _satisfaction(
    customers: Customers, owner: IntArray, kind: IntArray, rng: np.random.Generator
) -> FloatArray:
    """Let those who answer a survey be the less satisfied, the more they had to complain of."""
    is_complaint = kind == _COMPLAINT
    so_far = np.cumsum(is_complaint)
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    before = np.repeat((so_far - is_complaint)[first], np.diff(first, append=len(owner)))
    n_complaints = np.minimum(so_far - before, _COMPLAINTS_THAT_COUNT)
    rows = np.flatnonzero(kind == _SURVEY)
    mean = _SATISFACTION - _LOST_BY_COMPLAINT * n_complaints[rows]
    mean -= _LOST_BY_RELIABILITY * customers.reliability[owner[rows]]
    satisfaction = np.full(len(owner), np.nan)
    answers = mean + rng.normal(0.0, _SATISFACTION_SPREAD, len(rows))
    satisfaction[rows] = np.round(np.clip(answers, 0, 1), 2)
    return satisfaction
