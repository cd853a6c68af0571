"""Events, loads, publications, erasures, pins and reads in any order, within each other too."""

import asyncio
import csv
import shutil
from collections.abc import Callable
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from features.sources import Source
from models.bundle import Bundle
from serving.app import create_app
from serving.audit import verify
from serving.auth import SCOPES, create_key
from serving.champion import Champion
from serving.ingest import ingest
from serving.options import CompanyFacts, ServiceOptions
from serving.privacy.erasure import BY_CUSTOMER
from serving.publish import publish
from serving.state import ServedModels
from serving.store import Store, open_store
from serving.store.tables import EVENTS, LEDGER
from serving.versions.bundles import keep_bundle
from serving.versions.catalogue import remember_versions
from serving.versions.notes import ChampionNote, note

# The README quotes these.
EXAMPLES, EXAMPLES_ON_POSTGRES, STEPS = 8, 2, 20
_KNOWN = [f"K{n}" for n in range(6)]  # in the ledger from the beginning
_WHO = st.sampled_from([*_KNOWN, "N0", "N1"])
_MEANWHILE = st.sampled_from(["nothing", "event", "erasure", "both"])

Open = Callable[[int], tuple[Store, Path]]


class _Company(RuleBasedStateMachine):
    """What a service must say, remembered beside it."""

    open: Open
    champions: dict[str, Champion]
    key: str
    numbers = count()

    def __init__(self) -> None:
        super().__init__()
        self.store, self.home = self.open(next(self.numbers))
        company = CompanyFacts(home=self.home, currency="USD")
        options = ServiceOptions(rate_limit=1_000_000)
        self.app = create_app(
            self.store, company, options=options, models=ServedModels(self.champions["1"])
        )
        self.runner = asyncio.Runner()
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url="http://worth",
            headers={"X-API-Key": self.key},
        )
        self.n = count(1)
        self.orders: dict[str, str] = {f"first-{who}": who for who in _KNOWN}
        self.events: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        self.erased: set[str] = set()
        # What a read of each customer must give: value, and the version that gave it.
        self.scores: dict[str, tuple[float, str]] = {}
        # Whose score an event made since the ledger of the set under way was read.
        self.newer: set[str] = set()
        self._publish()

    def teardown(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.close()
        self.store.close()

    def ask(self, method: str, path: str, json: Any = None, accept: str = "*/*") -> httpx.Response:
        headers = {"Accept": "application/json" if accept == "*/*" else accept}
        return self.runner.run(self.client.request(method, path, json=json, headers=headers))

    @rule(who=st.lists(_WHO, min_size=1, max_size=3), revenue=st.integers(1, 500))
    def tell(self, who: list[str], revenue: int) -> None:
        self._tell(who, revenue)

    def _tell(self, who: list[str], revenue: int) -> None:
        events = [
            {
                "type": "order",
                "event_id": f"e-{n}",
                "order_id": f"o-{n}",
                "customer_id": one,
                "ordered_at": f"2024-0{1 + n % 5}-15",
                "lines": [{"revenue": float(revenue)}],
            }
            for one, n in zip(who, self.n, strict=False)
        ]
        answers = self.ask("POST", "/v1/events", {"events": events}).json()["answers"]
        for event, answer in zip(events, answers, strict=True):
            one = event["customer_id"]
            is_erased = one in self.erased
            assert answer["status"] == ("suppressed" if is_erased else "accepted")
            if not is_erased:
                self.events[event["event_id"]] = event, answer
                self.orders[event["order_id"]] = one
                self.scores[one] = _said(answer["score"])
                self.newer.add(one)

    @rule(data=st.data())
    def tell_again(self, data: st.DataObject) -> None:
        if not self.events:
            return
        event, first = self.events[data.draw(st.sampled_from(sorted(self.events)))]
        answer = self.ask("POST", "/v1/events", {"events": [event]})
        if event["customer_id"] in self.erased:
            assert answer.json()["answers"][0]["status"] == "suppressed"
        else:
            assert answer.headers["worth-repeated"] == "1"
            assert answer.json()["answers"] == [first]

    @rule(who=_WHO)
    def erase(self, who: str) -> None:
        self._erase(who)

    def _erase(self, who: str) -> None:
        if len(self.erased) >= len(_KNOWN) - 2:  # Somebody must be left to score.
            return
        assert self.ask("DELETE", f"/v1/customers/{who}").status_code == 200
        self.erased.add(who)
        self.scores.pop(who, None)

    @rule(meanwhile=_MEANWHILE, who=_WHO, when=st.sampled_from(["computing", "publishing"]))
    def publish(self, meanwhile: str, who: str, when: str) -> None:
        self._publish(lambda doing: doing.startswith(when) and self._do(meanwhile, who))

    def _publish(self, report: Callable[[str], object] = lambda _: None) -> None:
        self.newer = set()
        champion = self.app.state.service.models.champion
        made = publish(
            self.store,
            champion,
            currency="USD",
            discount_rate=0.1,
            policy="predicted",
            report=lambda doing: (report(doing), None)[1],
        )
        for who, value in made.scores["clv_expected"].items():
            if who not in self.newer:
                self.scores[str(who)] = float(value), champion.version

    def _do(self, what: str, who: str) -> None:
        if what in ("event", "both"):
            self._tell([who], 77)
        if what in ("erasure", "both"):
            self._erase(who)

    @rule(who=_WHO, meanwhile=_MEANWHILE)
    def load(self, who: str, meanwhile: str) -> None:
        """Load a source with orders of one customer, who may be erased while it is read."""
        number = next(self.n)
        path = self.home / f"{number}.csv"
        path.write_text(f"customer_id,ordered_at,revenue,order_id\n{who},2024-01-20,9,o-{number}\n")
        ingest(
            self.store,
            {path.name: Source(path=path)},
            time_zone="UTC",
            home=self.home,
            report=lambda doing: self._do(meanwhile if "loading" in doing else "nothing", who),
        )
        if who not in self.erased:
            self.orders[f"o-{number}"] = who

    @rule(version=st.sampled_from(["1", "2"]))
    def pin(self, version: str) -> None:
        answer = self.ask("POST", "/v1/models:pin", {"version": version, "reason": "a test"})
        assert answer.json()["serving"] == version

    @rule(
        limit=st.integers(1, 4),
        meanwhile=_MEANWHILE,
        who=_WHO,
        publishes=st.sampled_from([False, False, True]),
    )
    def turn_pages(self, limit: int, meanwhile: str, who: str, publishes: bool) -> None:
        before, seen, cursor = set(self.scores), [], ""
        while True:
            erased = set(self.erased)
            page = self.ask("GET", f"/v1/scores?limit={limit}{cursor}").json()
            found = [score["customer_id"] for score in page["scores"]]
            assert erased.isdisjoint(found)
            seen += found
            if not cursor:
                self._do(meanwhile, who)
                if publishes:
                    self._publish()
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert seen == sorted(set(seen))
        assert before - self.erased <= set(seen)

    @invariant()
    def every_read_says_the_same(self) -> None:
        everyone = sorted({*self.orders.values(), *self.erased})
        batch = self.ask("POST", "/v1/scores:batchGet", {"customer_ids": everyone}).json()
        assert {one["customer_id"]: _said(one) for one in batch["scores"]} == self.scores
        listed = self.ask("GET", "/v1/scores?limit=100").json()["scores"]
        assert {one["customer_id"]: _said(one) for one in listed} == self.scores
        lines = StringIO(self.ask("GET", "/v1/scores?limit=100", accept="text/csv").text)
        assert {row["customer_id"] for row in csv.DictReader(lines)} == set(self.scores)
        pulled = self.ask("GET", "/v1/target-lists/preview").json()["customers"]
        assert {one["customer_id"] for one in pulled} <= set(self.scores)
        for who in self.erased:
            for read in ("score", "score?include=signals", "history", "record"):
                assert self.ask("GET", f"/v1/customers/{who}/{read}").status_code == 404

    @invariant()
    def nothing_is_lost_doubled_or_left_of_the_erased(self) -> None:
        with self.store.reading() as connection:
            orders = list(connection.scalars(sa.select(LEDGER["order_lines"].c.order_id)))
            events = list(connection.scalars(sa.select(EVENTS.c.event_id)))
            for table in BY_CUSTOMER:
                held = connection.scalars(sa.select(table.c.customer_id).distinct())
                assert self.erased.isdisjoint(held), table.name
            verify(connection)
        kept = [order for order, who in self.orders.items() if who not in self.erased]
        assert sorted(orders) == sorted(kept)
        told = self.events.values()
        kept = [event["event_id"] for event, _ in told if event["customer_id"] not in self.erased]
        assert sorted(events) == sorted(kept)


def _said(score: dict[str, Any]) -> tuple[float, str]:
    return score["clv"]["expected"], score["model"]["version"]


def _lay(store: Store, champions: dict[str, Champion], home: Path) -> str:
    """Lay the ledger and the models of every example; give a key."""
    path = home / "first.csv"
    rows = [f"{who},2024-01-0{n + 1},{10 + n},first-{who}" for n, who in enumerate(_KNOWN)]
    path.write_text("\n".join(["customer_id,ordered_at,revenue,order_id", *rows, ""]))
    ingest(store, {"first": Source(path=path)}, time_zone="UTC")
    for champion in champions.values():
        keep_bundle(home, champion)
    digests = {version: champion.digest for version, champion in champions.items()}
    remember_versions(store, digests, describe=lambda _: {}, at="2026-01-01")
    first = {"version": "1", "digest": digests["1"]}
    note(home, ChampionNote(name="worth", seen_at="2026-01-01", **first))
    return create_key(store, list(SCOPES))


@pytest.fixture
def champions(champion: Champion) -> dict[str, Champion]:
    facts = champion.bundle.facts | {"grade": "B"}
    other = Bundle(champion.bundle.name, champion.bundle.forecaster, facts=facts)
    return {"1": champion, "2": Champion("worth", "2", other)}


def _run(champions: dict[str, Champion], key: str, open_: Open, n_examples: int) -> None:
    more = {"champions": champions, "key": key, "open": staticmethod(open_), "numbers": count()}
    machine = type("Company", (_Company,), more)
    how = settings(
        max_examples=n_examples,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=how)


def test_reads_tell_what_was_told_in_any_order(
    champions: dict[str, Champion], tmp_path: Path
) -> None:
    laid = tmp_path / "laid"
    laid.mkdir()
    store = open_store(laid / "worth.db")
    key = _lay(store, champions, laid)
    store.close()

    def open_(n: int) -> tuple[Store, Path]:
        home = tmp_path / str(n)
        shutil.copytree(laid, home)
        return open_store(home / "worth.db"), home

    _run(champions, key, open_, EXAMPLES)


def test_reads_tell_what_was_told_in_any_order_on_postgresql(
    champions: dict[str, Champion],
    postgres_place: str,
    new_database: Callable[..., str],
    tmp_path: Path,
) -> None:
    laid = tmp_path / "laid"
    laid.mkdir()
    store = open_store(postgres_place)
    key = _lay(store, champions, laid)
    store.close()
    template = str(sa.make_url(postgres_place).database)

    def open_(n: int) -> tuple[Store, Path]:
        home = tmp_path / str(n)
        shutil.copytree(laid, home)
        return open_store(new_database(template)), home

    _run(champions, key, open_, EXAMPLES_ON_POSTGRES)
