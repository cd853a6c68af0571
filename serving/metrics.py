"""What is measured of the service while it runs, for Prometheus.

Several workers measure together where PROMETHEUS_MULTIPROC_DIR names an empty folder before this
module is imported; any of them then answers for all. Labels hold routes, tiers and versions, never
anything of a customer.
"""

import os
from collections.abc import Iterable
from functools import cache

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import REGISTRY, Collector

__all__ = [
    "CONTENT_TYPE",
    "exposition",
    "observe_event_lag",
    "observe_request",
    "worker_is_gone",
]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

# Around the targets: 15 ms for a stored score, 30 ms for a preview or an event, 150 ms for a batch.
_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.03, 0.06, 0.15, 0.5, 1, 2.5, 5, 10, 30)
_REQUESTS = Histogram(
    "worth_request_seconds",
    "Seconds from a request's arrival to the end of its answer.",
    ["route", "method", "status"],
    buckets=_REQUEST_BUCKETS,
)

_EVENT_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300)
_EVENTS = Histogram(
    "worth_event_lag_seconds",
    "Seconds from an event's arrival to the score that knows it.",
    buckets=_EVENT_BUCKETS,
)


def observe_request(route: str, method: str, status: int, seconds: float) -> None:
    """Measure a request.

    Parameters
    ----------
    route : str
        Template of its path.
    method : str
        Of HTTP.
    status : int
        Of its answer.
    seconds : float
        How long it took.
    """
    _series(route, method if method in _METHODS else "OTHER", status // 100).observe(seconds)


@cache
def _series(route: str, method: str, status_class: int) -> Histogram:
    return _REQUESTS.labels(route, method, f"{status_class}xx")


def observe_event_lag(seconds: float) -> None:
    """Measure how long an event waited for its score.

    Parameters
    ----------
    seconds : float
        From its arrival to the score that knows it.
    """
    _EVENTS.observe(seconds)


def exposition(collectors: Iterable[Collector] = ()) -> bytes:
    """Write all measurements as Prometheus reads them.

    Parameters
    ----------
    collectors : iterable of Collector
        What else is to be told; it is asked now.

    Returns
    -------
    bytes
        Text, of type `CONTENT_TYPE`.
    """
    asked = CollectorRegistry()
    if _FOLDER in os.environ:
        MultiProcessCollector(asked)  # type: ignore[no-untyped-call]
    for collector in collectors:
        asked.register(collector)
    own = b"" if _FOLDER in os.environ else generate_latest(REGISTRY)
    return own + generate_latest(asked)


def worker_is_gone(process_id: int) -> None:
    """Leave a worker that ended out of what is current; what it counted stays.

    Parameters
    ----------
    process_id : int
        Of the worker.
    """
    if _FOLDER in os.environ:
        mark_process_dead(process_id)  # type: ignore[no-untyped-call]
