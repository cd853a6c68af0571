"""All scores, page by page: complete and without doubles, also while a new set is published."""

from typing import Any

import sqlalchemy as sa

from serving.errors import ServiceError
from serving.lists.cursor import Cursor
from serving.published import current_scores, set_facts
from serving.store import Store
from serving.store.tables import SCORES

__all__ = ["PagesGoneError", "read_page"]


class PagesGoneError(ServiceError):
    """Raised for a page of a score set that is kept no longer."""

    status = 410
    title = "Pages gone"

    def __init__(self) -> None:
        super().__init__(
            "The score set whose pages these are was replaced twice since the first of them. "
            "Begin anew, without a cursor."
        )


def read_page(
    store: Store, *, tier: str | None, limit: int, cursor: str | None
) -> tuple[list[Any], str | None]:
    """Read a page of scores in the order of ids.

    The pages go on with the set they were begun with; who has a score only in a newer one is on
    them as well, because an event's score moves into the next set when that is published.

    Parameters
    ----------
    store : Store
        Where the scores are.
    tier : {"A", "B", "C"} or None
        Only customers of this tier.
    limit : int
        At most so many.
    cursor : str or None
        What the page before gave.

    Returns
    -------
    tuple of list of rows and str or None
        With the columns of `current_scores`; the cursor of the next page, None at the last.

    Raises
    ------
    NothingPublishedError
        If no set is published.
    PagesGoneError
        If the set they were begun with is kept no longer.
    RequestValidationError
        If the cursor is none of ours.
    """
    begun = None if cursor is None else Cursor.from_text(cursor, tier=tier)
    with store.reading() as connection:
        published = int(set_facts(connection).id)
        start = begun or Cursor(published, "", tier)
        rows = _next(connection, start, start.set_id, limit + 1)
        if start.set_id != published:
            _refuse_gone(connection, start.set_id)
            newer = _next(connection, start, published, limit + 1, not_in=start.set_id)
            # Each of the two is complete as far as its last row, and so are they together.
            both = {row.customer_id: row for row in (*newer, *rows)}
            rows = [both[who] for who in sorted(both)]
    page = rows[:limit]
    if len(rows) <= limit:
        return page, None
    return page, Cursor(start.set_id, page[-1].customer_id, tier).to_text()


def _next(
    connection: sa.Connection,
    start: Cursor,
    set_id: int,
    n_rows: int,
    *,
    not_in: int | None = None,
) -> list[Any]:
    scores = current_scores(lambda column: column > start.after, set_id=set_id)
    wanted = sa.select(scores).order_by(scores.c.customer_id).limit(n_rows)
    if start.tier is not None:
        wanted = wanted.where(scores.c.tier == start.tier)
    if not_in is not None:
        is_theirs = (SCORES.c.set_id == not_in, SCORES.c.customer_id == scores.c.customer_id)
        wanted = wanted.where(~sa.exists().where(*is_theirs))
    return list(connection.execute(wanted))


def _refuse_gone(connection: sa.Connection, set_id: int) -> None:
    kept = sa.select(SCORES.c.set_id).where(SCORES.c.set_id == set_id).limit(1)
    if connection.execute(kept).scalar() is None:
        raise PagesGoneError
