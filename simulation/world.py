"""The wholesaler's world: every parameter by which its customers behave, with its unit."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from features.ledger import day_of

__all__ = [
    "DAYS_PER_YEAR",
    "WHOLESALER",
    "BoolArray",
    "FloatArray",
    "IntArray",
    "Kind",
    "Reliability",
    "World",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Kind:
    """How customers of one kind differ from those of another.

    Parameters
    ----------
    name : str
        As the ledger writes it.
    share : float
        Of all customers, 0 to 1.
    purchases_per_year : float
        Mean over customers, in days with orders while they are customers, on the last day.
    rate_shape : float
        Of the gamma distribution of purchase rates; the smaller, the more they differ.
    departures_per_year : float
        Mean hazard of ceasing to be a customer, before complaints.
    growth : float
        Of the purchase rate, logarithmic, per year.
    extra_lines : float
        Mean lines of an order beyond the first.
    quantity : float
        Mean units on a line, 1 or more.
    price_factor : float
        What they pay of the list price, 0 to 1; it makes their margin.
    terms_days : int
        From invoice to due day.
    visits_per_year : float
        By their sales person, whether or not they still are customers.
    campaign_uplift : float
        Relative rise of the purchase rate after a contact.
    has_plan : bool
        Whether a yearly revenue is planned with them.
    """

    name: str
    share: float
    purchases_per_year: float
    rate_shape: float
    departures_per_year: float
    growth: float
    extra_lines: float
    quantity: float
    price_factor: float
    terms_days: int
    visits_per_year: float
    campaign_uplift: float
    has_plan: bool = False


@dataclass(frozen=True, slots=True)
class Reliability:
    """How one class of customers pays.

    Parameters
    ----------
    name : str
        Of the class; no table shows it.
    share : float
        Of all customers, 0 to 1.
    outcomes : tuple of float
        Shares of invoices paid on time, late (1 to 30 days), very late (31 to 120 days), in part,
        never; they sum to 1.
    disputed : float
        Share of invoices that they dispute, 0 to 1.
    departure_factor : float
        Multiplies the hazard of departure.
    """

    name: str
    share: float
    outcomes: tuple[float, float, float, float, float]
    disputed: float
    departure_factor: float


_RELIABILITIES = (
    Reliability("reliable", 0.70, (0.92, 0.06, 0.01, 0.008, 0.002), 0.01, 0.9),
    Reliability("slow", 0.20, (0.35, 0.50, 0.10, 0.04, 0.01), 0.03, 1.0),
    Reliability("poor", 0.08, (0.15, 0.30, 0.30, 0.15, 0.10), 0.08, 1.4),
    Reliability("defaulting", 0.02, (0.05, 0.15, 0.25, 0.20, 0.35), 0.10, 1.8),
)

_KINDS = (
    Kind("agent", 0.02, 13.5, 3.0, 0.10, 0.06, 2.4, 30.0, 0.72, 90, 6.0, 0.10, True),
    Kind("franchisee", 0.08, 9.0, 3.0, 0.15, 0.10, 1.8, 20.0, 0.80, 30, 4.0, 0.15, True),
    Kind("wholesale", 0.30, 3.7, 1.2, 0.30, 0.00, 1.2, 12.0, 0.85, 60, 1.0, 0.25),
    Kind("retail", 0.60, 1.6, 0.8, 0.50, -0.08, 0.5, 5.0, 1.00, 0, 0.1, 0.40),
)


@dataclass(frozen=True, slots=True)
class World:
    """Every parameter of the simulated company.

    A customer of kind k buys on day t with probability 1 - exp(-rate * m_k(t)) while alive. m_k is
    growth times season, 1 on average about the last day. The rate is gamma over customers, the
    hazard of departure too, and each complaint raises that hazard for good: Pareto/NBD with shocks.

    Parameters
    ----------
    kinds : tuple of Kind
        Of customers; their shares sum to 1.
    reliabilities : tuple of Reliability
        Classes of payers; their shares sum to 1.
    first_day, last_day : int
        Of the history, in days since 1970-01-01. Customers are won evenly between them, and each
        buys on the day they are won.
    season : float
        Rise of the purchase rate at its yearly peak, 0 to 1.
    season_peak : int
        A day of the peak, in days since 1970-01-01.
    departure_shape : float
        Of the gamma distribution of hazards.
    complaints_per_year : float
        Mean over customers; exponentially distributed.
    complaint_hazard : float
        What a complaint adds to the yearly hazard of departure, for good.
    services_per_year, surveys_per_year : float
        Calls for service and answered surveys of a customer, while alive.
    campaign_every, campaign_lag : int
        Days from campaign to campaign, and from the last one to the last day.
    campaign_share : float
        Who of those that consent is contacted in a campaign, by chance alone; 0 to 1.
    campaign_days : int
        How long a contact works; less than `campaign_lag`, so that none works on in the future.
    bargain_share : float
        Customers who buy on discount and answer campaigns half as much again, 0 to 1.
    bargain_discounts, other_discounts : float
        Share of their lines, and of others', that have a discount of 5, 10, 15 or 20 %.
    return_share : float
        Lines that come back within 14 days, 0 to 1.
    size_spread : float
        Standard deviation of the logarithm of employees; units on a line grow with their root.
    favourite_share : float
        Lines of a customer's favourite category, beside those drawn from all; 0 to 1.
    consent_share, opt_out_share : float
        Customers who may be contacted, and who must not be scored; 0 to 1.
    purchase_factor : float
        Multiplies every purchase rate.
    """

    kinds: tuple[Kind, ...] = _KINDS
    reliabilities: tuple[Reliability, ...] = _RELIABILITIES
    first_day: int = day_of(date(2023, 1, 1))
    last_day: int = day_of(date(2025, 12, 31))
    season: float = 0.15
    season_peak: int = day_of(date(2025, 11, 15))
    departure_shape: float = 2.0
    complaints_per_year: float = 0.25
    complaint_hazard: float = 0.40
    services_per_year: float = 0.30
    surveys_per_year: float = 0.30
    campaign_every: int = 91
    campaign_lag: int = 45
    campaign_share: float = 0.50
    campaign_days: int = 30
    bargain_share: float = 0.20
    bargain_discounts: float = 0.60
    other_discounts: float = 0.08
    return_share: float = 0.02
    size_spread: float = 0.70
    favourite_share: float = 0.50
    consent_share: float = 0.85
    opt_out_share: float = 0.01
    purchase_factor: float = 1.0

    def __post_init__(self) -> None:
        for name in ("kinds", "reliabilities"):
            total = sum(part.share for part in getattr(self, name))
            if abs(total - 1) > 1e-9:
                raise ValueError(f"The shares of the World's '{name}' sum to 1. Got {total}.")
        if self.campaign_days >= self.campaign_lag:
            raise ValueError(
                "The 'campaign_days' parameter of World must be less than 'campaign_lag'. "
                f"Got {self.campaign_days} and {self.campaign_lag} instead."
            )

    def of_kind(self, parameter: str) -> FloatArray:
        """Line up one parameter of all kinds.

        Parameters
        ----------
        parameter : str
            A field of `Kind` that is a number.

        Returns
        -------
        array of shape (n_kinds,)
            Its values.
        """
        return np.array([getattr(kind, parameter) for kind in self.kinds], dtype=float)

    def campaigns(self) -> IntArray:
        """Count the days on which campaigns went out.

        Returns
        -------
        array of shape (n_campaigns,)
            Days since 1970-01-01, ascending.
        """
        last = self.last_day - self.campaign_lag
        return np.arange(last, self.first_day, -self.campaign_every, dtype=np.int64)[::-1]

    def pace(self, days: FloatArray | IntArray) -> FloatArray:
        """Tell how much faster than at their base rate customers buy on given days.

        Parameters
        ----------
        days : array of shape (n_days,)
            Days since 1970-01-01.

        Returns
        -------
        array of shape (n_kinds, n_days)
            Growth times season, m_k(t); above 0.
        """
        years = (np.asarray(days, dtype=float) - self.last_day) / DAYS_PER_YEAR
        offset = (self.season_peak - self.last_day) / DAYS_PER_YEAR
        season = 1 + self.season * np.cos(2 * np.pi * (years - offset))
        pace: FloatArray = np.exp(np.outer(self.of_kind("growth"), years)) * season
        return pace


WHOLESALER = World()
