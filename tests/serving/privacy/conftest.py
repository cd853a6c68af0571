from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from serving.privacy.erasure import BY_CUSTOMER
from serving.privacy.pseudonym import Pseudonyms
from serving.store import Store
from serving.store.tables import IDEMPOTENCY_KEYS, REJECTED_ROWS

_WHO, _OTHER = "Erika-Mustermann-4711", "Bob-0815"
_NAME = "Erika Gabler, Heidestraße 17"
_DAY = 19_723


@pytest.fixture
def pseudonyms(tmp_path: Path) -> Pseudonyms:
    return Pseudonyms.kept_in(tmp_path)


def _value(column: sa.Column[Any], who: str, salt: int) -> Any:
    if column.name == "customer_id":
        return who
    if column.name == "name":
        return _NAME if who == _WHO else "Bob"
    if isinstance(column.type, sa.LargeBinary):
        return f"{who}{salt}".encode()
    if isinstance(column.type, sa.Text):
        return f"{column.name} of {who}"
    return _DAY + salt


def _fill(store: Store, *, who: str, salt: int) -> None:
    """Put a row of the customer into every table that speaks of customers."""
    with store.writing() as connection:
        for table in BY_CUSTOMER:
            row = {column.name: _value(column, who, salt) for column in table.c}
            connection.execute(sa.insert(table).values(row))


@pytest.fixture
def filled(store: Store, pseudonyms: Pseudonyms) -> Store:
    for salt, who in enumerate((_WHO, _OTHER)):
        _fill(store, who=who, salt=salt)
    contents = [
        f'{{"Client": "{_WHO}", "Amount": "x"}}',
        f'{{"Client": null, "Bill": "invoice_id of {_WHO}"}}',
        f'{{"Client": null, "Called": "{_NAME}"}}',
        f'{{"Client": "{_OTHER}"}}',
        f'{{"Client": "{_WHO}-2"}}',
    ]
    with store.writing() as connection:
        for row, content in enumerate(contents):
            values = {"ingest_id": 1, "source_row": row, "source": "s", "reason": "r"}
            connection.execute(sa.insert(REJECTED_ROWS).values(values | {"content": content}))
        for who in (_WHO, _OTHER):
            connection.execute(
                sa.insert(IDEMPOTENCY_KEYS).values(
                    key_hash=who[:3],
                    operation="events",
                    request_digest="d",
                    created_at="2026",
                    body=f"answer about {who}".encode(),
                    subjects=pseudonyms.of(who),
                )
            )
    return store
