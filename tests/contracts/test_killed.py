"""SIGKILL at random moments: what was acknowledged is there once, and everything else is whole."""

import json
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from features.pipeline import signals_digest
from models.bundle import Bundle
from serving.audit import verify
from serving.auth import SCOPES, create_key
from serving.champion import Champion
from serving.events.intake import score_pending
from serving.ingest import ingest
from serving.options import CompanyFacts
from serving.privacy.erasure import BY_CUSTOMER
from serving.privacy.pseudonym import Pseudonyms
from serving.publish import publish
from serving.state import ServedModels, Service
from serving.store import Store, open_store
from serving.store.tables import (
    AUDIT_LOG,
    EVENTS,
    INGESTS,
    LEDGER,
    LIVE_SCORES,
    MODEL_CHOICES,
    MODELS_SERVED,
    PUBLISHED,
    REJECTED_ROWS,
    SCORE_CHANGES,
    SCORE_SETS,
    SCORES,
    SUPPRESSED,
    UNSCORED,
)
from serving.versions.bundles import bundle_folder, keep_bundle, remove_bundle
from serving.versions.catalogue import remember_versions
from serving.versions.keeper import ModelKeeper
from serving.versions.notes import ChampionNote, note, noted_champion
from tests.contracts.killable import N_BAD_ROWS, N_ROWS, order_events, write_source

# The README quotes both.
KILLS_EACH = 40
KILLS_EACH_ON_POSTGRES = 12
_ROOT = Path(__file__).parents[2]
_ROUNDS_MEASURED = 3
# A kill falls within so many rounds of the work, so that some are done and one is under way.
_ROUNDS_LIVED = 1.5
_PEOPLE = 150
# A score that is owed is made when the service starts, and no longer owed then.
_SPEAKING = (*(table for table in BY_CUSTOMER if table is not UNSCORED), REJECTED_ROWS)

Kill = Callable[..., Iterator[list[Any]]]


class _Killer:
    """A warm process that forks a child for each order, and kills it."""

    def __init__(self, folder: Path) -> None:
        self._acknowledged = folder / "acknowledged"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.contracts.killable"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def order(self, **order: Any) -> tuple[dict[str, Any], list[Any]]:
        """Let a job be done; tell how it ended, and what it acknowledged."""
        self._acknowledged.write_text("")
        text = json.dumps(order | {"acknowledged": str(self._acknowledged)})
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        ended = json.loads(self._process.stdout.readline())
        *lines, _partial = self._acknowledged.read_text().split("\n")
        return ended, [json.loads(line) for line in lines]

    def close(self) -> None:
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait(30)
        self._process.stdout.close()  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def _killer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Killer]:
    killer = _Killer(tmp_path_factory.mktemp("killer"))
    yield killer
    killer.close()


@pytest.fixture
def kill(_killer: _Killer) -> Kill:
    """Measure a job, then kill it at so many random moments; give what each acknowledged."""

    def kill(job: str, n_kills: int, more: Callable[[], Mapping[str, Any]]) -> Iterator[list[Any]]:
        ended, acknowledged = _killer.order(job=job, rounds=_ROUNDS_MEASURED, **more())
        assert ended["exit"] == 0
        yield acknowledged
        span = _ROUNDS_LIVED * ended["seconds"] / _ROUNDS_MEASURED
        chance = random.Random(job)
        for _ in range(n_kills):
            ended, acknowledged = _killer.order(job=job, delay=chance.uniform(0.0, span), **more())
            assert ended["exit"] == -signal.SIGKILL
            yield acknowledged

    return kill


@pytest.fixture
def champions(_small_model: Any) -> list[Champion]:
    """Versions of a small model of CDNOW."""
    forecaster, _ = _small_model(200)
    facts = {"horizon_days": 90, "value_basis": "revenue", "signals_digest": signals_digest()}
    return [
        Champion(
            "worth", str(version), Bundle("latent", forecaster, facts=facts | {"grade": grade})
        )
        for version, grade in enumerate("ABCDEF", start=1)
    ]


