"""Everything that is held about a person, and their score in plain words."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from features.ledger import date_of
from features.schema import KEY_COLUMN
from serving.audit import record
from serving.errors import ServiceError
from serving.privacy.erasure import rejected_rows_of
from serving.privacy.schemas import Record
from serving.privacy.suppression import pseudonyms_of
from serving.published import current_scores
from serving.scores.schemas import Score, score_of
from serving.signals.computing import rows_in_store, signals_in_store
from serving.state import Service
from serving.store.tables import (
    EVENTS,
    FORECAST_COLUMNS,
    SCORE_CHANGES,
    SCORE_SETS,
    SCORES,
    SET_COLUMNS,
)

__all__ = ["NothingHeldError", "record_of"]

_DAYS = ("day", "due_day", "disputed_day", "resolved_day", "acquired_day", "as_of", "tier_since")


class NothingHeldError(ServiceError):
    """Raised for a person of whom nothing is held.

    Parameters
    ----------
    customer_id : str
        Who was asked about.
    """

    status = 404
    title = "Nothing held"

    def __init__(self, customer_id: str) -> None:
        super().__init__(
            f"Nothing is held about customer {customer_id[:100]!r}. Ids are compared letter by "
            "letter; who was erased is held by a keyed hash alone."
        )


def record_of(service: Service, customer_id: str, *, actor: str) -> Record:
    """Gather everything that is held about a person, and note who asked for it.

    Parameters
    ----------
    service : Service
        With its store.
    customer_id : str
        Who.
    actor : str
        Who asks, for the audit log: a record that cannot be noted there is not told.

    Returns
    -------
    Record
        From one state of the store.

    Raises
    ------
    NothingHeldError
        If there is nothing.
    """
    with service.store.reading() as connection:
        ledger = {
            name: [_readable(line) for line in lines]
            for name, lines in rows_in_store(connection, customer_id).items()
        }
        row = connection.execute(
            sa.select(current_scores(lambda column: column == customer_id))
        ).one_or_none()
        former = _former_scores(connection, customer_id)
        events = _events(connection, customer_id)
        rejected = [
            {"source": found.source, "row": found.source_row, "reason": found.reason,
             "content": found.content}
            for page in rejected_rows_of(connection, customer_id)
            for found in page
        ]  # fmt: skip
        signals = (
            None
            if row is None
            else signals_in_store(service.store, connection, customer_id, row.as_of)
        )
    if not any([*ledger.values(), former, events, rejected, row]):
        raise NothingHeldError(customer_id)
    _note(service, customer_id, actor)
    days = [line["day"] for lines in ledger.values() for line in lines if line.get("day")]
    return Record(
        customer_id=customer_id,
        made_at=datetime.now(UTC),
        account=_account(row, signals, has_opted_out=_has_opted_out(ledger)),
        score=None if row is None else Score.model_validate(score_of(row, service)),
        signals=signals,
        ledger=ledger,
        former_scores=former,
        events=events,
        rejected_rows=rejected,
        first_known_on=min(days, default=None),
    )


def _note(service: Service, customer_id: str, actor: str) -> None:
    subject = pseudonyms_of(service.store, service.company.home).of(customer_id)
    with service.store.writing() as connection:
        record(connection, actor=actor, action="record.read", object=subject)


def _events(connection: sa.Connection, customer_id: str) -> list[dict[str, Any]]:
    told = ("position", "event_id", "kind", "received_at")
    statement = sa.select(*(EVENTS.c[name] for name in told)).where(
        EVENTS.c.customer_id == customer_id
    )
    rows = connection.execute(statement.order_by(EVENTS.c.position))
    return [dict(row._mapping) for row in rows]


def _readable(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        name.removesuffix("_day") + "_on" if name.endswith("_day") else name: date_of(value)
        if name in _DAYS and value is not None
        else value
        for name, value in row.items()
        if name != KEY_COLUMN
    }


def _former_scores(connection: sa.Connection, customer_id: str) -> list[dict[str, Any]]:
    names = (*SET_COLUMNS, *FORECAST_COLUMNS)
    by_batch = (
        sa.select(*(SCORE_SETS.c[name] for name in SET_COLUMNS),
                  *(SCORES.c[name] for name in FORECAST_COLUMNS))
        .join(SCORE_SETS, SCORE_SETS.c.id == SCORES.c.set_id)
        .where(SCORES.c.customer_id == customer_id)
    )  # fmt: skip
    by_event = sa.select(*(SCORE_CHANGES.c[name] for name in names)).where(
        SCORE_CHANGES.c.customer_id == customer_id
    )
    kept = sa.union_all(by_batch, by_event).subquery()
    statement = sa.select(kept).order_by(kept.c.scored_at)
    return [_readable(row) for row in connection.execute(statement).mappings()]


def _has_opted_out(ledger: Mapping[str, list[dict[str, Any]]]) -> bool:
    return any(row["profiling_opt_out"] == 1 for row in ledger["customers"])


def _account(
    row: sa.Row[Any] | None,
    signals: Mapping[str, float | str | None] | None,
    *,
    has_opted_out: bool,
) -> list[str]:
    if has_opted_out:
        return ["You have opted out of profiling, so no score is computed or shown."]
    if row is None:
        return ["No score of you is published."]
    said = [
        f"By {date_of(row.as_of)}, and for the {row.horizon_days} days after it, we expect you to "
        f"buy on {row.expected_purchases:.1f} days.",
        f"What that is worth to us is expected to be {row.clv_expected:,.2f} {row.currency} "
        f"({'gross margin' if row.value_basis == 'gross_margin' else 'revenue'}).",
    ]
    if row.clv_lower is not None and row.clv_upper is not None:
        said.append(
            f"In four cases of five it comes to between {row.clv_lower:,.2f} and "
            f"{row.clv_upper:,.2f} {row.currency}."
        )
    said += [
        f"The probability that you do not buy at all in that time is {row.churn_probability:.0%}.",
        f"Customers are put in order by it: you have been in class {row.tier} (of A, B and C) "
        f"since {date_of(row.tier_since)}.",
        f"A statistical model (version {row.model_version}) computed this on {row.scored_at[:10]} "
        "from your purchases and, where there are any, invoices, payments and contacts; no person "
        "did, and no other source was used.",
    ]
    if signals is not None:
        said.append(_history(signals))
    return said


def _history(signals: Mapping[str, float | str | None]) -> str:
    n_days, silent = signals["n_purchase_days"], signals["days_since_last_purchase"]
    return (
        f"What weighs most is how often, how lately and for how much you bought: on {n_days:.0f} "
        f"days so far, the last of them {silent:.0f} days before."
    )
