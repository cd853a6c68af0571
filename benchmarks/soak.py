"""Does the service grow tired? `worth serve` under mixed load: no error, no growth in memory.

`python -m benchmarks.soak` asks one worker on SQLite for ten minutes: stored scores, batches,
previews, events, pages of the list; it publishes anew every minute by `worth score` and erases a
customer now and then. It prints a Markdown table and exits with 1 where a target is missed: an
answer that is neither 2xx nor 304, or memory that grew by more than 5 % after the first minute.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import httpx
import numpy as np
import psutil

from features.ledger import day_of
from serving.auth import SCOPES, create_key
from serving.ingest import ingest
from serving.store import SQLiteStore
from training.tracking import Tracking
from training.train import train
from worth.demo import demo_settings
from worth.settings import Settings

_MINUTES = 10.0
_WARM_UP_SECONDS = 60.0
_SECONDS_BETWEEN_PUBLISHES = 60.0
_SECONDS_BETWEEN_ERASURES = 20.0
_CLIENTS = 3
# More would only measure how the clients wait for each other: they share the machine.
_PAUSE_SECONDS = 0.002
_MOST_GROWTH = 0.05
_SECONDS_TO_START = 120.0
_DAY = "1998-06-30"
# How often each is asked, as in a company: reads by far the most.
_MIX = {"score": 70, "batchGet": 4, "preview": 6, "event": 12, "list": 4, "score again": 4}


@dataclass(frozen=True)
class _Target:
    """What is asked: where it is, what opens it, and whom it knows."""

    url: str
    key: str
    customers: list[str]


@dataclass
class _Found:
    """What came of the requests so far; of all clients."""

    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)
    publishes: int = 0

    def note(self, work: str, seconds: float, status: int) -> None:
        """Note an answer."""
        self.milliseconds[work].append(seconds * 1_000)
        if not (200 <= status < 300 or status == 304):
            self.errors[f"{work}: {status}"] += 1


class _Client:
    """Asks as a till and a CRM would, by chance, one request after the other.

    Parameters
    ----------
    number : int
        Of this client: the seed of its chance, and part of its events' ids.
    target : _Target
        What it asks.
    found : _Found
        Where the answers are noted.
    """

    def __init__(self, number: int, target: _Target, found: _Found) -> None:
        self._number = number
        self._chance = random.Random(number)
        self._customers = target.customers
        headers = {"X-API-Key": target.key}
        self._http = httpx.Client(base_url=target.url, headers=headers, timeout=30)
        self._found = found
        self._events = 0
        self._known: tuple[str, str] | None = None

    def ask_until(self, end: float) -> None:
        """Ask until a moment of the monotonic clock."""
        works, weights = list(_MIX), list(_MIX.values())
        while time.monotonic() < end:
            (work,) = self._chance.choices(works, weights)
            self._ask(work)
            time.sleep(_PAUSE_SECONDS)

    def erase_one(self) -> None:
        """Make a customer by an event, and erase them again."""
        who = f"gone-{self._number}-{self._events}"
        self._timed("event", self._http.build_request("POST", "/v1/events", json=self._event(who)))
        self._timed("erase", self._http.build_request("DELETE", f"/v1/customers/{who}"))

    def _ask(self, work: str) -> None:
        if work == "score again" and self._known is not None:
            path, etag = self._known
            request = self._http.build_request("GET", path, headers={"If-None-Match": etag})
        else:
            request = self._request(work)
        answer = self._timed(work, request)
        if "etag" in answer.headers:
            self._known = (request.url.raw_path.decode(), answer.headers["etag"])

    def _request(self, work: str) -> httpx.Request:
        build, who = self._http.build_request, self._chance.choice(self._customers)
        if work == "batchGet":
            ids = self._chance.sample(self._customers, 200)
            return build("POST", "/v1/scores:batchGet", json={"customer_ids": ids})
        if work == "preview":
            order = self._event(who)["events"][0]
            wanted = {"events": [order], "customer_id": who, "as_of": _DAY}
            return build("POST", "/v1/scores:preview", json=wanted)
        if work == "event":
            return build("POST", "/v1/events", json=self._event(who))
        if work == "list":
            return build("GET", "/v1/scores", params={"limit": 200})
        return build("GET", f"/v1/customers/{who}/score")

    def _event(self, who: str) -> dict[str, list[dict[str, object]]]:
        self._events += 1
        number = f"{self._number}-{self._events}"
        order: dict[str, object] = {
            "type": "order",
            "event_id": f"soak-{number}",
            "customer_id": who,
            "order_id": f"O-{number}",
            "ordered_at": _DAY,
            "lines": [{"revenue": round(self._chance.uniform(5, 50), 2), "quantity": 1}],
        }
        return {"events": [order]}

    def _timed(self, work: str, request: httpx.Request) -> httpx.Response:
        began = time.perf_counter()
        answer = self._http.send(request)
        self._found.note(work, time.perf_counter() - began, answer.status_code)
        return answer


def main() -> None:
    """Ask for some minutes, print what was found, and say by the exit code whether it is well."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=float, default=_MINUTES)
    minutes = asked.parse_args().minutes
    with tempfile.TemporaryDirectory(prefix="worth-soak-") as scratch:
        settings = demo_settings(Settings(home=Path(scratch)))
        key, customers = _lay(settings)
        _score(settings)
        with _service(settings) as (url, pid):
            target = _Target(url, key, customers)
            found, memory = _soak(settings, target, psutil.Process(pid), minutes * 60)
    sys.exit(_report(found, memory))