@pytest.fixture
def home(tmp_path: Path, champions: list[Champion]) -> Path:
    """A folder with the bundle of the first version, which is champion."""
    home = tmp_path / "home"
    keep_bundle(home, champions[0])
    first = {"version": "1", "digest": champions[0].digest}
    note(home, ChampionNote(name="worth", seen_at="2026-01-01", **first))
    return home


def _filled(store: Store, champion: Champion, folder: Path) -> dict[str, str]:
    """Lay a ledger of fifty customers and publish their scores; give a key to everything."""
    name, source = write_source(10_000, folder)
    ingest(store, {name: source}, time_zone="UTC")
    publish(store, champion, currency="USD", discount_rate=0.1, policy="predicted")
    return {"key": create_key(store, list(SCOPES))}


@pytest.fixture(params=["sqlite", "postgres"])
def either(
    request: pytest.FixtureRequest, home: Path, champions: list[Champion], tmp_path: Path
) -> Any:
    """What an order says of a store that is filled, and how many kills it gets."""
    is_postgres = request.param == "postgres"
    place = request.getfixturevalue("postgres_place") if is_postgres else home / "worth.db"
    store = open_store(place)
    order = {"home": str(home), **_filled(store, champions[0], tmp_path)}
    store.close()
    if is_postgres:
        return place, order | {"url": place}, KILLS_EACH_ON_POSTGRES
    return place, order, KILLS_EACH


def _scalar(connection: sa.Connection, statement: sa.Select[Any]) -> Any:
    return connection.execute(statement).scalar_one()


def _pairs(connection: sa.Connection, statement: sa.Select[Any]) -> dict[Any, Any]:
    return dict(connection.execute(statement).all())


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return int(_scalar(connection, sa.select(sa.func.count()).select_from(table)))


def test_ingest_loads_each_source_whole_or_not_at_all(kill: Kill, home: Path) -> None:
    done = [-1]

    def order() -> dict[str, Any]:
        return {"home": str(home), "first": done[-1] + 1}

    for acknowledged in kill("ingest", KILLS_EACH, order):
        done += acknowledged
        store = open_store(home / "worth.db")
        with store.reading() as connection:
            loaded = set(connection.scalars(sa.select(INGESTS.c.source)))
            rejected = Counter(connection.scalars(sa.select(REJECTED_ROWS.c.source)))
            orders, invoices, payments = (_numbers_in(connection, name) for name in _NUMBERED)
        store.close()
        assert rejected == dict.fromkeys(loaded, N_BAD_ROWS)
        assert invoices == payments
        rows = sorted(f"{source}-{row}" for source in loaded for row in range(N_ROWS))
        assert sorted(orders + invoices) == rows
        assert len(loaded) in (done[-1] + 1, done[-1] + 2)
        assert not list(home.glob("staging-*"))


_NUMBERED = {"order_lines": "order_id", "invoices": "invoice_id", "payments": "invoice_id"}


def _numbers_in(connection: sa.Connection, table: str) -> list[str]:
    column = LEDGER[table].c[_NUMBERED[table]]
    return list(connection.scalars(sa.select(column).order_by(column)))


def test_publish_leaves_one_pointer_to_a_whole_set(kill: Kill, either: Any) -> None:
    place, order, n_kills = either
    last = 1
    for acknowledged in kill("publish", n_kills, lambda: order):
        last = max([last, *acknowledged])
        store = open_store(place)
        with store.reading() as connection:
            (pointer,) = connection.execute(sa.select(PUBLISHED)).all()
            sets = _pairs(connection, sa.select(SCORE_SETS.c.id, SCORE_SETS.c.n_customers))
            by_set = sa.select(SCORES.c.set_id, sa.func.count()).group_by(SCORES.c.set_id)
            kept = _pairs(connection, by_set)
        store.close()
        assert last <= pointer.set_id == max(sets)
        assert pointer.set_id in kept
        # Scores of no set are what a kill left behind; they go with the old sets.
        whole = {n: count for n, count in kept.items() if n in sets}
        assert {n: sets[n] for n in whole} == whole == dict.fromkeys(whole, 50)
        last = pointer.set_id


