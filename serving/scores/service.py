"""Find one customer's score."""

from serving.errors import ServiceError
from serving.published import published_scores, set_facts
from serving.scores.schemas import Score, ScoredCustomer, SetFacts
from serving.store import Store
from serving.store.tables import SCORES

__all__ = ["UnknownCustomerError", "find_score"]


class UnknownCustomerError(ServiceError):
    """Raised for a customer who is not in the published set."""

    status = 404
    title = "Unknown customer"


def find_score(store: Store, customer_id: str) -> Score:
    """Find the published score of one customer.

    Parameters
    ----------
    store : Store
        Where the scores are.
    customer_id : str
        Who.

    Returns
    -------
    Score
        The score, with the facts of its set.

    Raises
    ------
    UnknownCustomerError
        If the published set does not hold the customer.
    NothingPublishedError
        If no set is published.
    """
    with store.reading() as connection:
        row = connection.execute(
            published_scores().where(SCORES.c.customer_id == customer_id)
        ).one_or_none()
        if row is None:
            facts = set_facts(connection)
            raise UnknownCustomerError(
                f"There is no score for customer {customer_id[:100]!r} among the "
                f"{facts.n_customers:,} published. Ids are compared letter by letter; a customer "
                "who bought after the last 'worth score' is in the next set."
            )
    return Score(
        **SetFacts.facts_of(row),
        **ScoredCustomer.forecast_of(row),
        historic_value=row.historic_value,
    )
