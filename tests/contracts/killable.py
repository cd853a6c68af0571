"""Work that is killed: a warm process forks a child for each order, and kills it at its moment.

Importing the service takes seconds, forking a process that has done so takes milliseconds. An order
is a line of JSON on standard input: the job's name, its arguments, and `delay`, the seconds from
the job's beginning to its SIGKILL. The answer is a line on standard output.

A job acknowledges each piece of work in a file, and only after it was told that it is done: by the
answer of the service, or by the return of what does the work.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from features.pipeline import signals_digest, signals_statement
from features.sources import Source
from serving.app import create_app
from serving.champion import Champion
from serving.ingest import ingest
from serving.options import CompanyFacts, ServiceOptions
from serving.publish import publish
from serving.store import open_store
from serving.versions.bundles import find_bundle, keep_folder
from serving.versions.notes import ChampionNote, note, noted_champion

__all__ = ["N_BAD_ROWS", "N_ROWS", "order_events", "write_source"]

Order = Mapping[str, Any]
Acknowledge = Callable[[object], None]

# Clean rows of each source that is loaded, and rows that are rejected.
N_ROWS, N_BAD_ROWS = 100, 2


def order_events(n: int) -> list[dict[str, Any]]:
    """Write the n-th request with events: three orders of two lines."""
    return [
        {
            "type": "order",
            "event_id": f"e-{n}-{part}",
            "customer_id": f"C{(7 * n + part) % 40:02}",
            "order_id": f"o-{n}-{part}",
            "ordered_at": f"2024-0{1 + n % 6}-1{part}",
            "lines": [{"revenue": 10.0 + n % 17}, {"revenue": 5.0}],
        }
        for part in range(3)
    ]


def write_source(n: int, folder: Path) -> tuple[str, Source]:
    """Write the n-th source: orders, or invoices that tell of their payments too."""
    path = folder / f"{n}.csv"
    good, bad = range(N_ROWS), ["C0,no day,1,x"] * N_BAD_ROWS
    if n % 2 == 0:
        head = "customer_id,ordered_at,revenue,order_id"
        rows = [f"C{k % 50},2024-01-{1 + k % 28:02},{k},orders-{n}-{k}" for k in good]
        path.write_text("\n".join([head, *rows, *bad, ""]))
        return f"orders-{n}", Source(path=path)
    head = "customer_id,issued_at,amount,invoice_id,due_at,settled_at"
    rows = [
        f"C{k % 50},2024-01-{1 + k % 28:02},9,invoices-{n}-{k},2024-02-28,2024-02-20" for k in good
    ]
    path.write_text("\n".join([head, *rows, *(f"{row},," for row in bad), ""]))
    return f"invoices-{n}", Source(path=path, table="invoices")


def _load_sources(order: Order, acknowledge: Acknowledge) -> Iterator[None]:
    store = open_store(_place(order))
    yield
    with tempfile.TemporaryDirectory() as folder:
        for n in count(order["first"]):
            name, source = write_source(n, Path(folder))
            ingest(store, {name: source}, time_zone="UTC")
            acknowledge(n)
            yield


def _publish_sets(order: Order, acknowledge: Acknowledge) -> Iterator[None]:
    store, champion = open_store(_place(order)), _champion(Path(order["home"]))
    yield
    while True:
        made = publish(store, champion, currency="USD", discount_rate=0.1, policy="predicted")
        acknowledge(made.set_id)
        yield


def _champion(home: Path) -> Champion:
    noted = noted_champion(home)
    assert noted is not None
    bundle = find_bundle(home, noted.digest)
    assert bundle is not None
    return Champion(noted.name, noted.version, bundle, digest=noted.digest)


async def _send_events(order: Order, acknowledge: Acknowledge) -> AsyncIterator[None]:
    async with _service(order) as client:
        yield
        for n in count(order["first"]):
            answer = await client.post("/v1/events", json={"events": order_events(n)})
            acknowledge([n, _ok(answer)])
            yield


async def _choose_models(order: Order, acknowledge: Acknowledge) -> AsyncIterator[None]:
    """Promote in the registry (its watcher fetches and notes), pin, roll back and unpin."""
    home, versions = Path(order["home"]), order["versions"]
    async with _service(order) as client:
        yield
        for n in count(order["first"]):
            version, digest = versions[n % len(versions)]
            keep_folder(home, Path(order["fetched"]) / version)
            said = {"version": version, "digest": digest}
            note(home, ChampionNote(name="worth", seen_at="2026-01-01", **said))
            acknowledge(["promote", version])
            for verb in ("pin", "rollback", "unpin") if n % 3 else ("pin", "shadow"):
                chosen = version if verb == "pin" else versions[(n + 1) % len(versions)][0]
                body = {"reason": f"a test, {n}"}
                body |= {} if verb in ("rollback", "unpin") else {"version": chosen}
                answer = await client.post(f"/v1/models:{verb}", json=body)
                if answer.status_code != 409:  # Nothing served before, or it serves already.
                    acknowledge([verb, _ok(answer), chosen])
            yield


async def _erase_customers(order: Order, acknowledge: Acknowledge) -> AsyncIterator[None]:
    async with _service(order) as client:
        yield
        for who in order["customers"]:
            receipt = _ok(await client.delete(f"/v1/customers/{who}"))
            acknowledge([who, receipt])
            yield


def _ok(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json()


@asynccontextmanager
async def _service(order: Order) -> AsyncIterator[httpx.AsyncClient]:
    """Start the whole service, with what it does at its start, and a client with a key."""
    app = create_app(
        open_store(_place(order)),
        CompanyFacts(home=Path(order["home"]), currency="USD"),
        options=ServiceOptions(rate_limit=1_000_000),
    )
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        headers = {"X-API-Key": order["key"]}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://worth", headers=headers
        ) as client:
            yield client


def _place(order: Order) -> Path | str:
    return str(order["url"]) if "url" in order else Path(order["home"]) / "worth.db"


_JOBS: Mapping[str, Callable[[Order, Acknowledge], Any]] = {
    "ingest": _load_sources,
    "publish": _publish_sets,
    "events": _send_events,
    "models": _choose_models,
    "erase": _erase_customers,
}


def _do(order: Order, ready: int) -> None:
    """Do a job until it is killed, or so many rounds of it."""
    with Path(order["acknowledged"]).open("a") as file:

        def acknowledge(what: object) -> None:
            file.write(json.dumps(what) + "\n")
            file.flush()

        job = _JOBS[order["job"]](order, acknowledge)
        rounds = order.get("rounds")
        if isinstance(job, Iterator):
            next(job)
            os.write(ready, b".")
            for _ in count() if rounds is None else range(rounds):
                if next(job, ...) is ...:
                    return
        else:
            asyncio.run(_go_on(job, rounds, ready))


async def _go_on(job: AsyncIterator[None], rounds: int | None, ready: int) -> None:
    await anext(job)
    os.write(ready, b".")
    for _ in count() if rounds is None else range(rounds):
        if await anext(job, ...) is ...:
            return
    await job.aclose()  # type: ignore[attr-defined]


def _fork(order: Order) -> tuple[int, int]:
    """Start a child on a job; give its number, and the pipe on which it says that it has begun."""
    began, ready = os.pipe()
    child = os.fork()
    if child:
        os.close(ready)
        return child, began
    # What it logs must not mix with this process's answers.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    try:
        _do(order, ready)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def _warm_up() -> None:
    """Make what every child would make anew: the texts of SQL, in more time than it then lives."""
    signals_digest()
    for dialect in ("sqlite", "postgres"):
        signals_statement(dialect, one_customer=True)
        signals_statement(dialect, some_customers=True)


def main() -> None:
    """Answer orders until there are no more."""
    _warm_up()
    for line in sys.stdin:
        order = json.loads(line)
        child, began = _fork(order)
        os.read(began, 1)
        os.close(began)
        start = time.monotonic()
        if "delay" in order:
            time.sleep(order["delay"])
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        said = {"exit": os.waitstatus_to_exitcode(status), "seconds": time.monotonic() - start}
        print(json.dumps(said), flush=True)  # noqa: T201 - it is how the answer is given


if __name__ == "__main__":
    main()
