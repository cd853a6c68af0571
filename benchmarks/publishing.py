"""How long a publication takes while the service is read, and whether its readers notice.

`python -m benchmarks.publishing` lays a ledger of a million customers, publishes it, starts `worth
serve`, has wrk (Debian's package of that name) read stored scores as fast as it can, and runs
`worth score` beside it. Meanwhile answers of batchGet are searched for scores of two sets. --home
keeps what was laid; --customers lays fewer.
"""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import httpx
import sqlalchemy as sa

from benchmarks.service import CHANCE, CUSTOMER_ID, HEADERS, options, running_service
from features.ledger import day_of
from serving.auth import create_key
from serving.ingest import ingest
from serving.store import SQLiteStore
from serving.store.tables import LEDGER
from training.tracking import Tracking
from training.train import train
from worth.demo import demo_settings
from worth.settings import Settings

_SECONDS = 20
_CONNECTIONS = 16
_BATCH = 500
_SECONDS_BETWEEN_BATCHES = 0.1
_WRITES = "publishing "  # What `worth score` says when the scores are at hand.
# Long enough for wrk to outlast any publication; it is told to stop.
_FOR_EVER = "3600s"
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass
class _Batches:
    """What answers of batchGet said, asked for one after the other.

    Parameters
    ----------
    url, key : str
        Of the service.
    n_customers : int
        Whom it knows.
    """

    url: str
    key: str
    n_customers: int
    n: int = 0
    n_mixed: int = 0
    # When each set was first seen, by the time it was made.
    seen: dict[str, float] = field(default_factory=dict)

    def ask_until(self, end: threading.Event) -> None:
        """Ask until told to stop."""
        chance = random.Random(1)
        with httpx.Client(base_url=self.url, headers={"X-API-Key": self.key}, timeout=30) as http:
            while not end.wait(_SECONDS_BETWEEN_BATCHES):
                ids = [CUSTOMER_ID % chance.randint(1, self.n_customers) for _ in range(_BATCH)]
                answer = http.post("/v1/scores:batchGet", json={"customer_ids": ids})
                found = answer.raise_for_status().json()["scores"]
                made = {f"{score['as_of']} {score['scored_at']}" for score in found}
                assert len(found) == _BATCH
                self.n += 1
                self.n_mixed += len(made) > 1
                for one in made:
                    self.seen.setdefault(one, time.monotonic())


def main() -> None:
    """Measure, and print a table; exit with 1 where an answer mixed two sets."""
    given = options(__doc__, seconds=_SECONDS)
    with tempfile.TemporaryDirectory(prefix="worth-publish-") as scratch:
        settings = demo_settings(Settings(home=given.home or Path(scratch) / "home"))
        key = _lay(settings, given.customers)
        with running_service(settings, Path(scratch) / "service.log") as (url, *_):
            batches = _Batches(url, key, given.customers)
            rows = _measure(settings, batches, given.seconds, Path(scratch))
    width = max(map(len, rows))
    print("\n".join(f"| {work:<{width}} | {found} |" for work, found in rows.items()))
    sys.exit(1 if batches.n_mixed else 0)


def _lay(settings: Settings, n_customers: int) -> str:
    """Train on the demo's ledger, let its customers stand for a million, and score them."""
    store = SQLiteStore.open(settings.store_path)
    if not _is_laid(store):
        ingest(store, settings.sources, time_zone="UTC")
        tracking = Tracking(settings.mlflow_uri, settings.artifacts)
        origin = day_of(date(1998, 3, 31))
        train(store.read_ledger(), tracking, as_of=origin, horizon_days=90, currency="USD")
        _multiply(store, n_customers)
        _score(settings).communicate()
    key = create_key(store, ["scores:read"], rate_limit=1_000_000)
    store.close()
    return key


def _is_laid(store: SQLiteStore) -> bool:
    with store.reading() as connection:
        return connection.execute(sa.select(LEDGER["customers"]).limit(1)).first() is not None


