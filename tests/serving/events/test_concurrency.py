"""Several processes take events into one store: nothing is lost, nothing doubled."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from features.ledger import Ledger
from serving.champion import Champion
from serving.store import SQLiteStore, Store
from serving.store.tables import EVENTS, LEDGER, LIVE_SCORES, SCORE_CHANGES, UNSCORED

_N_EVENTS, _N_PROCESSES = 60, 2
# Both send all events, each in an order of its own: every one of them is a repeat for one of them.
_WRITER = """
import json, random, sys
from pathlib import Path
from models.bundle import Bundle
from serving.champion import Champion
from serving.events.intake import Intake
from serving.events.reading import read_json
from serving.options import CompanyFacts
from serving.state import ServedModels, Service
from serving.store import open_store

place, bundle, home, seed = sys.argv[1:]
store = open_store(place, is_pooled=True)
champion = Champion("worth", "1", Bundle.load(Path(bundle)))
service = Service(store, CompanyFacts(home=Path(home)), models=ServedModels(champion))
events = json.loads(sys.stdin.read())
random.Random(seed).shuffle(events)
intake, n_repeated = Intake(service), 0
while events:
    part, events = events[:3], events[3:]
    answers, n = intake.take(read_json(json.dumps({"events": part}).encode()))
    assert all(a["status"] == "accepted" and a["score"] for a in answers["answers"]), answers
    n_repeated += n
store.close()
print(f"n_repeated={n_repeated}")
"""


def _written(home: Path, place: str, bundle: Path, seed: int) -> str:
    with (home / "events.json").open() as events:
        done = subprocess.run(
            [sys.executable, "-c", _WRITER, place, str(bundle), str(home), str(seed)],
            stdin=events,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=200,
        )
    return done.stdout


def test_nothing_is_lost_or_doubled_when_two_processes_write(
    any_store: Store,
    champion: Champion,
    small_cdnow: Ledger,
    put: Callable[[Store, Ledger], None],
    first_set: Callable[[Store], int],
    order: Callable[..., object],
    tmp_path: Path,
) -> None:
    put(any_store, small_cdnow)
    first_set(any_store)
    some = sorted(set(small_cdnow.order_lines["customer_id"].to_pylist()))[:7]
    events = [
        order(f"e-{n}", customer_id=some[n % 7], ordered_at="1998-06-30") for n in range(_N_EVENTS)
    ]
    bundle = champion.bundle.save(tmp_path / "bundle")
    if isinstance(any_store, SQLiteStore):
        place = f"sqlite:///{any_store.path}"
    else:
        place = any_store.engine.url.render_as_string(hide_password=False)
    (tmp_path / "events.json").write_text(json.dumps(events))
    with ThreadPoolExecutor() as threads:
        said = list(threads.map(partial(_written, tmp_path, place, bundle), range(_N_PROCESSES)))
    n_repeated = sum(int(text.rsplit("n_repeated=")[-1]) for text in said)
    assert n_repeated == _N_EVENTS * (_N_PROCESSES - 1)

    with any_store.reading() as connection:
        counts = {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
            for table in (EVENTS, LEDGER["order_lines"], UNSCORED, LIVE_SCORES)
        }
        positions = connection.scalars(sa.select(EVENTS.c.position)).all()
        scored = connection.execute(
            sa.select(sa.func.count())
            .select_from(EVENTS)
            .join(
                SCORE_CHANGES,
                sa.and_(
                    SCORE_CHANGES.c.customer_id == EVENTS.c.customer_id,
                    SCORE_CHANGES.c.position == EVENTS.c.scored_position,
                ),
            )
        ).scalar()
    n_lines = len(small_cdnow.order_lines) + _N_EVENTS
    assert counts == {
        "events": _N_EVENTS,
        "order_lines": n_lines,
        "unscored": 0,
        "live_scores": len(some),
    }
    assert len(set(positions)) == scored == _N_EVENTS
