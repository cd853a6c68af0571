"""One of these, on either database."""

import pytest
import sqlalchemy as sa

from serving.events.among import among
from serving.store import Store
from serving.store.tables import UNSCORED

_IDS = ["C-1", 'a "quoted" id', "back\\slash", "{curly,comma}", "顧客", "NULL"]
_FOUND = sa.select(UNSCORED.c.customer_id).where(among(UNSCORED.c.customer_id, "customers"))


@pytest.fixture
def told(any_store: Store) -> Store:
    """A store that knows some customers, and one more."""
    rows = [{"customer_id": who, "position": n} for n, who in enumerate([*_IDS, "C-2"])]
    with any_store.writing() as connection:
        connection.execute(sa.insert(UNSCORED), rows)
    return any_store


@pytest.mark.parametrize(
    "asked", [[], ["C-1"], [*_IDS, "nobody"], [*_IDS, *map(str, range(2_000))]]
)
def test_gives_those_who_are_asked_for(told: Store, asked: list[str]) -> None:
    with told.reading() as connection:
        found = connection.scalars(_FOUND, {"customers": asked}).all()
    assert sorted(found) == sorted(set(asked) & set(_IDS))


def test_is_found_by_the_key(told: Store) -> None:
    if told.engine.dialect.name != "sqlite":
        return
    with told.reading() as connection:
        plan = f"EXPLAIN QUERY PLAN {_FOUND.compile(dialect=told.engine.dialect)}"
        steps = [row[3] for row in connection.exec_driver_sql(plan, ("[]",))]
    assert any(step.startswith("SEARCH unscored USING") for step in steps), steps
