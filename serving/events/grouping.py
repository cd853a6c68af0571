"""Work that several threads ask for at the same time is done for all of them at once."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from serving.store import StoreError

__all__ = ["Grouping"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Ticket(Generic[Item, Result]):
    """What one thread asks for, and what came of it."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.is_leader = False
        self.called = threading.Event()
        self.error: BaseException | None = None
        self.results: list[Result] = []

    def settle(self, result: Result) -> None:
        self.results.append(result)

    def outcome(self) -> Result:
        if self.error is not None:
            raise self.error
        return self.results[0]


class Grouping(Generic[Item, Result]):
    """Does the work of several threads at once, such as one commit for all of them.

    A thread that comes alone does its work at once. Those that come while work is being done wait,
    and the first of them then does the work of all who wait. Where the work of a group fails, it is
    done again for each of them, so that nobody fails for what a neighbour brought; but where the
    store did not answer, it would not answer any of them.

    Parameters
    ----------
    work : callable
        From the items of a group, in the order in which they came, to one result each.
    weigh : callable
        How much an item is.
    most : int
        How much a group may be; an item that is more is worked on by itself.

    Examples
    --------
    >>> Grouping(lambda items: [item.upper() for item in items], weigh=len, most=100).do("event")
    'EVENT'
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        weigh: Callable[[Item], int],
        most: int,
    ) -> None:
        self._work, self._weigh, self._most = work, weigh, most
        self._waiting: deque[_Ticket[Item, Result]] = deque()
        self._lock = threading.Lock()
        self._is_led = False

    def do(self, item: Item) -> Result:
        """Have the work done for an item.

        Parameters
        ----------
        item : object
            What is worked on.

        Returns
        -------
        object
            Its result.

        Raises
        ------
        Exception
            Whatever the work raises for this item, or StoreError for its group.
        """
        if self._weigh(item) > self._most:
            return self._work([item])[0]
        ticket: _Ticket[Item, Result] = _Ticket(item)
        with self._lock:
            self._waiting.append(ticket)
            ticket.is_leader = not self._is_led
            self._is_led = True
        if not ticket.is_leader:
            ticket.called.wait()
        if ticket.is_leader:
            self._lead()
        return ticket.outcome()

    def _lead(self) -> None:
        """Do the work of the first who wait, the leader among them, and name the next leader."""
        with self._lock:
            group = [self._waiting.popleft()]
            weight = self._weigh(group[0].item)
            while self._waiting:
                weight += self._weigh(self._waiting[0].item)
                if weight > self._most:
                    break
                group.append(self._waiting.popleft())
        try:
            self._settle(group)
        finally:
            with self._lock:
                self._is_led = bool(self._waiting)
                if self._is_led:
                    self._waiting[0].is_leader = True
                    self._waiting[0].called.set()
            for ticket in group:
                ticket.called.set()

    def _settle(self, group: Sequence[_Ticket[Item, Result]]) -> None:
        try:
            results = self._work([ticket.item for ticket in group])
            for ticket, result in zip(group, results, strict=True):
                ticket.settle(result)
        except BaseException as error:
            for ticket in group:
                ticket.error = error
            is_anyones = isinstance(error, Exception) and not isinstance(error, StoreError)
            if len(group) > 1 and is_anyones:
                for ticket in group:
                    ticket.error = None
                    self._settle([ticket])
