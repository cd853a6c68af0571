"""How long do training and scoring take? `python -m benchmarks.training`: one process for each.

A wholesaler is simulated (`simulation.write_ledger`) into a temporary folder: a million customers,
ten order lines each, invoices, payments and contacts. `--customers` makes it smaller.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from features.ledger import Ledger
from features.schema import TABLES
from simulation import write_ledger
from training.backtest import Fitted
from training.tracking import Tracking
from training.train import train

_HORIZON_DAYS = 90
_ONE_BY_ONE = 300


def _read(folder: Path) -> Ledger:
    return Ledger({name: pq.read_table(folder / f"{name}.parquet") for name in TABLES})


def train_and_score(folder: Path) -> None:
    """Train on a ledger in Parquet as `worth train` does, then score everyone and one by one."""
    start = time.perf_counter()
    ledger = _read(folder)
    tracking = Tracking(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts")

    def report(message: str) -> None:
        print(f"{time.perf_counter() - start:7.1f} s  {message}", file=sys.stderr, flush=True)

    trained = train(
        ledger,
        tracking,
        as_of=ledger.last_day,
        horizon_days=_HORIZON_DAYS,
        currency="EUR",
        report=report,
    )
    seconds = time.perf_counter() - start
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    n_customers = len(trained.fitted.signals)
    print(f"| train, {n_customers:,} customers | {seconds:.1f} s | {gigabytes:.1f} GB |")
    _score(trained.fitted, n_customers)


def _score(fitted: Fitted, n_customers: int) -> None:
    bundle = fitted.bundle
    start = time.perf_counter()
    bundle.forecast(fitted.signals)
    print(
        f"| score {n_customers:,} customers, bounds too | {time.perf_counter() - start:.1f} s | |"
    )
    taken = []
    for n in range(_ONE_BY_ONE):
        one = fitted.signals.iloc[[n * 7919 % n_customers]]
        start = time.perf_counter()
        bundle.forecast(one)
        taken.append((time.perf_counter() - start) * 1e3)
    taken.sort()
    median, worst = taken[_ONE_BY_ONE // 2], taken[int(_ONE_BY_ONE * 0.99)]
    print(
        f"| score one customer, bounds too (99th percentile {worst:.1f} ms) | {median:.1f} ms | |"
    )


def main() -> None:
    """Simulate the ledger and time a process that trains on it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--customers", type=int, default=1_000_000)
    options.add_argument("--folder", type=Path, help="Train on the ledger there, in this process.")
    given = options.parse_args()
    if given.folder is not None:
        train_and_score(given.folder)
        return
    with tempfile.TemporaryDirectory(prefix="worth-bench-") as name:
        write_ledger(Path(name), given.customers)
        print("| work | median | memory |\n|---|---:|---:|", flush=True)
        # By itself, so that its memory is its own.
        itself = [sys.executable, "-m", "benchmarks.training", "--folder", name]
        subprocess.run(itself, check=True)


if __name__ == "__main__":
    main()