def test_events_are_in_the_ledger_and_scored_once(
    kill: Kill, either: Any, champions: list[Champion]
) -> None:
    place, order, n_kills = either
    answers: dict[int, Any] = {}

    def request() -> dict[str, Any]:
        return order | {"first": len(answers)}

    for acknowledged in kill("events", n_kills, request):
        answers.update((n, answer["answers"]) for n, answer in acknowledged)
        store = open_store(place)
        _check_events(store, answers)
        service = Service(
            store, CompanyFacts(home=Path(order["home"])), models=ServedModels(champions[0])
        )
        score_pending(service)
        _check_scores(store)
        store.close()


def _check_events(store: Store, answers: Mapping[int, Any]) -> None:
    """Every event that was acknowledged, and at most the request after, is there with its lines."""
    lines = LEDGER["order_lines"].c
    with store.reading() as connection:
        events = _pairs(connection, sa.select(EVENTS.c.event_id, EVENTS.c.position))
        of_events = sa.select(lines.order_id).where(lines.order_id.startswith("o-"))
        orders = Counter(connection.scalars(of_events))
    told = {said["event_id"]: said["position"] for answer in answers.values() for said in answer}
    assert told.items() <= events.items()
    under_way = {event["event_id"] for event in order_events(len(answers))}
    assert events.keys() - told.keys() in (set(), under_way)
    assert orders == {f"o{event_id[1:]}": 2 for event_id in events}


def _check_scores(store: Store) -> None:
    """No score is owed, each event has one, and what readers see is the last."""
    last = sa.select(EVENTS.c.customer_id, sa.func.max(EVENTS.c.position)).group_by(
        EVENTS.c.customer_id
    )
    scored = EVENTS.join(
        SCORE_CHANGES,
        (SCORE_CHANGES.c.customer_id == EVENTS.c.customer_id)
        & (SCORE_CHANGES.c.position == EVENTS.c.scored_position),
    )
    live = sa.select(LIVE_SCORES.c.customer_id, LIVE_SCORES.c.position)
    with store.reading() as connection:
        assert _count(connection, UNSCORED) == 0
        n_scored = _scalar(connection, sa.select(sa.func.count()).select_from(scored))
        assert n_scored == _count(connection, EVENTS)
        assert _pairs(connection, live) == _pairs(connection, last)


def test_a_choice_of_models_is_made_whole_with_its_audit_row(
    kill: Kill, home: Path, champions: list[Champion], tmp_path: Path
) -> None:
    versions = {champion.version: champion.digest for champion in champions}
    for champion in champions:
        champion.bundle.save(tmp_path / "fetched" / champion.version)
    store = open_store(home / "worth.db")
    order = {"home": str(home), **_filled(store, champions[0], tmp_path)}
    remember_versions(store, versions, describe=lambda _: {}, at="2026-01-01")
    store.close()
    order |= {"fetched": str(tmp_path / "fetched"), "versions": list(versions.items())}
    n_before, rounds = 0, count()
    for acknowledged in kill("models", KILLS_EACH, lambda: order | {"first": next(rounds)}):
        n_chosen = sum(verb != "promote" for verb, *_ in acknowledged)
        store = open_store(home / "worth.db")
        with store.reading() as connection:
            verify(connection)
            choices = _pairs(connection, sa.select(MODEL_CHOICES.c.what, MODEL_CHOICES.c.version))
            changes = _model_changes(connection)
        assert len(changes) - n_before in (n_chosen, n_chosen + 1)
        assert choices == _replayed(changes)
        noted = noted_champion(home)
        assert noted is not None
        Bundle.load(bundle_folder(home, noted.digest))
        keeper = ModelKeeper(Service(store, CompanyFacts(home=home)))
        keeper.look()
        assert keeper.champion is not None
        assert keeper.champion.version == choices.get("pinned", noted.version)
        assert keeper.problems == {}
        store.close()
        n_before = len(changes)
        for version in versions.keys() - {noted.version, *choices.values()}:
            remove_bundle(home, versions[version])  # To be fetched again.


