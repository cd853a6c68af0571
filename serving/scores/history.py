"""How a customer's score moved: every score that is kept, and why it is not the one before."""

from datetime import datetime
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from serving.scores.movement import Splitter
from serving.scores.schemas import facts_of, forecast_of
from serving.scores.service import OptedOutError, has_opted_out, refuse
from serving.signals.computing import rows_in_store
from serving.state import Service
from serving.store.tables import (
    FORECAST_COLUMNS,
    SCORE_CHANGES,
    SCORE_SETS,
    SCORES,
    SET_COLUMNS,
)

__all__ = ["history_of"]


def history_of(service: Service, customer_id: str, limit: int) -> dict[str, Any]:
    """Tell how a customer's score moved.

    Parameters
    ----------
    service : Service
        With the store and the models.
    customer_id : str
        Who.
    limit : int
        At most so many scores, the newest.

    Returns
    -------
    dict
        The fields of `History`.

    Raises
    ------
    OptedOutError
        If the customer may not be profiled.
    UnknownCustomerError
        If no score is kept.
    NothingPublishedError
        If no set is published.
    """
    if "\0" in customer_id:  # PostgreSQL cannot be asked for it.
        raise refuse(service.store, customer_id)
    with service.store.reading() as connection:
        if has_opted_out(connection, customer_id):
            raise OptedOutError(customer_id)
        past = _past_scores(connection, customer_id)
        rows = rows_in_store(connection, customer_id)
    if not past:
        raise refuse(service.store, customer_id)
    # One more, whom the first shown is compared with.
    past = past[-limit - 1 :]
    splitter = Splitter(service, customer_id, rows)
    changes = [None, *(splitter.change(before, after) for before, after in pairwise(past))]
    told = [
        {
            **forecast_of(score),
            **facts_of(score, service),
            "cause": score.cause,
            "change": change,
        }
        for score, change in zip(past, changes, strict=True)
    ]
    return {"customer_id": customer_id, "scores": told[-limit:]}


def _past_scores(connection: sa.Connection, customer_id: str) -> list[Any]:
    """Read the scores that are kept, by the time they were made."""
    sets, batch, events = SCORE_SETS.c, SCORES.c, SCORE_CHANGES.c
    by_batch = (
        sa.select(
            batch.customer_id,
            sa.literal("batch").label("cause"),
            sets.id.label("number"),
            *(sets[name] for name in SET_COLUMNS),
            *(batch[name] for name in FORECAST_COLUMNS),
        )
        .select_from(SCORE_SETS.join(SCORES, batch.set_id == sets.id))
        .where(batch.customer_id == customer_id)
    )
    by_event = sa.select(
        events.customer_id,
        sa.literal("event").label("cause"),
        events.position.label("number"),
        *(events[name] for name in (*SET_COLUMNS, *FORECAST_COLUMNS)),
    ).where(events.customer_id == customer_id)
    found = connection.execute(sa.union_all(by_batch, by_event)).all()
    return sorted(found, key=lambda row: (datetime.fromisoformat(row.scored_at), row.number))
