"""How fast the service answers: real processes over loopback, keys checked, logs written.

`python -m benchmarks.service` lays a million scored customers, starts `worth serve` and asks it
with wrk (Debian's package of that name), then `mlflow models serve` with the same model. --home
keeps what was laid; --customers lays fewer.
"""

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import psutil
import sqlalchemy as sa

from features.ledger import day_of
from features.sources import Source
from serving.auth import create_key
from serving.ingest import ingest
from serving.publish import publish
from serving.store import SQLiteStore
from serving.store.tables import SCORES
from serving.versions.scorer import scorer
from training.tracking import Tracking
from training.train import train
from worth.demo import demo_settings
from worth.settings import Settings

__all__ = ["CHANCE", "CUSTOMER_ID", "HEADERS", "options", "running_service"]

_SECONDS = 10
_LINES = 60
_PATIENCE = 120.0
CUSTOMER_ID = "C%07d"
# Of every script: chance, so that no cache answers; the same chance every time.
CHANCE = "math.randomseed(1)\nlocal n = {n}\nlocal function who() "
CHANCE += 'return string.format("C%07d", math.random(1, n)) end\n'
HEADERS = 'wrk.headers["X-API-Key"] = "{key}"\nwrk.headers["Content-Type"] = "application/json"\n'


def main() -> None:
    """Measure all, and print the table of the README."""
    given = options(__doc__, seconds=_SECONDS)
    with tempfile.TemporaryDirectory(prefix="worth-bench-") as scratch:
        home = given.home or Path(scratch) / "home"
        settings = demo_settings(Settings(home=home))
        key = _lay(settings, given.customers)
        rows = list(_measure(settings, key, given.customers, given.seconds, Path(scratch)))
    width = max(len(work) for work, _ in rows)
    print("\n".join(f"| {work:<{width}} | {found} |" for work, found in rows))


