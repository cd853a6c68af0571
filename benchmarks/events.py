"""Event to new score: `worth serve` as it runs, asked over loopback, on SQLite and PostgreSQL.

`python -m benchmarks.events` prints a Markdown table. Load generator, service and database share
the machine; keys are checked and logs written. Customers have 60 order lines each; an event is an
order of two lines, of a customer drawn at random, and its answer carries the new score. The model
is the latent one alone. PostgreSQL does not wait for its disk here (fsync = off); SQLite does.

Events are sent in three ways: one a request by one till, each after the answer to the one before;
one a request by 16 tills, each of which waits for its own answers alone; and 1,000 a request.
"""

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from benchmarks.postgres_server import postgres_server
from features.engines.duckdb import compute_signals
from features.ledger import Ledger, date_of
from features.pipeline import signals_digest
from features.schema import TABLES
from models.bundle import Bundle
from models.value.forecaster import ValueForecaster
from models.value.latent import LatentValueModel
from serving.auth import create_key
from serving.champion import Champion
from serving.publish import publish
from serving.store import Store, open_store
from serving.store.tables import LEDGER, MODEL_CHOICES, MODELS
from serving.versions.bundles import keep_bundle

_CUSTOMERS, _LINES, _DAYS = 2_000, 60, 730
_LAST_DAY = 20_500
_OF_ONE_TILL, _TILLS, _OF_EACH_TILL = 1_000, 16, 200
_BATCHES, _OF_A_BATCH = 8, 1_000
_WARM_UP = 50
_SECONDS_TO_START = 120
_NO_REGISTRY = "sqlite:////nonexistent/mlflow.db"


@dataclass(frozen=True)
class Measured:
    """What came of events that were sent in one way.

    Parameters
    ----------
    p50_ms, p99_ms : float
        Of a request, from sending it to having its scores.
    per_second : float
        Events.
    """

    p50_ms: float
    p99_ms: float
    per_second: float


