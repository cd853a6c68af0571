"""Remove a person from everything the store holds, and keep them out."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from serving.audit import record
from serving.privacy.pseudonym import Pseudonyms
from serving.privacy.schemas import Receipt
from serving.store import Store, StoreError
from serving.store.tables import (
    EVENTS,
    IDEMPOTENCY_KEYS,
    LEDGER,
    LIVE_SCORES,
    MODELS,
    REJECTED_ROWS,
    SCORE_CHANGES,
    SCORE_SETS,
    SCORES,
    SHADOW_SCORES,
    SUPPRESSED,
    UNSCORED,
)

__all__ = ["BY_CUSTOMER", "erase", "rejected_rows_of"]

# Every table that says something of a customer by their id.
BY_CUSTOMER: tuple[sa.Table, ...] = (
    *LEDGER.values(),
    EVENTS,
    UNSCORED,
    LIVE_SCORES,
    SCORE_CHANGES,
    SCORES,
    SHADOW_SCORES,
)
# Columns of the ledger by which a rejected row may speak of a customer without their id.
_NAMES = ("order_id", "invoice_id", "payment_id", "interaction_id", "name")
_PAGE_ROWS = 10_000


def erase(
    store: Store, pseudonyms: Pseudonyms, customer_id: str, *, reason: str, actor: str
) -> Receipt:
    """Remove a customer, all or nothing, and remember by a keyed hash that they stay out.

    Erasing someone who is not there, or no longer, is no error: they are kept out from then on.

    Parameters
    ----------
    store : Store
        Of the company.
    pseudonyms : Pseudonyms
        Of the company.
    customer_id : str
        Who.
    reason : str
        Why, for the audit log; without personal data.
    actor : str
        Who asked for it.

    Returns
    -------
    Receipt
        What was removed.
    """
    now = datetime.now(UTC)
    subject = pseudonyms.of(customer_id)
    with store.writing() as connection:
        # Jobs that read before, and write what they read, see then that it is no longer so.
        store.lock(connection, "erasures")
        # Events of the same customer wait; what they would add is refused afterwards.
        store.lock(connection, "events")
        models = _models_trained_with(connection, customer_id)
        removed = _removed(connection, customer_id, subject)
        receipt = Receipt(
            subject=subject,
            erased_at=now,
            removed=removed,
            models_trained_with=models,
            is_purged=False,
        )
        receipt = _with_former(connection, receipt)
        connection.execute(sa.delete(SUPPRESSED).where(SUPPRESSED.c.subject == subject))
        connection.execute(
            sa.insert(SUPPRESSED).values(
                subject=subject,
                erased_at=receipt.erased_at.isoformat(timespec="milliseconds"),
                receipt=receipt.model_dump_json(),
            )
        )
        record(
            connection,
            actor=actor,
            action="subject.erased",
            object=subject,
            reason=reason,
            n=sum(removed.values()),
        )
    return receipt.model_copy(update={"is_purged": _is_purged(store, receipt.removed)})


def _with_former(connection: sa.Connection, receipt: Receipt) -> Receipt:
    """Join a receipt with the one before: it may never have reached whoever asked for it."""
    kept = sa.select(SUPPRESSED.c.receipt).where(SUPPRESSED.c.subject == receipt.subject)
    text = connection.execute(kept).scalar()
    if text is None:
        return receipt
    former = Receipt.model_validate_json(text)
    if not receipt.removed:
        return former
    removed = Counter(former.removed) + Counter(receipt.removed)
    models = sorted({*former.models_trained_with, *receipt.models_trained_with}, key=_by_number)
    return receipt.model_copy(update={"removed": dict(removed), "models_trained_with": models})


def rejected_rows_of(connection: sa.Connection, customer_id: str) -> Iterator[list[Any]]:
    """Find the rejected rows that speak of a customer: by id, name, or a number of theirs.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        To the store.
    customer_id : str
        Who.

    Yields
    ------
    list of sqlalchemy.Row
        ingest_id, source_row, source, reason and content, by pages.
    """
    said = _names_of(connection, customer_id)
    rows = REJECTED_ROWS.c
    statement = sa.select(
        rows.ingest_id, rows.source_row, rows.source, rows.reason, rows.content
    ).where(rows.content.is_not(None))
    paged = {"yield_per": _PAGE_ROWS}
    with connection.execute(statement, execution_options=paged) as result:
        for page in result.partitions():
            if found := [row for row in page if not said.isdisjoint(_values(row.content))]:
                yield found


def _names_of(connection: sa.Connection, customer_id: str) -> set[str]:
    names = {customer_id}
    for table in LEDGER.values():
        for name in _NAMES:
            if name in table.c:
                statement = sa.select(table.c[name]).where(table.c.customer_id == customer_id)
                names.update(text for text in connection.scalars(statement) if text)
    return names


def _values(content: str) -> Iterator[str]:
    row = json.loads(content)
    yield from (str(value).strip() for value in (row.values() if isinstance(row, dict) else [row]))


def _removed(connection: sa.Connection, customer_id: str, subject: str) -> dict[str, int]:
    rejected = [
        (row.ingest_id, row.source_row)
        for page in rejected_rows_of(connection, customer_id)
        for row in page
    ]
    counts = {
        table.name: connection.execute(
            sa.delete(table).where(table.c.customer_id == customer_id)
        ).rowcount
        for table in BY_CUSTOMER
    }
    for ingest_id, source_row in rejected:
        connection.execute(
            sa.delete(REJECTED_ROWS).where(
                REJECTED_ROWS.c.ingest_id == ingest_id, REJECTED_ROWS.c.source_row == source_row
            )
        )
    counts[REJECTED_ROWS.name] = len(rejected)
    answers = sa.delete(IDEMPOTENCY_KEYS).where(IDEMPOTENCY_KEYS.c.subjects.contains(subject))
    counts[IDEMPOTENCY_KEYS.name] = connection.execute(answers).rowcount
    return {name: count for name, count in counts.items() if count > 0}


def _models_trained_with(connection: sa.Connection, customer_id: str) -> list[str]:
    """List the versions whose ledger held a purchase of the customer, as far as is known."""
    lines = LEDGER["order_lines"].c
    first = sa.select(sa.func.min(lines.day)).where(lines.customer_id == customer_id)
    first_day = connection.execute(first).scalar()
    if first_day is None:
        return []
    known = sa.select(MODELS.c.version).where(
        sa.or_(MODELS.c.as_of.is_(None), MODELS.c.as_of >= first_day)
    )
    # A version that scored before the registry was looked at learned from no later day.
    scored = (
        sa.select(SCORE_SETS.c.model_version)
        .where(SCORE_SETS.c.model_version.not_in(sa.select(MODELS.c.version)))
        .where(SCORE_SETS.c.as_of >= first_day)
    )
    versions = {str(version) for version in connection.scalars(sa.union(known, scored))}
    return sorted(versions, key=_by_number)


def _by_number(version: str) -> tuple[int, str]:
    return len(version), version


def _is_purged(store: Store, removed: dict[str, int]) -> bool:
    """Overwrite what was deleted; a reader may hold on to it for a while."""
    try:
        store.purge([*removed, SUPPRESSED.name])
    except StoreError:
        return False
    return True
