"""Whether the service can do its work now: a few named checks."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, Field

from serving.published import NothingPublishedError, set_facts
from serving.state import Service
from serving.store import StoreError

__all__ = ["Check", "Probe", "age_of"]

# Whoever keeps the service up asks often, and each try to write makes writers wait.
_FRESH_SECONDS = 2.0
# A publication of a million scores is the store's only writer for some seconds; readers go on.
_BUSY_SECONDS = 10.0


class Check(BaseModel):
    """One thing that has to be right."""

    name: str = Field(description="What is checked.", examples=["store_writable"])
    ok: bool = Field(description="Whether it is right.")
    detail: str = Field(description="What was found.", examples=["The store takes writes."])


class Probe:
    """Looks whether a service can do its work.

    Parameters
    ----------
    service : Service
        The service.
    clock : callable, optional
        Seconds that never go back.
    """

    def __init__(self, service: Service, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._clock = clock
        self._lock = Lock()
        self._asked_at = -float("inf")
        self._written_at = -float("inf")

    def is_writable(self) -> bool:
        """Tell whether the store takes writes, as known for two seconds.

        Returns
        -------
        bool
            True also while another writer has held it for some seconds.
        """
        with self._lock:
            if self._clock() - self._asked_at > _FRESH_SECONDS:
                if self._service.store.is_writable():
                    self._written_at = self._clock()
                self._asked_at = self._clock()
            return self._clock() - self._written_at <= _BUSY_SECONDS

    def published(self) -> sa.Row[Any] | None:
        """Read the facts of the published set.

        Returns
        -------
        sqlalchemy.Row or None
            None before there is one.

        Raises
        ------
        StoreError
            If the store does not answer.
        """
        try:
            with self._service.store.reading() as connection:
                return set_facts(connection)
        except NothingPublishedError:
            return None

    def checks(self, *, is_draining: bool) -> list[Check]:
        """Look at all that has to be right.

        Parameters
        ----------
        is_draining : bool
            Whether the service was told to stop.

        Returns
        -------
        list of Check
            By name: serving, model_loaded, store_writable, scores_fresh.
        """
        return [_serving(is_draining), self._model(), self._store(), self._scores()]

    def _model(self) -> Check:
        champion = self._service.models.champion
        if champion is None:
            says = (
                "No model is loaded. 'worth train' makes one, 'worth models promote' chooses one."
            )
        else:
            says = f"{champion.name} version {champion.version} is loaded."
        return Check(name="model_loaded", ok=champion is not None, detail=says)

    def _store(self) -> Check:
        ok = self.is_writable()
        says = (
            "The store takes writes."
            if ok
            else "The store takes no writes: it is gone, locked, full or read-only."
        )
        return Check(name="store_writable", ok=ok, detail=says)

    def _scores(self) -> Check:
        try:
            facts = self.published()
        except StoreError:
            return Check(name="scores_fresh", ok=False, detail="The store did not answer.")
        if facts is None:
            says = "No scores have been published yet. 'worth score' publishes them."
            return Check(name="scores_fresh", ok=False, detail=says)
        most = timedelta(hours=self._service.options.score_max_age_hours)
        age = age_of(facts.scored_at)
        hours = age.total_seconds() / 3600
        says = f"The scores are {hours:.1f} hours old; {most.total_seconds() / 3600:g} may be."
        if age > most:
            says += " 'worth score' publishes new ones."
        return Check(name="scores_fresh", ok=age <= most, detail=says)


def _serving(is_draining: bool) -> Check:
    says = "The service was told to stop." if is_draining else "The service takes requests."
    return Check(name="serving", ok=not is_draining, detail=says)


def age_of(instant: str) -> timedelta:
    """Tell how long ago it was.

    Parameters
    ----------
    instant : str
        ISO 8601 in UTC.

    Returns
    -------
    timedelta
        Until now; none where the clock was set back.
    """
    return max(datetime.now(UTC) - datetime.fromisoformat(instant), timedelta())
