import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from models.bundle import Bundle
from models.value.discounting import discount_factor
from serving.champion import Champion
from serving.lists.service import preview_list
from serving.options import CompanyFacts
from serving.predictions import kept_sets
from serving.publish import PublishError, publish
from serving.score_sets import write_set
from serving.scoring import ScoringError
from serving.state import Service
from serving.store import SQLiteStore
from serving.store.tables import LEDGER, PUBLISHED, SCORE_SETS, SCORES

_DAY_0 = 19_723  # 2024-01-01
# B leads by far; C and D are small.
_ROWS = [
    (who, day, money) for who, money in (("B", 900.0), ("C", 9.0), ("D", 1.0)) for day in (0, 40)
]

Load = Callable[..., int]


def _publish(store: SQLiteStore, champion: Champion, **changes: Any) -> Any:
    arguments = {"currency": "EUR", "discount_rate": 0.1, "policy": "predicted"} | changes
    return publish(store, champion, **arguments)


def _since(store: SQLiteStore) -> dict[str, int]:
    statement = sa.select(SCORES.c.customer_id, SCORES.c.tier_since).join(
        PUBLISHED, PUBLISHED.c.set_id == SCORES.c.set_id
    )
    with store.reading() as connection:
        return {row.customer_id: row.tier_since - _DAY_0 for row in connection.execute(statement)}


def test_a_day_before_the_first_order_is_refused(
    store: SQLiteStore, load: Load, champion: Champion
) -> None:
    load(_ROWS)

    with pytest.raises(
        PublishError, match=r"Nobody bought on or before 2023-12-31.* of 2024-01-01"
    ):
        _publish(store, champion, as_of=_DAY_0 - 1)
    with store.reading() as connection:
        assert not connection.execute(sa.select(SCORE_SETS)).all()


def test_a_model_of_other_signals_is_refused(
    store: SQLiteStore, load: Load, champion: Champion
) -> None:
    load(_ROWS)
    facts = champion.bundle.facts | {"signals_digest": "sha256:other"}
    older = Champion("worth", "7", Bundle("latent", champion.bundle.forecaster, facts=facts))

    with pytest.raises(ScoringError, match="Version 7 of the model learned from other definitions"):
        _publish(store, older)


def test_everyone_is_scored_as_of_the_last_day(
    store: SQLiteStore, load: Load, champion: Champion
) -> None:
    load(_ROWS)

    publication = _publish(store, champion)

    assert publication.as_of == _DAY_0 + 40
    assert list(publication.scores.index) == ["B", "C", "D"]
    with store.reading() as connection:
        facts = connection.execute(sa.select(SCORE_SETS)).one()
    assert facts.n_customers == 3
    assert facts.model_digest == champion.bundle.digest
    assert facts.ledger_fingerprint == store.read_ledger().fingerprint()


def test_the_value_is_discounted(store: SQLiteStore, load: Load, champion: Champion) -> None:
    load(_ROWS)

    money = ["clv_expected", "clv_lower", "clv_upper"]
    today = _publish(store, champion, discount_rate=0.0).scores[money]
    later = _publish(store, champion, discount_rate=0.5).scores[money]

    assert later.to_numpy() == pytest.approx(today.to_numpy() * discount_factor(90, 0.5))


def test_every_score_has_its_bounds(store: SQLiteStore, load: Load, champion: Champion) -> None:
    load([(f"C{n}", day, 1.0 + n) for n in range(30) for day in (0, 3 * n)])

    scores = _publish(store, champion).scores

    assert (scores["clv_lower"] <= scores["clv_upper"]).all()
    assert (scores["clv_upper"] > 0).any()
    bounds = sa.select(SCORES.c.clv_lower, SCORES.c.clv_upper)
    with store.reading() as connection:
        kept = connection.execute(bounds).all()
    assert len(kept) == 30
    assert all(lower <= upper for lower, upper in kept)


def test_who_opted_out_of_profiling_is_not_scored(
    store: SQLiteStore, load: Load, champion: Champion
) -> None:
    load(_ROWS)
    with store.writing() as connection:
        connection.execute(
            sa.insert(LEDGER["customers"]),
            [
                {"customer_id": "C", "row_key": b"C", "profiling_opt_out": 1},
                {"customer_id": "D", "row_key": b"D", "profiling_opt_out": 0},
            ],
        )

    _publish(store, champion)

    assert set(_since(store)) == {"B", "D"}


def test_a_tier_keeps_its_first_day_while_it_and_the_policy_stay(
    store: SQLiteStore, load: Load, champion: Champion
) -> None:
    load(_ROWS)
    _publish(store, champion)
    load([*_ROWS, ("C", 70, 1000.0), ("E", 71, 1.0)])

    scores = _publish(store, champion).scores

    assert scores["tier"].to_dict() == {"B": "A", "C": "A", "D": "C", "E": "C"}
    assert _since(store) == {"B": 40, "C": 71, "D": 40, "E": 71}
    _publish(store, champion, policy="pareto")
    assert set(_since(store).values()) == {71}


def test_scores_of_a_past_day_do_not_begin_in_the_future(
    store: SQLiteStore, load: Load, champion: Champion
) -> None:
    load(_ROWS)
    _publish(store, champion)

    _publish(store, champion, as_of=_DAY_0 + 10)

    assert set(_since(store).values()) == {10}


