"""Erased customers stay out of what is sent, too."""

from collections.abc import Iterable
from pathlib import Path

import sqlalchemy as sa

from serving.privacy.pseudonym import Pseudonyms
from serving.store.tables import SUPPRESSED

__all__ = ["suppressed_among"]

_IS_ANYONE = sa.select(sa.exists().where(SUPPRESSED.c.subject.is_not(None)))


def suppressed_among(
    connection: sa.Connection, home: Path, customer_ids: Iterable[str]
) -> frozenset[str]:
    """Find the customers who were erased.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        To the store.
    home : Path
        The folder that holds the key of pseudonyms.
    customer_ids : iterable of str
        Who may be.

    Returns
    -------
    frozenset of str
        Those who were.

    Raises
    ------
    PseudonymKeyError
        If somebody was erased and the key is gone: nobody can be told from them then.
    """
    if not connection.execute(_IS_ANYONE).scalar():
        return frozenset()
    pseudonyms = Pseudonyms.kept_in(home, may_be_new=False)
    by_subject = {pseudonyms.of(customer): customer for customer in customer_ids}
    found = sa.select(SUPPRESSED.c.subject).where(SUPPRESSED.c.subject.in_(list(by_subject)))
    return frozenset(by_subject[subject] for subject in connection.scalars(found))
