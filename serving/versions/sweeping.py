"""Remove bundles from disk that nothing refers to any more."""

from pathlib import Path

import sqlalchemy as sa

from serving.store import Store
from serving.store.tables import LIVE_SCORES, SCORE_CHANGES, SCORE_SETS, SCORES
from serving.versions.bundles import kept_digests, remove_bundle
from serving.versions.chosen import choices, digest_of
from serving.versions.notes import noted_champion
from serving.versions.served import served

__all__ = ["sweep_bundles"]

# They may be rolled back to, whatever refers to them. Each takes at most 5 MB.
_NEWEST_KEPT = 20
_SERVED_KEPT = 5


def sweep_bundles(home: Path, store: Store) -> list[str]:
    """Remove old bundles that no kept score, choice or recent service refers to.

    Parameters
    ----------
    home : Path
        Folder of the service's state.
    store : Store
        Which says what is referred to.

    Returns
    -------
    list of str
        Digests of those removed.
    """
    old = kept_digests(home)[_NEWEST_KEPT:]
    if not old:
        return []
    with store.reading() as connection:
        kept = _in_use(connection, home)
        removed = [d for d in old if d not in kept and not _explains(connection, d)]
    for digest in removed:
        remove_bundle(home, digest)
    return removed


def _in_use(connection: sa.Connection, home: Path) -> set[str]:
    chosen = {digest_of(connection, home, v) for v in choices(connection).values()}
    line = {model.digest for model in served(connection)[-_SERVED_KEPT:]}
    champion = noted_champion(home)
    noted = {champion.digest} if champion else set()
    return {digest for digest in chosen | line | noted if digest}


def _explains(connection: sa.Connection, digest: str) -> bool:
    """Tell whether a score that is kept was made by it."""
    has_scores = sa.exists().where(SCORES.c.set_id == SCORE_SETS.c.id)
    of_a_set = sa.exists().where(SCORE_SETS.c.model_digest == digest, has_scores)
    of_events = [
        sa.exists().where(t.c.model_digest == digest) for t in (LIVE_SCORES, SCORE_CHANGES)
    ]
    return bool(connection.execute(sa.select(sa.or_(of_a_set, *of_events))).scalar())