def _kept(store: SQLiteStore) -> list[int]:
    with store.reading() as connection:
        kept = connection.execute(sa.select(SCORES.c.set_id).distinct()).scalars().all()
        last = connection.execute(sa.select(sa.func.max(SCORE_SETS.c.id))).scalar_one()
        assert connection.execute(sa.select(PUBLISHED.c.set_id)).scalar_one() == last
    return sorted(kept)


def test_the_newest_two_sets_are_kept_and_the_first_of_the_month(
    store: SQLiteStore, load: Load, champion: Champion
) -> None:
    load(_ROWS)

    sets = [_publish(store, champion).set_id for _ in range(5)]

    assert _kept(store) == [sets[0], *sets[-2:]]


def test_the_first_set_of_every_month_is_kept_until_its_forecast_is_judged(
    store: SQLiteStore, load: Load, champion: Champion
) -> None:
    load(_ROWS)
    # Days 3 and 9 are in January 2024, 35 and 38 in February.
    january, _, february, _ = (
        _publish(store, champion, as_of=_DAY_0 + day).set_id for day in (3, 9, 35, 38)
    )

    def kept_when_the_ledger_ends_on(day: int) -> list[int]:
        load([*_ROWS, ("B", day, 900.0)])
        newest = [_publish(store, champion).set_id for _ in range(2)]
        assert set(newest) <= set(_kept(store))
        return [set_id for set_id in _kept(store) if set_id <= 4]

    # The horizon of 90 days ends on 2024-04-03 and 2024-05-05; 13 months later it is over.
    may_3, june_5 = 365 + 1 + 31 + 28 + 31 + 30 + 2, 365 + 1 + 31 + 28 + 31 + 30 + 31 + 4
    assert kept_when_the_ledger_ends_on(may_3) == [january, february]
    assert kept_when_the_ledger_ends_on(may_3 + 1) == [february]
    assert kept_when_the_ledger_ends_on(june_5) == [february]
    assert kept_when_the_ledger_ends_on(june_5 + 1) == []


def _in_store(store: SQLiteStore) -> list[int]:
    with store.reading() as connection:
        return sorted(connection.scalars(sa.select(SCORES.c.set_id).distinct()))


def test_a_publication_that_was_cut_off_is_no_set_and_is_removed_by_later_ones(
    store: SQLiteStore, load: Load, champion: Champion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.score_sets._PIECE_ROWS", 2)
    load(_ROWS)
    first = _publish(store, champion)
    with store.reading() as connection:
        facts = dict(connection.execute(sa.select(SCORE_SETS)).mappings().one())
    del facts["id"]
    broken = first.scores.assign(tier=["A", "B", None])

    with pytest.raises(sa.exc.IntegrityError):
        write_set(store, broken, facts, actor="test", erased=frozenset())

    left = first.set_id + 1
    assert _in_store(store) == [first.set_id, left]
    assert [kept.set_id for kept in kept_sets(store)] == [first.set_id]
    assert set(_since(store)) == {"B", "C", "D"}
    second = _publish(store, champion).set_id
    assert second > left
    assert left in _in_store(store)  # It might be at work.
    third = _publish(store, champion).set_id
    assert _in_store(store) == [first.set_id, second, third]


def test_a_set_in_pieces_is_the_same_set(
    store: SQLiteStore, load: Load, champion: Champion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(set_id: int) -> list[Any]:
        columns = [column for column in SCORES.c if column.name != "set_id"]
        wanted = sa.select(*columns).where(SCORES.c.set_id == set_id)
        with store.reading() as connection:
            return list(connection.execute(wanted.order_by(SCORES.c.customer_id)))

    load([(f"C{n}", day, 1.0 + n) for n in range(20) for day in (0, 3 * n)])
    whole = _publish(store, champion).set_id
    monkeypatch.setattr("serving.score_sets._PIECE_ROWS", 7)

    assert rows(_publish(store, champion).set_id) == rows(whole)
    assert len(rows(whole)) == 20
    _publish(store, champion)
    last = _publish(store, champion).set_id
    assert _in_store(store) == [whole, last - 1, last]


_READER = """
import sys
from pathlib import Path
from serving.lists.service import preview_list
from serving.options import CompanyFacts
from serving.state import Service
from serving.store import open_store

store, stop = open_store(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
service = Service(store, CompanyFacts(home=Path(".")))
while not stop.exists():
    seen = preview_list(service, limit=10_000)
    print(seen["n_matching"], f"{sum(c['clv']['expected'] for c in seen['customers']):.4f}")
"""


def test_a_reader_sees_the_old_set_or_the_new_one_and_never_a_mix(
    store: SQLiteStore, load: Load, champion: Champion, tmp_path: Path
) -> None:
    def seen() -> str:
        target_list = preview_list(Service(store, CompanyFacts(home=tmp_path)), limit=10_000)
        total = sum(customer["clv"]["expected"] for customer in target_list["customers"])
        return f"{target_list['n_matching']} {total:.4f}"

    load([(f"C{n}", day, 1.0 + n) for n in range(300) for day in (0, n % 90)])
    whole = set()
    for rate in (0.0, 5.0):
        _publish(store, champion, discount_rate=rate)
        whole.add(seen())

    stop = tmp_path / "stop"
    address = store.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", _READER, address, str(stop)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for n in range(8):
            _publish(store, champion, discount_rate=5.0 * (n % 2))
        stop.touch()
        answers = reader.stdout.read().splitlines()

    assert len(whole) == 2
    assert set(answers) == whole
