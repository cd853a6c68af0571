"""What every request of one service process shares."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from fastapi import Request

from features.ledger import day_of
from serving.champion import Champion
from serving.options import CompanyFacts, ServiceOptions
from serving.store import Store

__all__ = ["ServedModels", "Service", "service_of"]


@dataclass
class ServedModels:
    """The models that are loaded; one is swapped for another by one assignment.

    Parameters
    ----------
    champion : Champion, optional
        What scores; None where no bundle is to be had.
    shadow : Champion, optional
        What is scored beside it, unseen.
    """

    champion: Champion | None = None
    shadow: Champion | None = None


@dataclass(frozen=True)
class Service:
    """The state of a service process; everything lasting is in the store.

    Parameters
    ----------
    store : Store
        All lasting state.
    company : CompanyFacts
        Currency, time zone and the like.
    options : ServiceOptions
        How the service runs.
    models : ServedModels
        What is loaded.
    """

    store: Store
    company: CompanyFacts
    options: ServiceOptions = field(default_factory=ServiceOptions)
    models: ServedModels = field(default_factory=ServedModels)

    def today(self) -> int:
        """Tell the company's day.

        Returns
        -------
        int
            Days since 1970-01-01 in its time zone.
        """
        return day_of(datetime.now(self.company.zone).date())

    @staticmethod
    def now() -> str:
        """Tell the time as the store keeps it.

        Returns
        -------
        str
            ISO 8601 in UTC, to the millisecond: it sorts as time does.
        """
        return datetime.now(UTC).isoformat(timespec="milliseconds")


def service_of(request: Request) -> Service:
    """Find the service that a request came to.

    Parameters
    ----------
    request : Request
        Any.

    Returns
    -------
    Service
        Its state.
    """
    return cast(Service, request.app.state.service)