def options(description: str | None, *, seconds: int) -> argparse.Namespace:
    """Read what was asked for; refuse where there is nothing to ask the service with."""
    asked = argparse.ArgumentParser(description=description)
    asked.add_argument("--customers", type=int, default=1_000_000)
    asked.add_argument("--home", type=Path)
    asked.add_argument("--seconds", type=int, default=seconds)
    given = asked.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed (Debian's package: wrk).")
    return given


def _lay(settings: Settings, n_customers: int) -> str:
    """Train on the demo's ledger, score it, and let its customers stand for a million."""
    store = SQLiteStore.open(settings.store_path)
    with store.reading() as connection:
        is_laid = connection.execute(sa.select(SCORES.c.set_id).limit(1)).scalar() is not None
    if not is_laid:
        lines: dict[str, Source] = settings.sources
        ingest(store, lines, time_zone="UTC")
        tracking = Tracking(settings.mlflow_uri, settings.artifacts)
        origin = day_of(date(1998, 3, 31))
        train(store.read_ledger(), tracking, as_of=origin, horizon_days=90, currency="USD")
        champion = scorer(store, settings.home, settings.mlflow_uri).champion
        publish(store, champion, currency="USD", discount_rate=0.1, policy="predicted")
        _multiply(store, n_customers)
    scopes = ["scores:read", "scores:preview", "lists:read"]
    key = create_key(store, scopes, rate_limit=1_000_000)  # type: ignore[arg-type] # one's own
    store.close()
    return key


def _multiply(store: SQLiteStore, n_customers: int) -> None:
    """Give every number of a customer the score of one of the demo's, and a row of facts."""
    names = [column.name for column in SCORES.c if column.name not in {"set_id", "customer_id"}]
    columns = ", ".join(names)
    numbers = (
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers "
        "WHERE n < :most)"
    )
    model = f"SELECT ROW_NUMBER() OVER () - 1 AS place, set_id, {columns} FROM scores"
    with store.writing() as connection:
        connection.execute(sa.text(f"CREATE TABLE models_of_scores AS {model}"))
        connection.execute(sa.text("CREATE INDEX by_place ON models_of_scores (place)"))
        known = connection.execute(sa.text("SELECT COUNT(*) FROM models_of_scores")).scalar_one()
        connection.execute(
            sa.text(
                f"{numbers} INSERT INTO scores (set_id, customer_id, {columns}) "
                f"SELECT set_id, printf('{CUSTOMER_ID}', n), {columns} FROM numbers "
                "JOIN models_of_scores ON place = n % :known"
            ),
            {"most": n_customers, "known": known},
        )
        connection.execute(sa.text("DROP TABLE models_of_scores"))
        connection.execute(
            sa.text(
                f"{numbers} INSERT INTO customers (customer_id, row_key, profiling_opt_out) "
                f"SELECT printf('{CUSTOMER_ID}', n), printf('{CUSTOMER_ID}', n), 0 FROM numbers"
            ),
            {"most": n_customers},
        )
        connection.execute(sa.text("UPDATE score_sets SET n_customers = :n"), {"n": n_customers})


def _measure(
    settings: Settings, key: str, n_customers: int, seconds: int, scratch: Path
) -> Iterator[tuple[str, str]]:
    with running_service(settings, scratch / "service.log") as (url, started, seconds_to_ready):
        yield f"start to ready, {n_customers:,} scored", f"{seconds_to_ready:.1f} s"
        head = CHANCE.format(n=n_customers) + HEADERS.format(key=key)
        read = 'request = function() return wrk.format("GET", "/v1/customers/" .. who() .. '
        read += '"/score") end\n'
        yield "stored score, 16 connections", _wrk(url, head + read, 16, seconds, scratch)
        batch = 'wrk.method = "POST"\nrequest = function()\n  local ids = {}\n'
        batch += "  for i = 1, 1000 do ids[i] = '\"' .. who() .. '\"' end\n"
        batch += '  local body = \'{"customer_ids":[\' .. table.concat(ids, ",") .. "]}"\n'
        batch += '  return wrk.format("POST", "/v1/scores:batchGet", nil, body)\nend\n'
        yield "batchGet of 1,000 ids, 2 connections", _wrk(url, head + batch, 2, seconds, scratch)
        post = _posted("/v1/scores:preview", _history())
        ours = _wrk(url, head + post, 4, seconds, scratch)
        yield f"preview of {_LINES} lines, 4 connections", ours
        signals = _signals(url, key)
        worker = psutil.Process(started["worker_pids"][0])
        memory = worker.memory_info().rss / 1e6
        yield f"resident memory of one worker, {n_customers:,} scored", f"{memory:.0f} MB"
    with running_service(settings, scratch / "two.log", n_workers=2) as (url, *_):
        by_two = _wrk(url, head + post, 4, seconds, scratch)
        yield f"preview of {_LINES} lines, 4 connections, two workers", by_two
    with _mlflow(settings, scratch / "mlflow.log") as url:
        post = _posted("/invocations", signals)
        theirs = _wrk(url, HEADERS.format(key="none") + post, 4, seconds, scratch)
        yield "mlflow models serve, its signals given, 4 connections", theirs
    ratio = _rate_of(ours) / _rate_of(theirs)
    yield "preview against mlflow models serve", f"{ratio:.1f} times the requests a second"


def _posted(path: str, body: str) -> str:
    return f'wrk.method = "POST"\nwrk.path = "{path}"\nwrk.body = [==[{body}]==]\n'


def _history() -> str:
    """Write a history of 60 lines in 20 orders."""
    orders = [
        {
            "type": "order",
            "order_id": f"O-{n}",
            "ordered_at": f"1997-{1 + n % 12:02d}-{1 + n % 28:02d}",
            "lines": [
                {"revenue": 10.0 + n + part, "quantity": 1, "product_id": f"P{n * part % 7}"}
                for part in range(_LINES // 20)
            ],
        }
        for n in range(20)
    ]
    return json.dumps({"events": orders, "as_of": "1998-06-30"})


def _signals(url: str, key: str) -> str:
    """Ask for the signals of that history, as MLflow takes them."""
    wanted = json.loads(_history()) | {"include": ["signals"]}
    answer = httpx.post(f"{url}/v1/scores:preview", json=wanted, headers={"X-API-Key": key})
    signals: dict[str, Any] = answer.raise_for_status().json()["signals"]
    return json.dumps(
        {"dataframe_split": {"columns": list(signals), "data": [list(signals.values())]}}
    )


def _wrk(url: str, script: str, connections: int, seconds: int, scratch: Path) -> str:
    """Ask as fast as so many connections can; refuse a measurement with errors in it."""
    path = scratch / "asked.lua"
    path.write_text(script)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(path), url]
    subprocess.run([*command[:3], "-d3s", *command[4:]], check=True, capture_output=True)
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    latency = re.search(r"99%\s+(\S+)", said)
    assert rate is not None
    assert latency is not None
    return f"{float(rate[1]):,.0f} a second, 99th percentile {latency[1]}"


def _rate_of(found: str) -> float:
    return float(found.split()[0].replace(",", ""))


@contextmanager
def running_service(
    settings: Settings, log: Path, n_workers: int = 1
) -> Iterator[tuple[str, dict[str, Any], float]]:
    """Start `worth serve`; give its address, what it said of itself, and the seconds to ready."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "worth", "serve", "--port", "0", "--workers", str(n_workers)]
    with _process(command, log, {"WORTH_HOME": str(settings.home)}) as process:
        started = _until(lambda: _event(log, "service.started"), process, log)
        _until(lambda: _is_ready(f"{started['url']}/readyz"), process, log)
        yield started["url"], started, time.monotonic() - begun


@contextmanager
def _mlflow(settings: Settings, log: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/worth@champion"),
        *("--env-manager", "local", "--port", str(port), "--workers", "1"),
    ]
    with _process(command, log, {"MLFLOW_TRACKING_URI": settings.mlflow_uri}) as process:
        url = f"http://127.0.0.1:{port}"
        _until(lambda: _is_ready(f"{url}/ping"), process, log)
        yield url


@contextmanager
def _process(
    command: Sequence[str], log: Path, environment: dict[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as file:
        # The folder of this Python, where mlflow looks for the server it starts.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        process = subprocess.Popen(
            command, stdout=file, stderr=file, env=os.environ | {"PATH": path} | environment
        )
        family = psutil.Process(process.pid)
        try:
            yield process
        finally:
            children = family.children(recursive=True)
            process.terminate()
            for child in children:
                if child.is_running():
                    child.terminate()
            process.wait(30)


def _until(ask: Any, process: "subprocess.Popen[bytes]", log: Path) -> Any:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        if answer := ask():
            return answer
        time.sleep(0.02)
    raise RuntimeError(f"It did not come up.\n{log.read_text(errors='replace')[-2_000:]}")


def _event(log: Path, name: str) -> dict[str, Any] | None:
    lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
    found = (json.loads(line) for line in lines)
    return next((event for event in found if event["event"] == name), None)


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(address, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    main()