def _multiply(store: SQLiteStore, n_customers: int) -> None:
    """Give every number of a customer the orders of one of the demo's, and a row of facts."""
    names = ", ".join(column.name for column in list(LEDGER["order_lines"].c)[3:])
    with store.writing() as connection:
        driver = store.driver(connection)
        driver.execute(
            "CREATE TEMP TABLE models AS SELECT customer_id, ROW_NUMBER() OVER () AS place "
            "FROM (SELECT DISTINCT customer_id FROM order_lines)"
        )
        driver.execute("CREATE TEMP TABLE numbers (n INTEGER PRIMARY KEY)")
        driver.execute(
            "WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < ?) "
            "INSERT INTO numbers SELECT n FROM more",
            (n_customers,),
        )
        driver.execute(
            "INSERT INTO customers (customer_id, row_key, profiling_opt_out) "
            f"SELECT printf('{CUSTOMER_ID}', n), CAST(n AS BLOB), 0 FROM numbers"
        )
        (known,) = driver.execute("SELECT COUNT(*) FROM models").fetchone()
        driver.execute(
            f"INSERT INTO order_lines (customer_id, day, row_key, {names}) "
            f"SELECT printf('{CUSTOMER_ID}', place + (n - 1) * ?1), day, "
            f"CAST(n || hex(row_key) AS BLOB), {names} "
            "FROM numbers CROSS JOIN models CROSS JOIN order_lines USING (customer_id) "
            "WHERE n <= ?2 / ?1 + 1 AND place + (n - 1) * ?1 <= ?2",
            (known, n_customers),
        )
        driver.execute(
            "DELETE FROM order_lines WHERE customer_id IN (SELECT customer_id FROM models)"
        )


def _score(settings: Settings) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "worth", "score"]
    environment = os.environ | {"WORTH_HOME": str(settings.home), "WORTH_CURRENCY": "USD"}
    return subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )


def _measure(settings: Settings, batches: _Batches, seconds: int, scratch: Path) -> dict[str, str]:
    """Read before, during and after a publication."""
    before = _Reads(batches, scratch)
    time.sleep(seconds)
    quiet = before.stopped()
    end = threading.Event()
    asker = threading.Thread(target=batches.ask_until, args=(end,))
    asker.start()
    forecasting, begun = _Reads(batches, scratch), time.monotonic()
    process = _score(settings)
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if _WRITES in line:
            at_hand = time.monotonic()
            while_forecast, writing = forecasting.stopped(), _Reads(batches, scratch)
    ended = time.monotonic()
    if process.wait():
        raise RuntimeError("".join(said))
    while_written = writing.stopped()
    time.sleep(1)
    end.set()
    asker.join()
    moved = max(batches.seen.values())
    assert len(batches.seen) == 2
    n = f"{batches.n_customers:,}"
    return {
        f"ledger of {n} customers to their scores": f"{at_hand - begun:.1f} s",
        f"{n} scores at hand to the moment that readers see them": f"{moved - at_hand:.1f} s",
        "clearing away the set before": f"{ended - moved:.1f} s",
        f"stored score, {_CONNECTIONS} connections, before": quiet,
        "the same while they are computed": while_forecast,
        "the same while they are written": while_written,
        f"answers of {_BATCH} scores that mixed two sets": f"{batches.n_mixed} of {batches.n}",
    }


class _Reads:
    """wrk, reading stored scores by chance until it is stopped."""

    def __init__(self, batches: _Batches, scratch: Path) -> None:
        script = scratch / "read.lua"
        script.write_text(
            CHANCE.format(n=batches.n_customers)
            + HEADERS.format(key=batches.key)
            + 'request = function() return wrk.format("GET", '
            + '"/v1/customers/" .. who() .. "/score") end'
        )
        self._process = subprocess.Popen(
            [
                "wrk",
                "-t1",
                f"-c{_CONNECTIONS}",
                f"-d{_FOR_EVER}",
                "--latency",
                "-s",
                str(script),
                batches.url,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )

    def stopped(self) -> str:
        """Stop it, and give what it found; refuse a measurement with errors in it."""
        self._process.send_signal(signal.SIGINT)
        said, _ = self._process.communicate()
        if "Non-2xx" in said or "Socket errors" in said:
            raise RuntimeError(said)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
        latency = re.search(r"99%\s+(\S+)", said)
        assert rate is not None
        assert latency is not None
        return f"{float(rate[1]):,.0f} a second, 99th percentile {latency[1]}"


if __name__ == "__main__":
    main()
