"""The published score set: what every reader sees until the pointer moves."""

from typing import Any

import sqlalchemy as sa

from serving.errors import ServiceError
from serving.store.tables import PUBLISHED, SCORE_SETS, SCORES

__all__ = ["POINTER", "NothingPublishedError", "published_scores", "set_facts"]

POINTER = "scores"


class NothingPublishedError(ServiceError):
    """Raised before the first score set is published."""

    status = 503
    title = "Nothing published"
    headers = {"Retry-After": "60"}  # noqa: RUF012 - never written to

    def __init__(self) -> None:
        super().__init__("No scores have been published yet. 'worth score' publishes them.")


def published_scores() -> sa.Select[Any]:
    """Select the published scores with the facts of their set, in one statement.

    Returns
    -------
    sqlalchemy.Select
        One row a customer: the columns of `scores` and of `score_sets`. One statement sees one
        set, so no reader mixes two.
    """
    return (
        sa.select(SCORES, SCORE_SETS)
        .join(SCORE_SETS, SCORE_SETS.c.id == SCORES.c.set_id)
        .join(PUBLISHED, PUBLISHED.c.set_id == SCORE_SETS.c.id)
        .where(PUBLISHED.c.what == POINTER)
    )


def set_facts(connection: sa.Connection) -> sa.Row[Any]:
    """Read the facts of the published set.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        To the store.

    Returns
    -------
    sqlalchemy.Row
        The row of `score_sets`.

    Raises
    ------
    NothingPublishedError
        If there is none.
    """
    row = connection.execute(
        sa.select(SCORE_SETS)
        .join(PUBLISHED, PUBLISHED.c.set_id == SCORE_SETS.c.id)
        .where(PUBLISHED.c.what == POINTER)
    ).one_or_none()
    if row is None:
        raise NothingPublishedError
    return row
