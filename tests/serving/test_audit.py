import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from serving.audit import BrokenChainError, last_rows, record, verify
from serving.store import Store
from serving.store.tables import AUDIT_LOG, SCORE_SETS

_row = AUDIT_LOG.c.id


@pytest.fixture
def log(store: Store) -> Store:
    """A store in whose audit log there are five rows."""
    for number in range(5):
        with store.writing() as connection:
            record(
                connection,
                actor="0a1b2c3d",
                action="list.exported",
                object=None if number % 2 else "liste “é”",
                reason="a campaign",
                n=number,
            )
    return store


def _run(store: Store, *statements: sa.Executable) -> None:
    with store.writing() as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def forged(log: Store, unguard_audit_log: Callable[[Store], None]) -> Store:
    """The same store, in the hands of somebody who may lay tables."""
    unguard_audit_log(log)
    return log


def _refused(store: Store, *, head: str | None = None) -> str:
    with store.reading() as connection, pytest.raises(BrokenChainError) as refusal:
        verify(connection, head=head)
    return str(refusal.value)


def test_an_untouched_log_is_verified_with_its_head(log: Store) -> None:
    with log.reading() as connection:
        verified = verify(connection)
        rows = last_rows(connection, 2)

    assert (verified.n, verified.head) == (5, rows[-1]["hash"])
    assert [row["id"] for row in rows] == [4, 5]
    assert rows[1]["previous_hash"] == rows[0]["hash"]


def test_an_empty_log_is_verified(store: Store) -> None:
    with store.reading() as connection:
        assert verify(connection).n == 0
        assert last_rows(connection, 5) == []


def _forbidden(store: Store) -> list[sa.Executable]:
    in_its_words = {
        "sqlite": "INSERT OR REPLACE INTO audit_log SELECT * FROM audit_log WHERE id = 3",
        "postgresql": "TRUNCATE audit_log",
    }
    return [
        sa.update(AUDIT_LOG).where(_row == 3).values(actor="another"),
        sa.delete(AUDIT_LOG).where(_row == 5),
        sa.delete(AUDIT_LOG),
        sa.text(in_its_words[store.engine.dialect.name]),
    ]


@pytest.mark.parametrize("nth", range(4))
def test_the_database_itself_keeps_every_row(log: Store, nth: int) -> None:
    sentence = "The audit log is append-only: its rows are never changed or removed."
    with pytest.raises(sa.exc.IntegrityError, match=sentence):
        _run(log, _forbidden(log)[nth])

    with log.reading() as connection:
        assert verify(connection).n == 5


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "another"},
        {"action": "list.shown"},
        {"object": "another"},
        {"object": None},
        {"reason": ""},
        {"n": 7},
        {"at": "2020-01-01T00:00:00.000+00:00"},
        {"hash": "0" * 64},
    ],
)
def test_a_changed_row_is_named(forged: Store, change: dict[str, object]) -> None:
    _run(forged, sa.update(AUDIT_LOG).where(_row == 3).values(**change))

    sentence = _refused(forged)
    assert sentence.startswith("The audit log is broken: row 3 (")
    assert sentence.endswith("is not as it was written.")


@pytest.mark.parametrize("gone", [1, 2, 4])
def test_a_removed_row_is_named(forged: Store, gone: int) -> None:
    _run(forged, sa.delete(AUDIT_LOG).where(_row == gone))

    assert _refused(forged) == (
        f"The audit log is broken: row {gone} is missing; row {gone + 1} comes in its place."
    )


def test_a_removed_row_whose_number_was_given_to_the_next_ones_is_named(forged: Store) -> None:
    _run(
        forged,
        sa.delete(AUDIT_LOG).where(_row == 2),
        *(sa.update(AUDIT_LOG).where(_row == n).values(id=n - 1) for n in (3, 4, 5)),
    )

    assert "row 2 (list.exported" in _refused(forged)


def test_rows_that_changed_places_are_named(forged: Store) -> None:
    _run(
        forged,
        sa.update(AUDIT_LOG).where(_row == 2).values(id=99),
        sa.update(AUDIT_LOG).where(_row == 4).values(id=2),
        sa.update(AUDIT_LOG).where(_row == 99).values(id=4),
    )

    assert "row 2 (list.exported" in _refused(forged)


def test_a_row_that_was_written_anew_with_its_hash_does_not_fit_the_next(forged: Store) -> None:
    with forged.reading() as connection:
        rows = last_rows(connection, 3)
    _run(forged, sa.delete(AUDIT_LOG).where(_row >= 3))
    with forged.writing() as connection:
        record(connection, actor="another", action="list.exported", n=2)
    _run(forged, *(sa.insert(AUDIT_LOG).values(**row) for row in rows[1:]))

    sentence = _refused(forged)
    assert sentence.startswith("The audit log is broken: row 4 (")
    assert "does not follow the row before it" in sentence


def test_a_removed_end_is_found_by_the_head_that_was_kept(forged: Store) -> None:
    with forged.reading() as connection:
        head = verify(connection).head
    _run(forged, sa.delete(AUDIT_LOG).where(_row >= 4))

    with forged.reading() as connection:
        assert verify(connection).n == 3
    assert _refused(forged, head=head) == (
        f"The audit log is broken: its 3 rows hold no hash {head}. Rows were removed from its end, "
        "or all of it was written anew."
    )


def test_a_head_that_was_kept_is_found_in_a_log_that_has_grown(log: Store) -> None:
    with log.reading() as connection:
        head = verify(connection).head
    with log.writing() as connection:
        record(connection, actor="a", action="model.promoted")

    with log.reading() as connection:
        assert verify(connection, head=head).n == 6


def test_what_is_undone_is_not_in_the_log(log: Store) -> None:
    with contextlib.suppress(ZeroDivisionError), log.writing() as connection:
        record(connection, actor="a", action="model.promoted")
        raise ZeroDivisionError

    with log.reading() as connection:
        assert verify(connection).n == 5


def test_many_writers_make_one_chain(store: Store) -> None:
    def write(number: int) -> None:
        for _ in range(10):
            with store.writing() as connection:
                record(connection, actor=str(number), action="list.exported")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))

    with store.reading() as connection:
        assert verify(connection).n == 40


def test_a_publication_stands_in_the_log(scored_store: Store) -> None:
    with scored_store.reading() as connection:
        (row,) = [row for row in last_rows(connection, 9) if row["action"] == "scores.published"]
        published = connection.execute(sa.select(SCORE_SETS.c.id, SCORE_SETS.c.n_customers)).one()
    assert (row["object"], row["n"]) == (str(published.id), published.n_customers)
