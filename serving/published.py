"""The scores that readers see: the published set, and over it what events have made since."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from serving.errors import ServiceError
from serving.store.tables import (
    FORECAST_COLUMNS,
    LEDGER,
    LIVE_SCORES,
    PUBLISHED,
    SCORE_SETS,
    SCORES,
    SET_COLUMNS,
)

__all__ = ["POINTER", "NothingPublishedError", "current_scores", "set_facts"]

POINTER = "scores"


class NothingPublishedError(ServiceError):
    """Raised before the first score set is published."""

    status = 503
    title = "Nothing published"
    headers = {"Retry-After": "60"}  # noqa: RUF012 - never written to

    def __init__(self) -> None:
        super().__init__("No scores have been published yet. 'worth score' publishes them.")


def current_scores(
    who: Callable[[sa.ColumnElement[str]], sa.ColumnElement[bool]] | None = None,
    *,
    set_id: int | None = None,
) -> sa.Subquery:
    """Select what readers see of customers, as one statement: it sees one set, never a mix.

    A score that an event made goes before that of a set whose ledger did not hold the event. Who
    has opted out of profiling has none.

    Parameters
    ----------
    who : callable, optional
        Makes the condition on `customer_id`; all customers where it is not given. It is put where
        the database finds the few rows by their key.
    set_id : int, optional
        A set that is kept, for pages that were begun before the pointer moved; the published one
        where it is not given.

    Returns
    -------
    sqlalchemy.Subquery
        One row a customer: customer_id, set_id, and the columns named in `SET_COLUMNS` and
        `FORECAST_COLUMNS`.
    """
    live, batch = LIVE_SCORES.c, SCORES.c
    pointer = sa.select(PUBLISHED.c.set_id).where(PUBLISHED.c.what == POINTER).scalar_subquery()
    is_read = SCORE_SETS.c.id == (pointer if set_id is None else set_id)
    is_newer = live.position > SCORE_SETS.c.events_upto
    by_event = (
        sa.select(
            live.customer_id,
            SCORE_SETS.c.id.label("set_id"),
            *(live[name] for name in (*SET_COLUMNS, *FORECAST_COLUMNS)),
        )
        .select_from(LIVE_SCORES.join(SCORE_SETS, is_newer))
        .where(is_read, ~_has_opted_out(live.customer_id))
    )
    by_batch = (
        sa.select(
            batch.customer_id,
            batch.set_id,
            *(SCORE_SETS.c[name] for name in SET_COLUMNS),
            *(batch[name] for name in FORECAST_COLUMNS),
        )
        .select_from(SCORES.join(SCORE_SETS, SCORE_SETS.c.id == batch.set_id))
        .where(
            is_read,
            ~sa.exists().where(live.customer_id == batch.customer_id, is_newer),
            ~_has_opted_out(batch.customer_id),
        )
    )
    if who is not None:
        by_event = by_event.where(who(live.customer_id))
        by_batch = by_batch.where(who(batch.customer_id))
    return sa.union_all(by_event, by_batch).subquery("current_scores")


def _has_opted_out(customer_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    customers = LEDGER["customers"].c
    return sa.exists().where(customers.customer_id == customer_id, customers.profiling_opt_out == 1)


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
