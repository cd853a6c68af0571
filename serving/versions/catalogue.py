"""The versions of the registry, as the store remembers them for when the registry is away."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import sqlalchemy as sa

from features.ledger import day_of
from serving.store import Store
from serving.store.tables import MODELS
from serving.versions.chosen import MODEL_NAME

__all__ = ["remember_versions"]

# Older versions are not chosen any more; describing each costs a small download.
_NEWEST = 100


def remember_versions(
    store: Store,
    digests: Mapping[str, str],
    *,
    describe: Callable[[str], Mapping[str, Any]],
    at: str,
) -> None:
    """Bring the table of versions in line with the registry.

    Parameters
    ----------
    store : Store
        Where they are remembered.
    digests : mapping of str to str
        Digest by version, the newest first; empty where the registry does not tell.
    describe : callable
        Reads a version's manifest; asked of those that are new. Empty where it cannot be had.
    at : str
        Now, ISO 8601 in UTC.
    """
    newest = dict(list(digests.items())[:_NEWEST])
    with store.reading() as connection:
        rows = connection.execute(sa.select(MODELS.c.version, MODELS.c.digest)).all()
    known = {row.version: row.digest for row in rows}
    rows_to_write = [
        _row(version, digest, describe(version), at)
        for version, digest in newest.items()
        if version not in known or (digest and digest != known[version])
    ]
    gone = known.keys() - newest.keys()
    if not rows_to_write and not gone:
        return
    replaced = [*gone, *(row["version"] for row in rows_to_write)]
    with store.writing() as connection:
        store.lock(connection, "models")
        connection.execute(sa.delete(MODELS).where(MODELS.c.version.in_(replaced)))
        if rows_to_write:
            connection.execute(sa.insert(MODELS), rows_to_write)


def _row(version: str, digest: str, manifest: Mapping[str, Any], at: str) -> dict[str, Any]:
    facts = manifest.get("facts")
    facts = facts if isinstance(facts, dict) else {}
    grade = facts.get("grade")
    return {
        "version": version,
        "name": MODEL_NAME,
        "digest": digest or str(manifest.get("digest", "")),
        "grade": grade if isinstance(grade, str) else None,
        "as_of": _day(facts.get("as_of")),
        "seen_at": at,
    }


def _day(text: object) -> int | None:
    try:
        return day_of(date.fromisoformat(str(text)))
    except ValueError:
        return None
