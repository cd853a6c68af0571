"""Work of several threads is done at once, and nobody fails for what a neighbour brought."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from serving.events.grouping import Grouping
from serving.store import StoreError


class _Work:
    """Doubles numbers, group by group; the first group waits until it may go on."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.groups: list[list[int]] = []
        self.may_go_on = threading.Event()
        self._refusal = refusal

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.groups.append(list(items))
        if len(self.groups) == 1:
            assert self.may_go_on.wait(30)
        if self._refusal is not None and 13 in items:
            raise self._refusal
        return [2 * item for item in items]


Ask = Callable[..., tuple[list[list[int]], list[Future[int]]]]


@pytest.fixture
def ask() -> Ask:
    """Ask for the first alone, and for the others, in their order, while it is being worked on."""

    def ask_all(work: _Work, first: int, *others: int, most: int = 1_000) -> object:
        grouping = Grouping(work, weigh=abs, most=most)
        with ThreadPoolExecutor(1 + len(others)) as threads:
            asked = [threads.submit(grouping.do, first)]
            _wait_until(lambda: len(work.groups) == 1)
            for n, other in enumerate(others):
                asked.append(threads.submit(grouping.do, other))
                _wait_until(lambda n=n: len(grouping._waiting) == n + 1)
            work.may_go_on.set()
        return work.groups, asked

    return ask_all


def _wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if is_so():
            return
        threading.Event().wait(0.01)
    raise AssertionError("It never came to be.")


def test_who_comes_while_work_is_done_is_served_together(ask: Ask) -> None:
    groups, asked = ask(_Work(), 1, 2, 3, 4)
    assert groups == [[1], [2, 3, 4]]
    assert [one.result() for one in asked] == [2, 4, 6, 8]


def test_a_group_weighs_no_more_than_it_may(ask: Ask) -> None:
    groups, asked = ask(_Work(), 1, 5, 4, 3, 6, most=9)
    assert groups == [[1], [5, 4], [3, 6]]
    assert [one.result() for one in asked] == [2, 10, 8, 6, 12]


def test_who_is_more_than_a_group_waits_for_nobody() -> None:
    work = _Work()
    grouping = Grouping(work, weigh=abs, most=10)
    with ThreadPoolExecutor(1) as threads:
        small = threads.submit(grouping.do, 1)
        _wait_until(lambda: len(work.groups) == 1)
        assert grouping.do(11) == 22
        work.may_go_on.set()
        assert small.result() == 2


def test_a_bad_neighbour_fails_alone(ask: Ask) -> None:
    groups, asked = ask(_Work(ValueError("unlucky")), 1, 12, 13, 14)
    assert groups == [[1], [12, 13, 14], [12], [13], [14]]
    assert [asked[n].result() for n in (0, 1, 3)] == [2, 24, 28]
    with pytest.raises(ValueError, match="unlucky"):
        asked[2].result()


def test_a_store_that_does_not_answer_is_asked_once_for_all(ask: Ask) -> None:
    groups, asked = ask(_Work(StoreError("gone")), 1, 12, 13, 14)
    assert groups == [[1], [12, 13, 14]]
    assert asked[0].result() == 2
    for one in asked[1:]:
        with pytest.raises(StoreError, match="gone"):
            one.result()


def test_whoever_comes_after_a_failure_is_served(ask: Ask) -> None:
    work = _Work(ValueError("unlucky"))
    work.may_go_on.set()
    grouping = Grouping(work, weigh=abs, most=100)
    with pytest.raises(ValueError, match="unlucky"):
        grouping.do(13)
    assert grouping.do(2) == 4
