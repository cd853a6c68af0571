from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from features.sources import Source
from serving.ingest import ingest
from serving.privacy.erasure import BY_CUSTOMER, erase
from serving.privacy.pseudonym import Pseudonyms
from serving.store import Store
from serving.store.tables import (
    AUDIT_LOG,
    METADATA,
    MODELS,
    REJECTED_ROWS,
    SUPPRESSED,
)

_WHO, _OTHER = "Erika-Mustermann-4711", "Bob-0815"
_NAME = "Erika Gabler, Heidestraße 17"
_DAY = 19_723


def _erase(store: Store, pseudonyms: Pseudonyms, who: str = _WHO) -> Any:
    return erase(store, pseudonyms, who, reason="a test", actor="user:test")


def test_every_table_that_names_customers_is_among_those_erased() -> None:
    speaking = {table.name for table in METADATA.tables.values() if "customer_id" in table.c}
    assert {table.name for table in BY_CUSTOMER} == speaking


def test_a_person_is_removed_from_every_table_and_others_are_not(
    filled: Store, pseudonyms: Pseudonyms
) -> None:
    receipt = _erase(filled, pseudonyms)

    assert receipt.removed == {table.name: 1 for table in BY_CUSTOMER} | {
        "rejected_rows": 3,
        "idempotency_keys": 1,
    }
    with filled.reading() as connection:
        for table in BY_CUSTOMER:
            assert connection.scalars(sa.select(table.c.customer_id)).all() == [_OTHER]
        assert len(connection.execute(sa.select(REJECTED_ROWS)).all()) == 2


def test_a_receipt_and_the_audit_log_do_not_name_the_person(
    filled: Store, pseudonyms: Pseudonyms
) -> None:
    receipt = _erase(filled, pseudonyms)

    with filled.reading() as connection:
        kept = connection.execute(sa.select(SUPPRESSED)).one()
        audited = connection.execute(sa.select(AUDIT_LOG)).all()[-1]
    assert receipt.subject == kept.subject == audited.object == pseudonyms.of(_WHO)
    assert audited.action == "subject.erased"
    assert audited.n == sum(receipt.removed.values())
    assert _WHO not in f"{receipt} {kept} {audited}"


def test_a_receipt_names_the_models_that_learned_from_the_person(
    filled: Store, pseudonyms: Pseudonyms
) -> None:
    with filled.writing() as connection:
        for version, as_of in (("1", _DAY - 10), ("2", _DAY), ("10", _DAY + 5), ("11", None)):
            connection.execute(
                sa.insert(MODELS).values(
                    version=version, name="worth", digest="d", as_of=as_of, seen_at="2026"
                )
            )
    assert _erase(filled, pseudonyms).models_trained_with == ["2", "10", "11"]


def test_who_is_not_there_can_be_kept_out_and_twice_is_as_once(
    store: Store, pseudonyms: Pseudonyms
) -> None:
    for _ in range(2):
        assert _erase(store, pseudonyms).removed == {}
    with store.reading() as connection:
        assert len(connection.execute(sa.select(SUPPRESSED)).all()) == 1


def test_who_was_erased_does_not_come_back_with_the_next_load(
    store: Store, pseudonyms: Pseudonyms, load: Callable[..., int], tmp_path: Path
) -> None:
    rows = [(_WHO, 0, 10.0), (_WHO, 1, 10.0), (_OTHER, 0, 10.0)]
    assert load(rows) == 3
    _erase(store, pseudonyms)
    path = tmp_path / "again.csv"
    path.write_text(
        "customer_id,ordered_at,revenue\n"
        f"{_WHO},2024-01-01,10\n{_WHO},no day,10\n{_OTHER},2024-01-05,10\n"
    )

    (loaded,) = ingest(store, {"again": Source(path=path)}, time_zone="UTC", home=tmp_path)

    assert (loaded.n_new, loaded.n_suppressed, len(loaded.cleaned.rejected)) == (1, 1, 1)
    with store.reading() as connection:
        kept = connection.scalars(sa.select(METADATA.tables["order_lines"].c.customer_id)).all()
        assert kept == [_OTHER, _OTHER]
        content = connection.scalars(sa.select(REJECTED_ROWS.c.content)).all()
    assert content == [None]
