"""Erasures while something else is at work, or cut off before they were answered."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from features.sources import Source
from serving.champion import Champion
from serving.ingest import ingest
from serving.privacy.erasure import BY_CUSTOMER, erase
from serving.privacy.pseudonym import PseudonymKeyError, Pseudonyms
from serving.privacy.suppression import pseudonyms_of
from serving.publish import publish
from serving.store import SQLiteStore
from serving.store.tables import SCORE_SETS, SCORES

_ROWS = "customer_id,ordered_at,revenue\n" + "".join(
    f"{who},2024-01-0{day},{day}\n" for who in ("C-1", "C-2", "C-3") for day in (1, 5)
)


@pytest.fixture
def orders(store: SQLiteStore, tmp_path: Path) -> Source:
    """Orders of three customers, which are loaded."""
    path = tmp_path / "orders.csv"
    path.write_text(_ROWS)
    ingest(store, {"orders": Source(path=path)}, time_zone="UTC")
    return Source(path=path)


def _erase(store: SQLiteStore, home: Path, who: str = "C-2") -> Any:
    pseudonyms = Pseudonyms.kept_in(home)
    return erase(store, pseudonyms, who, reason="a test", actor="user:test")


def _held(store: SQLiteStore) -> set[str]:
    with store.reading() as connection:
        return {
            who
            for table in BY_CUSTOMER
            for who in connection.scalars(sa.select(table.c.customer_id))
        }


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize("moment", ["computing", "publishing"])
def test_who_is_erased_while_a_set_is_made_is_not_in_it(
    store: SQLiteStore, champion: Champion, tmp_path: Path, moment: str
) -> None:
    made = publish(
        store,
        champion,
        currency="USD",
        discount_rate=0.1,
        policy="predicted",
        report=lambda doing: doing.startswith(moment) and _erase(store, tmp_path),
    )
    assert _held(store) == set(made.scores.index) == {"C-1", "C-3"}
    with store.reading() as connection:
        assert connection.scalars(sa.select(SCORE_SETS.c.n_customers)).all() == [2]
        assert len(connection.execute(sa.select(SCORES)).all()) == 2


@pytest.mark.usefixtures("orders")
@pytest.mark.parametrize("n_pieces", [1, 2, 3])
def test_who_is_erased_between_two_pieces_of_a_set_is_not_in_it(
    store: SQLiteStore,
    champion: Champion,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n_pieces: int,
) -> None:
    monkeypatch.setattr("serving.score_sets._PIECE_ROWS", 1)
    written: list[object] = []

    class Erasing(type(store)):  # type: ignore[misc]
        @contextmanager
        def staged(self, tables: Any) -> Any:
            with super().staged(tables) as opened:
                yield opened
            written.append(tables)
            if len(written) == n_pieces:
                _erase(store, tmp_path)
            if len(written) >= n_pieces:
                assert "C-2" not in _held(store)

    made = publish(
        Erasing(store.engine), champion, currency="USD", discount_rate=0.1, policy="predicted"
    )
    assert len(written) == 3
    assert _held(store) == set(made.scores.index) == {"C-1", "C-3"}
    with store.reading() as connection:
        assert connection.scalars(sa.select(SCORE_SETS.c.n_customers)).all() == [2]


def test_who_is_erased_while_a_source_is_read_is_not_loaded_from_it(
    store: SQLiteStore, orders: Source, tmp_path: Path
) -> None:
    (loaded,) = ingest(
        store,
        {"again": orders},
        time_zone="UTC",
        home=tmp_path,
        report=lambda doing: doing.startswith("loading") and _erase(store, tmp_path),
    )
    assert (loaded.n_new, loaded.n_suppressed) == (4, 2)
    assert _held(store) == {"C-1", "C-3"}


@pytest.mark.usefixtures("orders")
def test_an_erasure_that_was_not_answered_has_its_receipt_when_it_is_asked_for_again(
    store: SQLiteStore, tmp_path: Path
) -> None:
    first = _erase(store, tmp_path)
    again = _erase(store, tmp_path)
    assert first.removed == {"order_lines": 2}
    assert again == first


@pytest.mark.usefixtures("orders")
def test_no_new_key_is_made_where_the_one_that_knows_the_erased_is_gone(
    store: SQLiteStore, tmp_path: Path
) -> None:
    pseudonyms_of(store, tmp_path)
    _erase(store, tmp_path)
    (tmp_path / "pseudonym.key").unlink()
    with pytest.raises(PseudonymKeyError, match="Restore it from a backup"):
        pseudonyms_of(store, tmp_path)