def main() -> None:
    """Measure both stores and print the table."""
    print("| store | sent by | p50 | p99 | events/s |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        _print("SQLite", measure(home, f"sqlite:///{home / 'worth.db'}"))
    with tempfile.TemporaryDirectory() as name, postgres_server() as url:
        _print("PostgreSQL", measure(Path(name), url))


def _print(name: str, measured: dict[str, Measured]) -> None:
    for how, found in measured.items():
        print(
            f"| {name} | {how} | {found.p50_ms:.1f} ms | {found.p99_ms:.1f} ms "
            f"| {found.per_second:,.0f} |",
            flush=True,
        )


def measure(home: Path, place: str) -> dict[str, Measured]:
    """Lay a ledger, publish its scores, start the service and send it events.

    Parameters
    ----------
    home : Path
        An empty folder.
    place : str
        Address of an empty store.

    Returns
    -------
    dict of str to Measured
        By how the events were sent.
    """
    store = open_store(place)
    key = _prepare(store, home)
    store.close()
    numbers = iter(range(1_000_000_000))
    with _service(home, place) as url:
        send = partial(_sent, url, key, numbers)
        send(_WARM_UP, 1)
        return {
            "one till": _measured(lambda: send(_OF_ONE_TILL, 1), 1),
            f"{_TILLS} tills": _measured(lambda: _side_by_side(send), 1),
            f"{_OF_A_BATCH:,} a request": _measured(
                lambda: send(_BATCHES, _OF_A_BATCH), _OF_A_BATCH
            ),
        }


def _measured(send: Callable[[], list[float]], of_a_request: int) -> Measured:
    began = time.perf_counter()
    seconds = send()
    spent = time.perf_counter() - began
    p50, p99 = np.percentile(seconds, [50, 99]) * 1_000
    return Measured(p50, p99, len(seconds) * of_a_request / spent)


def _side_by_side(send: Callable[[int, int], list[float]]) -> list[float]:
    with ThreadPoolExecutor(_TILLS) as tills:
        sent = tills.map(lambda _: send(_OF_EACH_TILL, 1), range(_TILLS))
        return [seconds for till in sent for seconds in till]


def _sent(
    url: str, key: str, numbers: Iterator[int], n_requests: int, of_a_request: int
) -> list[float]:
    """Send requests over one connection; give the seconds that each took."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port or 80)
    seconds = []
    for _ in range(n_requests):
        some = [next(numbers) for _ in range(of_a_request)]
        chance = random.Random(some[0])
        seconds.append(_send(connection, key, [_event(chance, number) for number in some]))
    connection.close()
    return seconds


def _prepare(store: Store, home: Path) -> str:
    """Lay the ledger, publish its scores, and keep the model where a service finds it."""
    ledger = _ledger()
    with store.staged(dict(ledger.tables)) as (connection, staged):
        for name, table in LEDGER.items():
            columns = list(table.c.keys())
            rows = sa.select(*(staged[name].c[column] for column in columns))
            connection.execute(sa.insert(table).from_select(columns, rows))
    signals = compute_signals(ledger, _LAST_DAY)
    forecaster = ValueForecaster(LatentValueModel().fit(signals), horizon_days=90)
    forecaster.presume(signals, widening=1.0, random_state=0)
    facts = {"horizon_days": 90, "value_basis": "revenue", "signals_digest": signals_digest()}
    champion = Champion("worth", "1", Bundle("latent", forecaster, facts=facts))
    publish(store, champion, currency="EUR", discount_rate=0.1, policy="predicted")
    keep_bundle(home, champion)
    seen = {"version": "1", "name": "worth", "digest": champion.digest, "seen_at": "2026-01-01"}
    pinned = {"what": "pinned", "version": "1", "reason": "measured", "actor": "benchmark"}
    with store.writing() as connection:
        connection.execute(sa.insert(MODELS).values(**seen))
        connection.execute(sa.insert(MODEL_CHOICES).values(**pinned, at="2026-01-01"))
    return str(create_key(store, ["events:write"]))


def _ledger() -> Ledger:
    chance = random.Random(1)
    rows = [
        {
            "customer_id": f"C-{n:05d}",
            "day": _LAST_DAY if n == m == 0 else _LAST_DAY - chance.randrange(_DAYS),
            "row_key": (n * _LINES + m).to_bytes(16),
            "order_id": f"{n}-{m // 2}",
            "revenue": round(chance.random() * 100, 2),
            "product_id": f"P-{chance.randrange(200)}",
            "category": f"K-{chance.randrange(8)}",
            "quantity": 1.0,
            "cost": round(chance.random() * 60, 2),
        }
        for n in range(_CUSTOMERS)
        for m in range(_LINES)
    ]
    return Ledger({"order_lines": pa.Table.from_pylist(rows, TABLES["order_lines"].arrow_schema)})


def _event(chance: random.Random, number: int) -> dict[str, object]:
    line = {"revenue": 19.9, "product_id": "P-7", "category": "K-1", "quantity": 1, "cost": 9.5}
    return {
        "type": "order",
        "event_id": f"till-{number}",
        "customer_id": f"C-{chance.randrange(_CUSTOMERS):05d}",
        "order_id": f"N-{number}",
        "ordered_at": date_of(_LAST_DAY + 1).isoformat(),
        "lines": [line, line | {"product_id": "P-8"}],
    }


def _send(connection: http.client.HTTPConnection, key: str, events: list[object]) -> float:
    body = json.dumps({"events": events})
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    began = time.perf_counter()
    connection.request("POST", "/v1/events", body, headers)
    answer = connection.getresponse()
    content = answer.read()
    seconds = time.perf_counter() - began
    if answer.status != 200 or b'"score":null' in content:
        raise RuntimeError(f"{answer.status}: {content[:500]!r}")
    return seconds


@contextmanager
def _service(home: Path, place: str) -> Iterator[str]:
    """Run `worth serve` and give its address."""
    environment = os.environ | {
        "WORTH_HOME": str(home),
        "WORTH_STORE_URL": place,
        "WORTH_CURRENCY": "EUR",
        "WORTH_TRACKING_URI": _NO_REGISTRY,
        "WORTH_SERVICE__RATE_LIMIT": "1000000",
    }
    command = [sys.executable, "-m", "worth", "serve", "--port", "0"]
    log = home / "service.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stderr=file, stdout=file)
        try:
            yield _address(log, process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < end and process.poll() is None:
        for line in log.read_text(encoding="utf-8").splitlines():
            if '"service.started"' in line:
                return str(json.loads(line)["url"])
        time.sleep(0.05)
    raise RuntimeError(f"The service did not start: {log.read_text(encoding='utf-8')[-2_000:]}")


if __name__ == "__main__":
    main()