def _lay(settings: Settings) -> tuple[str, list[str]]:
    """Load and train; give a key, and the ids of the customers."""
    store = SQLiteStore.open(settings.store_path)
    ingest(store, settings.sources, time_zone="UTC")
    tracking = Tracking(settings.mlflow_uri, settings.artifacts)
    origin = day_of(date(1998, 3, 31))
    ledger = store.read_ledger()
    train(ledger, tracking, as_of=origin, horizon_days=90, currency="USD")
    key = create_key(store, list(SCOPES), rate_limit=1_000_000)
    store.close()
    return key, sorted(set(ledger.order_lines["customer_id"].to_pylist()))


def _soak(
    settings: Settings, target: _Target, worker: psutil.Process, seconds: float
) -> tuple[_Found, list[float]]:
    """Let all clients ask; give what came of it and the worker's memory (MB) once a second."""
    found = _Found()
    memory: list[float] = []
    end = time.monotonic() + _WARM_UP_SECONDS + seconds
    with ThreadPoolExecutor(_CLIENTS + 2) as threads:
        works = [
            threads.submit(_Client(number, target, found).ask_until, end)
            for number in range(_CLIENTS)
        ]
        works.append(threads.submit(_publish_until, end, settings, found))
        works.append(threads.submit(_erase_until, end, _Client(_CLIENTS, target, found)))
        warm_at = end - seconds
        while time.monotonic() < end and not any(work.done() for work in works):
            time.sleep(1)
            if time.monotonic() >= warm_at:
                memory.append(worker.memory_info().rss / 1e6)
        for work in works:
            work.result()
    return found, memory


def _publish_until(end: float, settings: Settings, found: _Found) -> None:
    while time.monotonic() + _SECONDS_BETWEEN_PUBLISHES < end:
        time.sleep(_SECONDS_BETWEEN_PUBLISHES)
        _score(settings)
        found.publishes += 1


def _erase_until(end: float, client: _Client) -> None:
    while time.monotonic() + _SECONDS_BETWEEN_ERASURES < end:
        time.sleep(_SECONDS_BETWEEN_ERASURES)
        client.erase_one()


def _report(found: _Found, memory: list[float]) -> int:
    print("| asked | requests | p50 | p99 |\n|---|---|---|---|")
    for work, spent in sorted(found.milliseconds.items()):
        p50, p99 = np.percentile(spent, [50, 99])
        print(f"| {work} | {len(spent):,} | {p50:.1f} ms | {p99:.1f} ms |")
    total = sum(len(spent) for spent in found.milliseconds.values())
    # A minute's least: what is freed within it is no growth.
    first, last = min(memory[:60]), min(memory[-60:])
    growth = last / first - 1
    print(f"\n{total:,} requests, {found.publishes} publishes.")
    print("Errors: " + (", ".join(f"{n} {what}" for what, n in found.errors.items()) or "none"))
    print(
        f"Resident memory: {first:.0f} MB after warm-up, {last:.0f} MB at the end ({growth:+.1%})"
    )
    return 1 if found.errors or growth > _MOST_GROWTH else 0


def _score(settings: Settings) -> None:
    command = [sys.executable, "-m", "worth", "score"]
    subprocess.run(command, env=_environment(settings), check=True, capture_output=True)


@contextmanager
def _service(settings: Settings) -> Iterator[tuple[str, int]]:
    """Run `worth serve`; give its address and the number of its worker."""
    command = [sys.executable, "-m", "worth", "serve", "--port", "0", "--workers", "1"]
    log = settings.home / "service.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=_environment(settings), stderr=file, stdout=file)
        try:
            started = _started(log, process)
            yield str(started["url"]), int(str(started["worker_pids"][0]))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _environment(settings: Settings) -> dict[str, str]:
    return os.environ | {"WORTH_HOME": str(settings.home), "WORTH_CURRENCY": settings.currency}


def _started(log: Path, process: "subprocess.Popen[bytes]") -> dict[str, list[int]]:
    end = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < end and process.poll() is None:
        for line in log.read_text(encoding="utf-8").splitlines():
            if '"service.started"' in line:
                found: dict[str, list[int]] = json.loads(line)
                return found
        time.sleep(0.05)
    raise RuntimeError(f"The service did not start: {log.read_text(encoding='utf-8')[-2_000:]}")


if __name__ == "__main__":
    main()
