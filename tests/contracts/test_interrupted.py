"""A job killed at any moment leaves a whole state, and running it again ends as if nothing was."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import mlflow
import pytest
import sqlalchemy as sa

from features.sources import Source
from serving.ingest import ingest
from serving.registry import load_champion
from serving.store import SQLiteStore
from serving.store.tables import PUBLISHED, SCORE_SETS, SCORES
from training.tracking import Tracking

_N_ROWS = 200_000


def _kill(home: Path, *arguments: object, after: str, delay: float, **environment: str) -> None:
    """Start a command and kill it `delay` seconds after it says what it is about to do."""
    with _started(home, *arguments, **environment) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if after in line:
                time.sleep(delay)
                break
        process.send_signal(signal.SIGKILL)
    assert process.returncode in (-signal.SIGKILL, 0)


def _run(home: Path, *arguments: object, **environment: str) -> None:
    with _started(home, *arguments, **environment) as process:
        _, said = process.communicate()
    assert process.returncode == 0, said


def _started(home: Path, *arguments: object, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "worth", *map(str, arguments)],
        env=os.environ | {"WORTH_HOME": str(home)} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _staged_in(home: Path) -> list[str]:
    return [file.name for file in home.glob("staging-*")]


def test_ingest_loads_each_row_once(tmp_path: Path) -> None:
    chance = random.Random(1)
    days = [date(2023, 1, 1) + timedelta(days=n) for n in range(365)]
    rows = "".join(f"C{n % 5_000},{days[n % 365]},{n % 97},{n}\n" for n in range(_N_ROWS))
    orders = tmp_path / "orders.csv"
    orders.write_text(f"customer_id,ordered_at,revenue,order_id\n{rows}")
    whole = SQLiteStore.open(tmp_path / "whole" / "worth.db")
    ingest(whole, {"orders.csv": Source(path=orders)}, time_zone="UTC")
    home = tmp_path / "home"

    for _ in range(4):
        delay = chance.uniform(0.0, 1.0)
        _kill(home, "ingest", "--orders", orders, after="loading", delay=delay)
        n_lines = len(SQLiteStore.open(home / "worth.db").read_ledger().order_lines)
        assert n_lines in (0, _N_ROWS)
    _run(home, "ingest", "--orders", orders)

    ledger = SQLiteStore.open(home / "worth.db").read_ledger()
    assert len(ledger.order_lines) == _N_ROWS
    assert ledger.fingerprint() == whole.read_ledger().fingerprint()
    assert not _staged_in(home)


def test_score_publishes_whole_sets(scored_home: Path) -> None:
    chance = random.Random(2)
    for after, longest in (("computing", 0.5), ("publishing", 0.1), ("publishing", 0.3)):
        _kill(scored_home, "score", after=after, delay=chance.uniform(0.0, longest))
        assert _published(scored_home)[1:] == (2357, 2357)
    before, *_ = _published(scored_home)
    _run(scored_home, "score")

    # What was killed has used up numbers.
    last, *counts = _published(scored_home)
    assert last > before
    assert counts == [2357, 2357]
    assert not _staged_in(scored_home)


def _published(home: Path) -> tuple[int, int, int]:
    """Tell the published set, how many scores it holds and how many it says it does."""
    statement = (
        sa.select(SCORE_SETS.c.id, sa.func.count(SCORES.c.customer_id), SCORE_SETS.c.n_customers)
        .join(PUBLISHED, PUBLISHED.c.set_id == SCORE_SETS.c.id)
        .join(SCORES, SCORES.c.set_id == SCORE_SETS.c.id)
    )
    with SQLiteStore.open(home / "worth.db").reading() as connection:
        set_id, count, n_customers = connection.execute(statement).one()
    return set_id, count, n_customers


@pytest.fixture
def sold_home(tmp_path: Path) -> Path:
    """A ledger that trains in a moment and on which the latent model beats the baseline."""
    chance = random.Random(3)
    rows = []
    for who in range(150):
        day, gap = chance.randrange(60), chance.uniform(5.0, 90.0)
        while day < 180:
            revenue = chance.lognormvariate(3.0, 0.8)
            rows.append(f"C{who},{date(2024, 1, 1) + timedelta(days=int(day))},{revenue:.2f}")
            day += max(1.0, chance.expovariate(1 / gap))
    orders = tmp_path / "orders.csv"
    orders.write_text("\n".join(["customer_id,ordered_at,revenue", *rows, ""]))
    home = tmp_path / "home"
    store = SQLiteStore.open(home / "worth.db")
    ingest(store, {"orders.csv": Source(path=orders)}, time_zone="UTC")
    store.close()
    return home


_TRAIN = ("train", "--horizon", 90)


def test_train_registers_whole_models(sold_home: Path, tracking: Tracking) -> None:
    chance = random.Random(4)
    environment = {"WORTH_TRACKING_URI": tracking.uri}
    for longest in (1.0, 2.0, 3.0):
        delay = chance.uniform(0.0, longest)
        _kill(sold_home, *_TRAIN, after="logging", delay=delay, **environment)
    _run(sold_home, *_TRAIN, **environment)

    client = mlflow.MlflowClient(tracking.uri, registry_uri=tracking.uri)
    champion = load_champion(tracking.uri)
    newest = max(int(v.version) for v in client.search_model_versions("name = 'worth'"))
    assert int(champion.version) == newest
    assert champion.bundle.facts["horizon_days"] == 90
    challenger = client.get_model_version_by_alias("worth", "challenger")
    assert challenger.tags["digest"] == champion.bundle.digest


def test_the_first_train_may_die_while_it_lays_mlflows_tables(sold_home: Path) -> None:
    with _started(sold_home, *_TRAIN) as process:
        while process.poll() is None and not list(sold_home.glob("*mlflow.db*")):
            time.sleep(0.01)
        time.sleep(0.5)
        process.kill()
    assert process.returncode == -signal.SIGKILL

    _run(sold_home, *_TRAIN)
    assert load_champion(f"sqlite:///{sold_home / 'mlflow.db'}").version == "1"
