"""How fast are the signals? `make bench`: whole processes, side by side with pandas.

Ledgers are simulated (`simulation.write_ledger`) into a temporary folder. The largest, 100 million
lines, takes some minutes to make and 6 GB of disk; `--most 10` leaves it out.
"""

import argparse
import os
import platform
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from benchmarks.one_customer import AS_OF, customer_ids, ledger_of_regulars
from benchmarks.postgres_server import NoServerError, postgres_server
from features.engines import postgres, sqlite
from serving.store import SQLiteStore
from serving.store.tables import LEDGER
from simulation import write_ledger

# Million order lines; ten of them a customer.
_SIZES = (1, 10, 100)
_RUNS = {1: 5, 10: 3, 100: 1}
_QUESTIONS = 1_000


@dataclass(frozen=True)
class Run:
    """One process: how long it took and how much memory it held at most."""

    seconds: float
    gigabytes: float


def _run(*arguments: str) -> Run:
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"{arguments} failed")
    return Run(time.perf_counter() - start, usage.ru_maxrss / 1e6)


def _median_of(runs: list[Run]) -> Run:
    return Run(statistics.median(run.seconds for run in runs), max(run.gigabytes for run in runs))


def _signals(ledger: Path, out: Path) -> Run:
    return _run("-m", "worth", "signals", "--ledger", str(ledger), "--out", str(out))


def bulk(folder: Path, most: int) -> None:
    """Time all signals of ledgers of a million lines and more."""
    print("| work | median | memory | a line |")
    print("|---|---:|---:|---:|")
    for millions in (size for size in _SIZES if size <= most):
        ledger = folder / f"{millions}m"
        rows = write_ledger(ledger, millions * 100_000)
        n_lines = next(count for name, count in rows.items() if name.startswith("order_lines"))
        found = [_signals(ledger, folder / "out.parquet") for _ in range(_RUNS[millions])]
        run = _median_of(found)
        print(
            f"| 101 signals, {n_lines / 1e6:.1f} M lines, {millions / 10:g} M customers, DuckDB "
            f"from Parquet | {run.seconds:.1f} s | {run.gigabytes:.1f} GB "
            f"| {run.seconds / n_lines * 1e6:.2f} µs |",
            flush=True,
        )


def against_pandas(folder: Path, millions: int) -> None:
    """Time twenty signals by our SQL and by pandas, in turns."""
    ours, theirs = [], []
    for _ in range(3):
        ours.append(_run("-m", "benchmarks.twenty_signals", "worth", str(folder / f"{millions}m")))
        theirs.append(
            _run("-m", "benchmarks.twenty_signals", "pandas", str(folder / f"{millions}m"))
        )
    one, other = _median_of(ours), _median_of(theirs)
    ratio = statistics.median(t.seconds / o.seconds for o, t in zip(ours, theirs, strict=True))
    print(f"\n| the same 20 signals, {millions} M lines | median | memory |")
    print("|---|---:|---:|")
    print(f"| Worth | {one.seconds:.1f} s | {one.gigabytes:.1f} GB |")
    print(f"| pandas | {other.seconds:.1f} s | {other.gigabytes:.1f} GB |")
    print(f"| times faster | {ratio:.1f} | |", flush=True)


def one_customer(folder: Path) -> None:
    """Time the signals of one customer inside the store."""
    ledger = ledger_of_regulars()
    store = SQLiteStore.open(folder / "worth.db")
    with store.writing() as connection:
        for name, table in ledger.tables.items():
            connection.execute(sa.insert(LEDGER[name]), table.to_pylist())
    store.close()
    print("\n| one customer: 100 lines, 20 invoices, 10 contacts | median | 99th percentile |")
    print("|---|---:|---:|")
    with closing(sqlite3.connect(folder / "worth.db")) as connection:
        _ask("SQLite", lambda who: sqlite.signals_of(connection, who, AS_OF))
    try:
        with postgres_server() as url, psycopg.connect(url, autocommit=True) as server:
            for table in LEDGER.values():
                server.execute(
                    str(sa.schema.CreateTable(table).compile(dialect=postgresql.dialect()))
                )
            _copy(ledger, server)
            postgres.prepare(server)
            _ask("PostgreSQL", lambda who: postgres.signals_of(server, who, AS_OF))
    except NoServerError as error:
        print(f"| PostgreSQL: not measured, {error} | | |")


def _copy(ledger: object, server: psycopg.Connection) -> None:
    for name, table in ledger.tables.items():  # type: ignore[attr-defined]
        copy = f"COPY {name} ({', '.join(table.schema.names)}) FROM STDIN"
        with server.cursor().copy(copy) as rows:
            for row in table.to_pylist():
                rows.write_row(list(row.values()))
        server.execute(f"ANALYZE {name}")


def _ask(engine: str, signals_of: Callable[[str], object]) -> None:
    ids = customer_ids()
    taken = []
    for n in range(_QUESTIONS):
        start = time.perf_counter()
        assert signals_of(ids[n * 7919 % len(ids)]) is not None
        taken.append((time.perf_counter() - start) * 1e3)
    taken = sorted(taken[20:])  # The first ones prepare the statement.
    median, worst = statistics.median(taken), taken[int(len(taken) * 0.99)]
    print(f"| {engine} | {median:.2f} ms | {worst:.2f} ms |", flush=True)


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--most", type=int, default=_SIZES[-1], choices=_SIZES)
    most = options.parse_args().most
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB, Python "
          f"{platform.python_version()}\n")  # fmt: skip
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory(prefix="worth-bench-") as name:
        folder = Path(name)
        one_customer(folder)
        print()
        bulk(folder, most)
        against_pandas(folder, min(most, 10))


if __name__ == "__main__":
    main()