def _model_changes(connection: sa.Connection) -> list[tuple[str, str]]:
    """List what was chosen; what serves on account of it is noted by itself, with its row."""
    rows = sa.select(AUDIT_LOG.c.action, AUDIT_LOG.c.object).where(
        AUDIT_LOG.c.action.startswith("model.")
    )
    noted = list(connection.execute(rows.order_by(AUDIT_LOG.c.id)))
    served = connection.scalars(sa.select(MODELS_SERVED.c.version).order_by(MODELS_SERVED.c.id))
    said = [on for action, on in noted if action == "model.served"]
    assert said == [f"model version {version}" for version in served]
    return [(action, on) for action, on in noted if action != "model.served"]


def _replayed(changes: list[tuple[str, str]]) -> dict[str, str]:
    """Tell what is chosen by the audit log alone."""
    chosen: dict[str, str] = {}
    for action, on in changes:
        what = "shadow" if "shadow" in action else "pinned"
        if action.startswith("model.un"):
            chosen.pop(what)
        else:
            chosen[what] = on.removeprefix("model version ")
    return chosen


def test_a_person_is_erased_whole_or_not_at_all(
    kill: Kill, home: Path, champions: list[Champion], tmp_path: Path
) -> None:
    store = open_store(home / "worth.db")
    order = {"home": str(home), **_filled(store, champions[0], tmp_path)}
    people = [f"Person-{n:03}-Q" for n in range(_PEOPLE)]
    pseudonyms = Pseudonyms.kept_in(home)
    subjects = {pseudonyms.of(who): who for who in people}
    _lay(store, people)
    store.close()
    receipts: dict[str, Any] = {}
    left = lambda: [who for who in people if who not in receipts]  # noqa: E731
    for acknowledged in kill("erase", KILLS_EACH, lambda: order | {"customers": left()}):
        receipts |= dict(acknowledged)
        store = open_store(home / "worth.db")
        with store.reading() as connection:
            verify(connection)
            erased = {subjects[one] for one in connection.scalars(sa.select(SUPPRESSED.c.subject))}
            for table in _SPEAKING:
                assert _held(connection, table) == Counter(set(people) - erased), table.name
        store.close()
        assert erased - receipts.keys() in (set(), {left()[0]})
        assert receipts.keys() <= erased
        content = b"".join(file.read_bytes() for file in home.glob("worth.db*"))
        assert not [who for who, receipt in receipts.items() if who.encode() in content]
    assert receipts.keys() < set(people)
    removed = {table.name: 1 for table in _SPEAKING}
    assert all(receipt["removed"] == removed for receipt in receipts.values())


def _lay(store: Store, people: list[str]) -> None:
    """Put a row of everyone into every table that speaks of customers."""
    with store.writing() as connection:
        for table in _SPEAKING[:-1]:
            rows = [
                {column.name: _value(column, who, n) for column in table.c}
                for n, who in enumerate(people, start=1_000)
            ]
            connection.execute(sa.insert(table), rows)
        facts = {"ingest_id": 9, "source": "s", "reason": "r"}
        rejected = [
            facts | {"source_row": n, "content": json.dumps({"Client": who})}
            for n, who in enumerate(people)
        ]
        connection.execute(sa.insert(REJECTED_ROWS), rejected)


def _value(column: sa.Column[Any], who: str, n: int) -> Any:
    if column.name == "customer_id":
        return who
    if isinstance(column.type, sa.LargeBinary):
        return f"{n}".encode()
    return f"{column.name}-{n}" if isinstance(column.type, sa.Text) else n


def _held(connection: sa.Connection, table: sa.Table) -> Counter[str]:
    """Count a table's rows of each person."""
    if table is REJECTED_ROWS:
        contents = connection.scalars(sa.select(table.c.content).where(table.c.ingest_id == 9))
        return Counter(json.loads(content)["Client"] for content in contents)
    is_person = table.c.customer_id.startswith("Person-")
    return Counter(connection.scalars(sa.select(table.c.customer_id).where(is_person)))
