"""Take events in: durably first, then the customers they are of are scored and answered."""

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import structlog
from anyio import CapacityLimiter

from serving.events.acceptance import Accepted, accept
from serving.events.answering import answer_events
from serving.events.grouping import Grouping
from serving.events.publishing import publish_live, unscored
from serving.events.schemas import MOST_EVENTS, Event
from serving.live import LiveScore, LiveScorer, NoScore
from serving.metrics import observe_event_lag
from serving.state import Service
from serving.store import StoreError

__all__ = ["Intake", "score_pending"]

# What a process that died left behind is rare, and scored so many customers at a time.
_AT_ONCE = 200
# Seconds between two looks for it.
_PATIENCE = 60.0
# Requests that are worked on at the same time, each on a thread. Those of reads are others, so
# that reads need not wait until events are on the disk.
_MOST_AT_WORK = 40
# Customers who are scored together, where several requests wait for their scores; a larger request
# is scored beside them, so that a till never waits for a night's batch.
_MOST_TOGETHER = 50
_log = structlog.get_logger()


class Intake:
    """Where events come in, for one worker of the service.

    Requests that come while others are being written to the disk are written together, with one
    wait for the disk, and scored together.

    Parameters
    ----------
    service : Service
        Store, company and models.

    Attributes
    ----------
    limiter : anyio.CapacityLimiter
        The threads on which requests are worked on.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._scorer = LiveScorer(service)
        # SQLite lets one writer write and the others sleep and try again; here they queue.
        self._turn = threading.Lock()
        self._acceptance = Grouping(self._accept, weigh=len, most=MOST_EVENTS)
        self._scoring = Grouping(self._score, weigh=len, most=_MOST_TOGETHER)
        self.limiter = CapacityLimiter(_MOST_AT_WORK)
        self._next_look = time.monotonic() + _PATIENCE
        self._is_ending = threading.Event()
        self._start: threading.Thread | None = None

    def start(self) -> None:
        """Score what a process that is gone left behind, beside the first requests."""
        self._next_look = 0.0
        self._start = threading.Thread(target=self.look_for_pending, name="pending", daemon=True)
        self._start.start()

    def stop(self) -> None:
        """End what `start` began, after the customers at hand."""
        self._is_ending.set()
        if self._start is not None:
            self._start.join()

    def take(self, events: Sequence[Event]) -> tuple[dict[str, Any], int]:
        """Take events in and answer them.

        Parameters
        ----------
        events : sequence of Event
            Well-formed, and within the rules.

        Returns
        -------
        tuple of (dict, int)
            The fields of `EventAnswers`, ready for JSON, and how many events were repeats.

        Raises
        ------
        StoreError
            If the store does not answer. Events that it had accepted by then are answered when
            they are sent again.
        """
        began = time.perf_counter()
        accepted = self._acceptance.do(events)
        owed = accepted.unscored
        scores = self._scoring.do(owed) if owed else {}
        answers = answer_events(self._service, accepted, scores)
        self._note(accepted, time.perf_counter() - began)
        return answers, accepted.n_repeated

    def score_pending(self) -> int:
        """Score the customers whose events were accepted and not scored, page by page.

        Returns
        -------
        int
            How many customers there were.
        """
        n_scored, before = 0, -1
        while not self._is_ending.is_set():
            with self._service.store.reading() as connection:
                found = unscored(connection, at_most=_AT_ONCE, after=before)
            if not found:
                break
            before = max(found.values())
            n_scored += len(self._score([found])[0])
        if n_scored:
            _log.info("events.pending_scored", n_customers=n_scored)
        return n_scored

    @property
    def is_to_look(self) -> bool:
        """Whether it is time to look again for what another process left behind."""
        return time.monotonic() >= self._next_look

    def look_for_pending(self) -> None:
        """Score what another process left behind, if it is time to look again."""
        if not self.is_to_look:
            return
        self._next_look = time.monotonic() + _PATIENCE
        try:
            self.score_pending()
        except StoreError as error:  # Nobody waits for it, and there is a next time.
            _log.warning("events.pending_failed", error=str(error))

    def _accept(self, requests: Sequence[Sequence[Event]]) -> list[Accepted]:
        with self._turn:
            return accept(self._service, requests)

    def _score(
        self, requests: Sequence[Collection[str]]
    ) -> list[Mapping[str, LiveScore | NoScore]]:
        """Score the customers of requests; whom another writer was faster to score is left out."""
        asked = sorted(frozenset[str]().union(*requests))
        with self._service.store.reading() as connection:
            # Once more: by now there may be later events, which the scores know too.
            positions = unscored(connection, asked)
            made = self._scorer.score(connection, positions) if positions else {}
        published: frozenset[str] = frozenset()
        if made:
            with self._turn:
                published = publish_live(self._service.store, made, positions)
        return [{who: made[who] for who in asked if who in published} for asked in requests]

    def _note(self, accepted: Accepted, seconds: float) -> None:
        if accepted.positions:
            observe_event_lag(seconds)
        _log.info(
            "events.accepted",
            n_accepted=len(accepted.positions),
            n_repeated=accepted.n_repeated,
            n_refused=len(accepted.refusals),
            seconds=round(seconds, 4),
        )


def score_pending(service: Service) -> int:
    """Score the customers whose events were accepted and not scored.

    Parameters
    ----------
    service : Service
        Store, company and models.

    Returns
    -------
    int
        How many customers there were.
    """
    return Intake(service).score_pending()
