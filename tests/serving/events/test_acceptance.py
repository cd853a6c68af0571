"""Requests that are accepted together fare as if they had come one after the other."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from serving.events.acceptance import Accepted, accept
from serving.events.reading import read_json
from serving.options import CompanyFacts
from serving.state import Service
from serving.store import Store
from serving.store.tables import EVENTS, LEDGER, UNSCORED

Take = Callable[..., list[Accepted]]


@pytest.fixture
def take(any_store: Store, tmp_path: Any) -> Take:
    """Accept requests together, each a list of events."""
    service = Service(any_store, CompanyFacts(home=tmp_path))
    return lambda *requests: accept(
        service, [read_json(orjson.dumps({"events": events})) for events in requests]
    )


def test_each_id_counts_once_and_the_first_content_holds(
    any_store: Store, take: Take, order: Callable[..., Any]
) -> None:
    first, same, other = take([order("e-1")], [order("e-1")], [order("e-1", revenue=7.0)])
    assert (first.n_repeated, same.n_repeated, other.n_repeated) == (0, 1, 0)
    assert first.positions == same.positions
    assert len(first.positions) == 1
    assert [refusal.status for refusal in other.refusals.values()] == ["conflict"]
    assert (other.positions, other.unscored) == ({}, frozenset())
    with any_store.reading() as connection:
        lines = connection.execute(sa.select(LEDGER["order_lines"].c.revenue)).scalars().all()
    assert lines == [20.0]


def test_positions_follow_the_order_of_requests(
    any_store: Store, take: Take, order: Callable[..., Any]
) -> None:
    taken = take([order("b"), order("c", customer_id="C-2")], [order("a", customer_id="C-2")])
    positions = {name: at for accepted in taken for name, at in accepted.positions.items()}
    assert positions["b"] < positions["c"] < positions["a"]
    assert [sorted(accepted.unscored) for accepted in taken] == [["C-1", "C-2"], ["C-2"]]
    with any_store.reading() as connection:
        owed = dict(
            connection.execute(sa.select(UNSCORED.c.customer_id, UNSCORED.c.position)).all()
        )
    assert owed == {"C-1": positions["b"], "C-2": positions["a"]}


def test_a_known_event_beside_new_ones_stays_as_it_was(
    any_store: Store, take: Take, order: Callable[..., Any]
) -> None:
    (before,) = take([order("e-1")])
    new, known = take([order("e-2")], [order("e-1"), order("e-3")])
    assert known.positions["e-1"] == before.positions["e-1"] < new.positions["e-2"]
    assert known.repeats == {"e-1": None}
    assert (new.n_repeated, known.n_repeated) == (0, 1)
    with any_store.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(EVENTS)).scalar() == 3
