"""A ledger told by events, in any order, gives what the same ledger gives in bulk."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import sqlalchemy as sa

from features.engines import fetched, postgres, sqlite
from features.engines.duckdb import compute_signals
from features.ledger import Ledger
from features.schema import TABLES
from features.signals.catalogue import CATALOGUE
from serving.champion import Champion
from serving.events.intake import Intake
from serving.events.reading import read_json
from serving.options import CompanyFacts
from serving.publish import publish
from serving.scoring import forecast_customers
from serving.state import ServedModels, Service
from serving.store import Store
from serving.store.tables import EVENTS, FORECAST_COLUMNS, LIVE_SCORES, UNSCORED

# Of the wholesaler's ledger. Nothing is after its last order, so that all scores are of one day.
_LAST_DAY = 19_700
# They follow from the cuts of the set before, and from what it said.
_AS_BEFORE = {"tier", "tier_since"}


def _in_random_order(events: list[Any], chance: random.Random) -> list[list[Any]]:
    """Cut events into requests of random sizes; every tenth is sent twice."""
    told = [*events, *chance.sample(events, len(events) // 10)]
    chance.shuffle(told)
    requests = []
    while told:
        size = chance.choice([1, 2, 7, 50, 300])
        requests.append(told[:size])
        del told[:size]
    return requests


def _replay(service: Service, events: list[Any], chance: random.Random) -> int:
    intake, n_repeated = Intake(service), 0
    for request in _in_random_order(events, chance):
        answers, repeated = intake.take(read_json(orjson.dumps({"events": request})))
        assert answers["accepted"] == len(request)
        n_repeated += repeated
    return n_repeated


def _live(store: Store) -> pd.DataFrame:
    with store.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(UNSCORED)).scalar() == 0
        rows = connection.execute(sa.select(LIVE_SCORES)).mappings().all()
    return pd.DataFrame([dict(row) for row in rows]).set_index("customer_id").sort_index()


def _signals_in_store(store: Store, customers: list[str], as_of: int) -> pd.DataFrame:
    engine = sqlite if store.engine.dialect.name == "sqlite" else postgres
    with store.reading() as connection:
        driver = store.driver(connection)
        one_by_one = {who: engine.signals_of(driver, who, as_of) for who in customers}
        at_once = engine.signals_of_many(driver, customers, as_of)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(fetched, "WORTH_FETCHING", 1)
            by_fetching = engine.signals_of_many(driver, customers, as_of)
    found = pd.DataFrame.from_dict(at_once, orient="index").sort_index()
    for others in (one_by_one, by_fetching):
        _check_same(found, pd.DataFrame.from_dict(others, orient="index").sort_index())
    return found


def _check_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert found.index.tolist() == expected.index.tolist()
    for name in expected.columns:
        if name in CATALOGUE and CATALOGUE[name].unit == "class":
            assert found[name].fillna("").tolist() == expected[name].fillna("").tolist()
            continue
        left, right = (frame[name].to_numpy(dtype=float) for frame in (found, expected))
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9, err_msg=str(name))


@pytest.fixture
def wholesaler() -> Ledger:
    """Customers with invoices, instalments, complaints and campaigns, as a small wholesaler has."""
    chance = random.Random(3)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for n in range(40):
        who = f"W-{n:02d}"
        rows["customers"].append({"customer_id": who, "acquired_day": 19_000 - n, "region": "EU"})
        for m in range(12):
            day = _LAST_DAY - (chance.randrange(700) if m else n % 3)
            sign = chance.choice([1, 1, 1, 1, -1])
            line = {
                "customer_id": who,
                "order_id": f"{who}-{m // 2}",
                "day": day,
                "revenue": sign * round(chance.random() * 90, 2),
                "quantity": float(sign),
                "category": chance.choice("xyz"),
                "product_id": f"p{chance.randrange(9)}",
                "cost": sign * 7.5,
                "discount": chance.choice([None, 0.0, 2.0]),
                "channel": chance.choice(["shop", "web"]),
            }
            rows["order_lines"].append(line)
        for m in range(6):
            day = _LAST_DAY - 60 - chance.randrange(600)
            bill = {"customer_id": who, "invoice_id": f"I-{m}", "amount": 80.0}
            disputed = day + 3 if chance.random() < 0.2 else None
            rows["invoices"].append(
                bill | {"day": day, "due_day": day + 30, "disputed_day": disputed}
            )
            for k in range(chance.randrange(3)):
                paid = {
                    "payment_id": f"{who}-{m}-{k}",
                    "day": min(day + chance.randrange(60), _LAST_DAY),
                }
                rows["payments"].append(bill | paid | {"amount": 40.0})
        for m in range(5):
            kind = chance.choice(["complaint", "visit", "campaign_contact", "campaign_response"])
            day = _LAST_DAY - chance.randrange(650)
            rows["interactions"].append(
                {
                    "customer_id": who,
                    "interaction_id": f"{who}-{m}",
                    "day": day,
                    "kind": kind,
                    "topic": "quality" if kind == "complaint" else None,
                    "resolved_day": day + 9 if kind == "complaint" else None,
                    "satisfaction": chance.choice([None, 0.2, 0.9]),
                    "campaign_id": "G",
                    "cost": 2.0,
                }
            )
    for table in rows.values():
        for n, row in enumerate(table):
            row["row_key"] = n.to_bytes(16)
    return Ledger({n: pa.Table.from_pylist(r, TABLES[n].arrow_schema) for n, r in rows.items()})


def _split(ledger: Ledger) -> tuple[Ledger, Ledger]:
    """Leave the lines of the last day to the store, so that a set can be published of them."""
    lines = ledger.order_lines
    held = lines.filter(pc.field("day") == ledger.last_day)
    rest = lines.filter(pc.field("day") < ledger.last_day)
    others = {name: table for name, table in ledger.tables.items() if name != "order_lines"}
    return Ledger({"order_lines": held}), Ledger({"order_lines": rest, **others})


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("which", ["small_cdnow", "wholesaler"])
def test_told_in_random_order_gives_every_signal_and_score_of_the_batch(
    which: str,
    seed: int,
    any_store: Store,
    champion: Champion,
    put: Callable[[Store, Ledger], None],
    first_set: Callable[[Store], int],
    as_events: Callable[[Ledger], list[Any]],
    request: pytest.FixtureRequest,
    tmp_path: Any,
) -> None:
    whole: Ledger = request.getfixturevalue(which)
    known, told = _split(whole)
    put(any_store, known)
    as_of = first_set(any_store)
    assert as_of == whole.last_day
    events = as_events(told)
    service = Service(
        any_store, CompanyFacts(home=tmp_path, currency="USD"), models=ServedModels(champion)
    )
    n_repeated = _replay(service, events, random.Random(seed))
    assert n_repeated == len(events) // 10

    live = _live(any_store)
    told_of = sorted({event["customer_id"] for event in events})
    assert live.index.tolist() == told_of
    bulk = compute_signals(whole, as_of)
    found = _signals_in_store(any_store, told_of, as_of)
    _check_same(found, bulk.loc[told_of])
    # What the store holds is the ledger that was told.
    _check_same(compute_signals(any_store.read_ledger(), as_of), bulk)

    expected = forecast_customers(bulk.loc[told_of], champion, discount_rate=0.1)
    _check_same(live[[*expected.columns]], expected)
    assert set(live["as_of"]) == {as_of}
    batch = publish(any_store, champion, currency="USD", discount_rate=0.1, policy="predicted")
    columns = [name for name in FORECAST_COLUMNS if name not in _AS_BEFORE]
    _check_same(live[columns], batch.scores.loc[told_of, columns])
    with any_store.reading() as connection:
        n_events = connection.execute(sa.select(sa.func.count()).select_from(EVENTS)).scalar()
        assert n_events == len(events)
        assert connection.execute(sa.select(LIVE_SCORES)).all() == []
