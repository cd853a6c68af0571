"""What the service does while its store, its clock or its database fails, and after."""

import asyncio
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from benchmarks.postgres_server import NoServerError, postgres_server, restart_server
from features.sources import Source
from serving.app import create_app
from serving.audit import verify
from serving.auth import SCOPES, create_key
from serving.champion import Champion
from serving.ingest import ingest
from serving.options import CompanyFacts, ServiceOptions
from serving.publish import publish
from serving.state import ServedModels
from serving.store import SQLiteStore, Store, StoreError, open_store
from serving.store.tables import EVENTS, LEDGER

_CUSTOMERS = [f"C-{n:02}" for n in range(12)]
_READS = (
    ("GET", "/v1/customers/C-00/score", None),
    ("GET", "/v1/customers/C-00/score?include=signals,scorecard,factors", None),
    ("GET", "/v1/customers/C-00/history", None),
    ("POST", "/v1/scores:batchGet", {"customer_ids": _CUSTOMERS}),
    ("GET", "/v1/scores?limit=5", None),
    ("GET", "/v1/target-lists/preview", None),
    ("GET", "/v1/models", None),
)
# It is noted in the audit log, or not told.
_NOTED_READ = ("GET", "/v1/customers/C-00/record")


class _Served:
    """A service over a store of a few customers, whose scores are published."""

    def __init__(self, store: Store, champion: Champion, home: Path) -> None:
        self.store, self._champion = store, champion
        path = home / "orders.csv"
        rows = [
            f"{who},2024-0{1 + n % 5}-0{1 + k},{9 + n}"
            for n, who in enumerate(_CUSTOMERS)
            for k in range(3)
        ]
        path.write_text("\n".join(["customer_id,ordered_at,revenue", *rows, ""]))
        ingest(store, {"orders": Source(path=path)}, time_zone="UTC")
        self.publish()
        expires_at = datetime.now(UTC) + timedelta(hours=1)
        self._headers = {"X-API-Key": create_key(store, list(SCOPES), expires_at=expires_at)}
        company, options = CompanyFacts(home=home, currency="USD"), ServiceOptions(rate_limit=9_999)
        models = ServedModels(champion)
        self._app = create_app(store, company, options=options, models=models)

    def publish(self) -> int:
        arguments: Any = {"currency": "USD", "discount_rate": 0.1, "policy": "predicted"}
        return publish(self.store, self._champion, **arguments).set_id

    @contextmanager
    def client(self) -> Iterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        yield httpx.AsyncClient(transport=transport, base_url="http://worth", headers=self._headers)

    def ask(self, method: str, path: str, json: Any = None, **more: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            with self.client() as client:
                return await client.request(method, path, json=json, **more)

        return asyncio.run(send())

    def tell(self, *event_ids: str, n_lines: int = 1, **more: Any) -> httpx.Response:
        events = [_order(event_id, n_lines) for event_id in event_ids]
        return self.ask("POST", "/v1/events", {"events": events}, **more)

    def n_lines(self) -> Counter[str]:
        """Count the ledger's lines by the event that brought them; of each there must be one."""
        with self.store.reading() as connection:
            events = list(connection.scalars(sa.select(EVENTS.c.event_id)))
            orders = connection.scalars(sa.select(LEDGER["order_lines"].c.order_id))
            lines = Counter(order for order in orders if order.startswith("e-"))
        assert sorted(events) == sorted(lines)
        return lines


def _order(event_id: str, n_lines: int = 1) -> dict[str, Any]:
    return {
        "type": "order",
        "event_id": event_id,
        "customer_id": "C-00",
        "order_id": event_id,
        "ordered_at": "2024-05-20",
        "lines": [{"revenue": 3.0}] * n_lines,
    }


@pytest.fixture
def served(store: SQLiteStore, champion: Champion, tmp_path: Path) -> _Served:
    return _Served(store, champion, tmp_path)


def _refused(answer: httpx.Response) -> bool:
    """Tell whether it says in the way of problems that it may be sent again soon."""
    return (
        answer.status_code == 503
        and answer.headers["content-type"] == "application/problem+json"
        and int(answer.headers["retry-after"]) > 0
        and bool(answer.json()["detail"])
    )


class TestStore:
    """Faults of the disk under SQLite; each is over in the middle of the test."""

    @contextmanager
    def _locked(self, store: SQLiteStore) -> Iterator[None]:
        with (
            self._on_each_connection(store, "busy_timeout = 50"),
            closing(sqlite3.connect(store.path, isolation_level=None)) as other,
        ):
            other.execute("BEGIN IMMEDIATE")
            yield

    @contextmanager
    def _full(self, store: SQLiteStore) -> Iterator[None]:
        with closing(sqlite3.connect(store.path)) as connection:
            (n_pages,) = connection.execute("PRAGMA page_count").fetchone()
        with self._on_each_connection(store, f"max_page_count = {n_pages}"):
            yield

    @contextmanager
    def _read_only(self, store: SQLiteStore) -> Iterator[None]:
        with self._on_each_connection(store, "query_only = ON"):
            yield

    @contextmanager
    def _on_each_connection(self, store: SQLiteStore, pragma: str) -> Iterator[None]:
        def prepare(connection: sqlite3.Connection, _record: object) -> None:
            connection.execute(f"PRAGMA {pragma}")

        sa.event.listen(store.engine, "connect", prepare)
        yield
        sa.event.remove(store.engine, "connect", prepare)

    @pytest.mark.parametrize("fault", ["_locked", "_full", "_read_only"])
    def test_writes_are_refused_reads_go_on_and_all_is_well_when_it_is_over(
        self, served: _Served, fault: str
    ) -> None:
        assert served.tell("e-before").status_code == 200
        with getattr(self, fault)(served.store):
            assert _refused(served.tell("e-meanwhile", n_lines=900))
            if fault != "_full":  # Erasing needs no more room than there is.
                assert _refused(served.ask("DELETE", "/v1/customers/C-01"))
                assert _refused(served.ask(*_NOTED_READ))
            assert {served.ask(*read).status_code for read in _READS} == {200}
            assert served.n_lines() == {"e-before": 1}
        assert served.ask("GET", "/v1/customers/C-01/score").status_code == 200
        assert served.ask(*_NOTED_READ).status_code == 200

        assert served.tell("e-meanwhile", n_lines=900).status_code == 200
        assert served.ask("DELETE", "/v1/customers/C-01").status_code == 200
        assert served.n_lines() == {"e-before": 1, "e-meanwhile": 900}

    def test_a_store_that_is_no_longer_one_is_said_plainly_and_read_again_when_it_is_back(
        self, served: _Served
    ) -> None:
        aside = served.store.path.with_name("aside.db")
        with closing(sqlite3.connect(served.store.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        served.store.path.rename(aside)
        served.store.path.write_bytes(b"no database at all" * 1_000)
        assert all(_refused(served.ask(*read)) for read in _READS)
        aside.rename(served.store.path)
        assert {served.ask(*read).status_code for read in _READS} == {200}


def _set_clock(monkeypatch: pytest.MonkeyPatch, ahead: timedelta) -> None:
    """Set the clock that all of the service reads."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + ahead

    for name, module in list(sys.modules.items()):
        if name.startswith("serving.") and getattr(module, "datetime", None) is datetime:
            monkeypatch.setattr(module, "datetime", Clock)


def test_a_clock_that_is_set_back_by_a_day_breaks_nothing(
    served: _Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = served.tell("e-1", headers={"Idempotency-Key": "k-1"})
    set_before = served.publish()
    _set_clock(monkeypatch, timedelta(days=-1, hours=-2))

    again = served.tell("e-1", headers={"Idempotency-Key": "k-1"})
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    repeat = served.tell("e-1")
    assert (repeat.json(), repeat.headers["worth-repeated"]) == (first.json(), "1")
    newer = served.tell("e-2", headers={"Idempotency-Key": "k-2"}).json()["answers"][0]
    assert newer["score"]["scored_at"] < first.json()["answers"][0]["score"]["scored_at"]
    # What readers see goes by the order of events, not by the clock.
    assert served.ask("GET", "/v1/customers/C-00/score").json() == newer["score"]
    assert {served.ask(*read).status_code for read in _READS} == {200}
    assert served.publish() > set_before
    assert served.ask("GET", "/v1/customers/C-01/score").json()["stale"] is False
    assert served.ask("DELETE", "/v1/customers/C-01").status_code == 200
    with served.store.reading() as connection:
        verify(connection)
    assert served.n_lines() == {"e-1": 1, "e-2": 1}


def test_what_the_drivers_own_connection_reports_is_a_fault_of_the_store_too(
    store: SQLiteStore, postgres_place: str
) -> None:
    with closing(open_store(postgres_place)) as other:
        _fail(store, "SELECT 1 FROM gone")
        _fail(other, "SET LOCAL statement_timeout = 1", "SELECT pg_sleep(9)")


def _fail(store: Store, *statements: str) -> None:
    with pytest.raises(StoreError, match="did not answer"), store.reading() as connection:  # noqa: PT012
        for statement in statements:
            store.driver(connection).execute(statement)


_CLIENTS, _ANSWERS_BETWEEN = 6, 60


def test_postgres_restarted_under_load_costs_refusals_and_nothing_else(
    champion: Champion, tmp_path: Path
) -> None:
    try:
        with postgres_server() as url, closing(open_store(url)) as store:
            asyncio.run(_restart_under_load(_Served(store, champion, tmp_path), url))
    except NoServerError as error:
        pytest.skip(str(error))


async def _restart_under_load(served: _Served, url: str) -> None:
    answers: list[httpx.Response] = []
    accepted: list[str] = []
    is_over = asyncio.Event()

    async def load(client: httpx.AsyncClient, number: int) -> None:
        n = 0
        while not is_over.is_set():
            n += 1
            for method, path, body in _READS:
                answers.append(await client.request(method, path, json=body))
            event = _order(f"e-{number}-{n}")
            answers.append(told := await client.post("/v1/events", json={"events": [event]}))
            accepted.extend([event["event_id"]] if told.status_code == 200 else [])

    with served.client() as client:
        at_work = [asyncio.create_task(load(client, number)) for number in range(_CLIENTS)]
        for mode in ("fast", "immediate"):
            await _grown(answers)
            await asyncio.to_thread(restart_server, url, mode=mode)
        await _grown(answers)
        is_over.set()
        await asyncio.gather(*at_work)
        # By now every connection that the restart broke was found out.
        last = [await client.request(method, path, json=body) for method, path, body in _READS]
    refusals = [answer for answer in answers if answer.status_code != 200]
    assert {answer.status_code for answer in last} == {200}
    assert refusals
    assert all(_refused(answer) for answer in refusals), {a.status_code for a in refusals}
    lines = served.n_lines()
    assert set(lines.values()) == {1}
    assert set(accepted) <= set(lines)


async def _grown(answers: list[httpx.Response]) -> None:
    n = len(answers) + _ANSWERS_BETWEEN
    async with asyncio.timeout(120):
        while len(answers) < n:
            await asyncio.sleep(0.02)
