"""What Prometheus is told of the service's state: ages, tiers, drift, models, store, registry."""

import json
import time
from collections.abc import Iterator
from threading import Lock

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from serving.drift import TIERS, Histograms, drift_between, histograms_of, reference_set
from serving.published import NothingPublishedError, set_facts
from serving.readiness import Probe, age_of
from serving.state import Service
from serving.store import StoreError
from serving.store.tables import LIVE_SCORES

__all__ = ["Gauges"]

_FRESH_SECONDS = 60.0


class Gauges(Collector):
    """Asks the store at most once a minute, and counts a published set once.

    Parameters
    ----------
    service : Service
        Whose state it is.
    probe : Probe
        Of the same service.
    """

    def __init__(self, service: Service, probe: Probe) -> None:
        self._service = service
        self._probe = probe
        self._lock = Lock()
        self._asked_at = -float("inf")
        self._set_made_at: str | None = None
        self._score_made_at: str | None = None
        self._counted: dict[int, Histograms] = {}
        self._now: Histograms | None = None
        self._before: Histograms | None = None

    def describe(self) -> list[GaugeMetricFamily]:
        """Tell nothing beforehand, so that being registered asks nothing.

        Returns
        -------
        list of GaugeMetricFamily
            None.
        """
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Tell the state.

        Yields
        ------
        GaugeMetricFamily
            One a measure; what is not known is left out.
        """
        yield self._models()
        is_writable = self._probe.is_writable()
        yield _gauge("worth_store_writable", "Whether the store takes writes.", is_writable)
        yield from self._registry()
        with self._lock:
            if time.monotonic() - self._asked_at > _FRESH_SECONDS:
                self._ask()
            yield from self._ages()
            yield from self._customers()

    def _models(self) -> GaugeMetricFamily:
        labels = ["role", "name", "version", "digest"]
        family = GaugeMetricFamily("worth_model_info", "The loaded models.", labels=labels)
        served = self._service.models
        for role, model in (("champion", served.champion), ("shadow", served.shadow)):
            if model is not None:
                family.add_metric([role, model.name, model.version, model.digest], 1.0)
        return family

    def _registry(self) -> Iterator[GaugeMetricFamily]:
        """Tell what the watcher of the model registry wrote down, if there is one."""
        try:
            said = json.loads((self._service.company.home / "models" / "registry.json").read_text())
        except (OSError, ValueError):
            return
        if isinstance(said, dict) and said.get("state") in {"reachable", "away"}:
            says = "Whether the model registry answered when it was asked last."
            yield _gauge("worth_registry_reachable", says, said["state"] == "reachable")

    def _ask(self) -> None:
        self._asked_at = time.monotonic()
        try:
            with self._service.store.reading() as connection:
                self._read(connection)
        except (NothingPublishedError, StoreError):
            # What was known before grows old, and says so by its age.
            return

    def _read(self, connection: sa.Connection) -> None:
        published = set_facts(connection)
        newest = connection.execute(sa.select(sa.func.max(LIVE_SCORES.c.scored_at))).scalar()
        self._set_made_at = published.scored_at
        self._score_made_at = max(published.scored_at, newest or "")
        reference = reference_set(connection, published)
        needed = [published.id] if reference is None else [published.id, reference]
        self._counted = {
            set_id: self._counted.get(set_id) or histograms_of(connection, set_id)
            for set_id in needed
        }
        self._now = self._counted[published.id]
        self._before = None if reference is None else self._counted[reference]

    def _ages(self) -> Iterator[GaugeMetricFamily]:
        if self._set_made_at is not None:
            says = "Seconds since the published score set was made."
            yield _gauge("worth_set_age_seconds", says, _seconds_since(self._set_made_at))
        if self._score_made_at is not None:
            says = "Seconds since the newest score was made, by a set or an event."
            yield _gauge("worth_score_age_seconds", says, _seconds_since(self._score_made_at))

    def _customers(self) -> Iterator[GaugeMetricFamily]:
        if self._now is None:
            return
        says = "Customers of the published score set."
        customers = GaugeMetricFamily("worth_customers", says, labels=["tier"])
        for tier, count in zip(TIERS, self._now["tier"], strict=True):
            customers.add_metric([tier], count)
        yield customers
        if self._before is not None:
            says = "Population stability index of the published set, since its model's first set."
            drift = GaugeMetricFamily("worth_drift_psi", says, labels=["of"])
            for column, psi in drift_between(self._before, self._now).items():
                drift.add_metric([column], psi)
            yield drift


def _gauge(name: str, says: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, says, value=float(value))


def _seconds_since(instant: str) -> float:
    return age_of(instant).total_seconds()
