"""The append-only log of who did what: each row carries the hash of the one before.

BrokenChainError    the log is no longer what was written
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from serving.store.tables import AUDIT_LOG

__all__ = ["BrokenChainError", "VerifiedLog", "last_rows", "record", "verify"]

# What the first row follows.
_START = "0" * 64
# Rows in memory while the chain is walked.
_PAGE_ROWS = 1_000


class BrokenChainError(RuntimeError):
    """Raised where a row of the log was changed, removed or moved."""


@dataclass(frozen=True)
class VerifiedLog:
    """A log that is what was written, as far as it goes.

    Parameters
    ----------
    n : int
        How many rows it has.
    head : str
        Hash of the last one. Whoever keeps it elsewhere can tell later that no row up to here was
        removed, not even at the end, and that the chain was not written anew.
    """

    n: int
    head: str


def record(
    connection: sa.Connection,
    *,
    actor: str,
    action: str,
    object: str | None = None,
    reason: str | None = None,
    n: int | None = None,
) -> None:
    """Append to the log, in the transaction of what is done: both are kept, or neither.

    Do it last in the transaction: on PostgreSQL other writers of the log wait from here on.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Of `Store.writing` or `Store.staged`.
    actor : str
        Who: a key's prefix, `token:` and a hash, or `user:` and a name of this machine.
    action : str
        What, such as `key.created`.
    object : str, optional
        To what. A customer stands here by their keyed hash alone.
    reason : str, optional
        Why, without personal data.
    n : int, optional
        How many.
    """
    if connection.dialect.name == "postgresql":
        # Two writers would follow the same row. SQLite has one writer at a time anyway.
        key = sa.func.hashtextextended("worth:audit", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
    newest_first = sa.select(AUDIT_LOG.c.id, AUDIT_LOG.c.hash).order_by(AUDIT_LOG.c.id.desc())
    last = connection.execute(newest_first.limit(1)).one_or_none()
    row = {
        "id": last.id + 1 if last else 1,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "actor": actor,
        "action": action,
        "object": object,
        "reason": reason,
        "n": n,
        "previous_hash": last.hash if last else _START,
    }
    connection.execute(sa.insert(AUDIT_LOG).values(**row, hash=_hash(row)))


def verify(connection: sa.Connection, *, head: str | None = None) -> VerifiedLog:
    """Walk the chain from its beginning.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Of `Store.reading`.
    head : str, optional
        Hash that was the last one at some time, and must be in the chain still.

    Returns
    -------
    VerifiedLog
        Its length and last hash.

    Raises
    ------
    BrokenChainError
        If a row was changed, removed or moved; the sentence names the first one.
    """
    seen = VerifiedLog(0, _START)
    has_head = head is None
    statement = sa.select(AUDIT_LOG).order_by(AUDIT_LOG.c.id)
    # Closed at the first wrong row, too: PostgreSQL keeps what was not yet read.
    with connection.execute(statement.execution_options(yield_per=_PAGE_ROWS)) as rows:
        for row in rows.mappings():
            _check(dict(row), seen)
            seen = VerifiedLog(row["id"], row["hash"])
            has_head = has_head or row["hash"] == head
    if not has_head:
        raise BrokenChainError(
            f"The audit log is broken: its {seen.n:,} rows hold no hash {head}. Rows were removed "
            "from its end, or all of it was written anew."
        )
    return seen


def last_rows(connection: sa.Connection, n: int) -> list[dict[str, Any]]:
    """Read the end of the log.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Of `Store.reading`.
    n : int
        How many rows.

    Returns
    -------
    list of dict
        The rows, oldest first.
    """
    newest_first = sa.select(AUDIT_LOG).order_by(AUDIT_LOG.c.id.desc()).limit(n)
    return [dict(row) for row in reversed(connection.execute(newest_first).mappings().all())]


def _check(row: dict[str, Any], before: VerifiedLog) -> None:
    number = before.n + 1
    if row["id"] != number:
        raise BrokenChainError(
            f"The audit log is broken: row {number} is missing; row {row['id']} comes in its place."
        )
    if row["hash"] != _hash({name: row[name] for name in row if name != "hash"}):
        raise BrokenChainError(
            f"The audit log is broken: row {number} ({row['action']}, {row['at']}) is not as it "
            "was written."
        )
    if row["previous_hash"] != before.head:
        raise BrokenChainError(
            f"The audit log is broken: row {number} ({row['action']}, {row['at']}) does not follow "
            f"the row before it, which was written anew or put in another's place."
        )


def _hash(row: dict[str, Any]) -> str:
    """Hash a row, the hash it follows included, by its one way to be written as JSON."""
    text = json.dumps(row, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
