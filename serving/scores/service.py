"""Find scores: of one customer with all that was asked for, or of many from one state."""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from serving.comparison import compare
from serving.errors import ServiceError
from serving.published import current_scores, set_facts
from serving.scores.companies import Companies, PublishedSet
from serving.scores.explaining import NoReasonsError, explain_score
from serving.scores.lookup import ScoreLookup
from serving.scores.schemas import interval_of, score_of, scores_of
from serving.signals.computing import SignalValues, signals_in_store
from serving.state import Service
from serving.store import Store
from serving.store.tables import LEDGER

__all__ = [
    "OptedOutError",
    "UnknownCustomerError",
    "find_score",
    "find_scores",
    "has_opted_out",
    "refuse",
]

_NEED_SIGNALS = {"factors", "signals", "scorecard"}


class UnknownCustomerError(ServiceError):
    """Raised for a customer who is not in the published set."""

    status = 404
    title = "Unknown customer"


class OptedOutError(ServiceError):
    """Raised for a customer who may not be profiled."""

    status = 404
    title = "No score"

    def __init__(self, customer_id: str) -> None:
        super().__init__(
            f"Customer {customer_id[:100]!r} has opted out of profiling, so no score is computed "
            "or shown."
        )


def refuse(store: Store, customer_id: str) -> ServiceError:
    """Say why there is no score of a customer.

    Parameters
    ----------
    store : Store
        Where none was found.
    customer_id : str
        Who.

    Returns
    -------
    ServiceError
        OptedOutError, UnknownCustomerError or NothingPublishedError.
    """
    with store.reading() as connection:
        if "\0" not in customer_id and has_opted_out(connection, customer_id):
            return OptedOutError(customer_id)
        return _unknown(connection, customer_id)


def has_opted_out(connection: sa.Connection, customer_id: str) -> bool:
    """Tell whether a customer may not be profiled.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        To the store.
    customer_id : str
        Who.

    Returns
    -------
    bool
        Whether they said so.
    """
    customers = LEDGER["customers"].c
    told = sa.select(customers.profiling_opt_out).where(customers.customer_id == customer_id)
    return connection.execute(told).scalar() == 1


def _unknown(connection: sa.Connection, customer_id: str) -> ServiceError:
    facts = set_facts(connection)
    return UnknownCustomerError(
        f"There is no score for customer {customer_id[:100]!r} among the "
        f"{facts.n_customers:,} published. Ids are compared letter by letter; a customer "
        "who bought after the last 'worth score' is in the next set."
    )


def find_score(
    service: Service, companies: Companies, customer_id: str, parts: Collection[str]
) -> dict[str, Any]:
    """Find one customer's score, with parts of it that are made when they are asked for.

    Parameters
    ----------
    service : Service
        With the store and the models.
    companies : Companies
        What the scorecard compares with.
    customer_id : str
        Who.
    parts : collection of {"interval", "factors", "signals", "scorecard"}
        What to add.

    Returns
    -------
    dict
        The fields of `DetailedScore`, all from one state of the store.

    Raises
    ------
    OptedOutError
        If the customer may not be profiled.
    UnknownCustomerError
        If there is no score.
    NothingPublishedError
        If no set is published.
    """
    is_theirs = current_scores(lambda column: column == customer_id)
    with service.store.reading() as connection:
        row = connection.execute(sa.select(is_theirs)).one_or_none()
        if row is None:
            raise refuse(service.store, customer_id)
        published = companies.published(connection) if "scorecard" in parts else None
        signals = None
        if _NEED_SIGNALS & set(parts):
            signals = signals_in_store(service.store, connection, customer_id, row.as_of)
    answer = score_of(row, service)
    if "interval" in parts:
        answer["interval"] = interval_of(row)
    if "signals" in parts:
        answer["signals"] = signals
    if "scorecard" in parts:
        answer["scorecard"] = _scorecard(published, signals, row)
    if "factors" in parts:
        answer |= _factors(row, signals, service)
    return answer


def _scorecard(
    published: PublishedSet | None, signals: SignalValues | None, row: Any
) -> dict[str, float | None] | None:
    if published is None or signals is None:
        return None
    return compare(published.company, signals, row.clv_expected)


def _factors(row: Any, signals: SignalValues | None, service: Service) -> dict[str, Any]:
    try:
        explained = explain_score(row, signals, service.models.champion)
    except NoReasonsError as error:
        return {"factors": None, "factors_missing": str(error)}
    return {"factors": explained, "factors_missing": None}


def find_scores(
    service: Service,
    companies: Companies,
    lookup: ScoreLookup,
    customer_ids: Sequence[str],
    parts: Collection[str],
) -> tuple[list[dict[str, Any]], list[str]]:
    """Find the scores of many customers.

    Parameters
    ----------
    service : Service
        With the store.
    companies : Companies
        What the scorecard compares with.
    lookup : ScoreLookup
        What finds them.
    customer_ids : sequence of str
        Who.
    parts : collection of {"interval", "scorecard"}
        What to add.

    Returns
    -------
    tuple of list of dict and list of str
        The scores in the order asked, from one state of the store; who has none.

    Raises
    ------
    NothingPublishedError
        If no set is published.
    """
    with service.store.reading() as connection:
        rows = lookup.find_many(connection, customer_ids)
        if not rows:
            set_facts(connection)
        cards = {}
        if "scorecard" in parts:
            published = companies.published(connection)
            for who, row in rows.items():
                signals = signals_in_store(service.store, connection, who, row.as_of)
                cards[who] = _scorecard(published, signals, row)
    found = [who for who in customer_ids if who in rows]
    scores = scores_of([rows[who] for who in found], service)
    if "interval" in parts:
        for who, answer in zip(found, scores, strict=True):
            answer["interval"] = interval_of(rows[who])
    if "scorecard" in parts:
        for who, answer in zip(found, scores, strict=True):
            answer["scorecard"] = cards[who]
    return scores, [who for who in customer_ids if who not in rows]
