"""A service on either database, its ledger told by events."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa

from benchmarks.postgres_server import NoServerError, postgres_server
from features.ledger import Ledger, date_of
from serving.app import create_app
from serving.champion import Champion
from serving.options import CompanyFacts, ServiceOptions
from serving.publish import publish
from serving.state import ServedModels
from serving.store import Store, open_store
from serving.store.tables import LEDGER

Event = Mapping[str, Any]


@pytest.fixture(scope="session")
def _server() -> Iterator[str]:
    try:
        with postgres_server() as url:
            yield url
    except NoServerError as error:
        pytest.skip(str(error))


@pytest.fixture(params=["sqlite", "postgres"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store on either database."""
    if request.param == "sqlite":
        store = open_store(tmp_path / "worth.db", is_pooled=False)
    else:
        url = request.getfixturevalue("_server")
        name = f"events_{abs(hash(tmp_path)):x}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        store = open_store(url.replace("/postgres?", f"/{name}?"))
    yield store
    store.close()


@pytest.fixture
def put() -> Callable[[Store, Ledger], None]:
    """Write a ledger into a store as it is."""

    def write(store: Store, ledger: Ledger) -> None:
        with store.staged(dict(ledger.tables)) as (connection, staged):
            for name, table in LEDGER.items():
                names = list(table.c.keys())
                columns = sa.select(*(staged[name].c[column] for column in names))
                connection.execute(sa.insert(table).from_select(names, columns))

    return write


@pytest.fixture(scope="session")
def small_cdnow(cdnow: Ledger) -> Ledger:
    """The first 60 customers of CDNOW: 1997-01-01 to 1998-06-30."""
    lines = cdnow.order_lines
    some = sorted(set(lines["customer_id"].to_pylist()))[:60]
    return Ledger(
        {"order_lines": lines.filter(pa.compute.is_in(lines["customer_id"], pa.array(some)))}
    )


@pytest.fixture
def first_set(champion: Champion) -> Callable[[Store], int]:
    """Publish the scores of everyone in the ledger; give the day as of which they are."""

    def score(store: Store) -> int:
        return publish(store, champion, currency="USD", discount_rate=0.1, policy="predicted").as_of

    return score


@pytest.fixture
def app_of(champion: Champion, tmp_path: Path) -> Callable[..., Any]:
    """Make the app of a store, with CDNOW's model."""

    def make(store: Store, *, model: Champion | None = champion, **company: Any) -> Any:
        facts = CompanyFacts(home=tmp_path, currency="USD", **company)
        return create_app(
            store, facts, options=ServiceOptions(rate_limit=1_000_000), models=ServedModels(model)
        )

    return make


@pytest.fixture
def order() -> Callable[..., dict[str, Any]]:
    """Write an order of one line."""

    def make(event_id: str = "e-1", **given: Any) -> dict[str, Any]:
        line = {"revenue": given.pop("revenue", 20.0)}
        usual = {
            "type": "order",
            "event_id": event_id,
            "customer_id": "C-1",
            "order_id": f"o-{event_id}",
            "ordered_at": "2024-03-01",
            "lines": [line],
        }
        return usual | given

    return make


@pytest.fixture(scope="session")
def as_events() -> Callable[[Ledger], list[dict[str, Any]]]:
    """Tell a ledger as events: an order a day and customer, all else row by row."""
    return _as_events


def _as_events(ledger: Ledger) -> list[dict[str, Any]]:
    events: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in ledger.order_lines.to_pylist():
        key = ("order", row["customer_id"], row["order_id"], str(row["day"]))
        event = events.setdefault(
            key,
            {
                "type": "order",
                "customer_id": row["customer_id"],
                "order_id": row["order_id"],
                "ordered_at": _date(row["day"]),
                "lines": [],
            },
        )
        names = ("revenue", "product_id", "category", "quantity", "cost", "discount", "channel")
        event["lines"].append({name: row[name] for name in names})
    for table, kind, days in _OTHERS:
        for row in ledger.tables[table].to_pylist():
            said = {days.get(n, n): _date(v) if n in days else v for n, v in row.items()}
            del said["row_key"]
            events[(table, str(len(events)))] = {"type": kind, **_fit(kind, said)}
    return [{"event_id": f"e-{n}", **event} for n, event in enumerate(events.values())]


def _fit(kind: str, said: dict[str, Any]) -> dict[str, Any]:
    if kind != "customer":
        return said
    flags = {n: bool(said[n]) for n in _FLAGS if said[n] is not None}
    kept = {n: v for n, v in said.items() if v is not None and n not in _FLAGS}
    if "attributes" in kept:
        kept["attributes"] = json.loads(kept["attributes"])
    return kept | flags


_FLAGS = ("marketing_consent", "profiling_opt_out")
_OTHERS: Iterable[tuple[str, str, dict[str, str]]] = (
    (
        "invoices",
        "invoice",
        {"day": "issued_at", "due_day": "due_at", "disputed_day": "disputed_at"},
    ),
    ("payments", "payment", {"day": "paid_at"}),
    ("interactions", "interaction", {"day": "contacted_at", "resolved_day": "resolved_at"}),
    ("customers", "customer", {"acquired_day": "acquired_at"}),
)


def _date(day: int | None) -> str | None:
    return None if day is None else date_of(day).isoformat()
