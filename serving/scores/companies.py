"""What customers are compared with: it is read once a score set, not once a request."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from serving.comparison import Company
from serving.published import POINTER
from serving.store.statements import select_rows
from serving.store.tables import PUBLISHED, SCORE_SETS

__all__ = ["Companies", "PublishedSet"]


@dataclass(frozen=True)
class PublishedSet:
    """The score set that readers see.

    Parameters
    ----------
    facts : sqlalchemy.Row
        Its row of `score_sets`.
    company : Company
        What its customers are compared with.
    """

    facts: sa.Row[Any]
    company: Company


class Companies:
    """The published score set, read again only when another is published."""

    def __init__(self) -> None:
        self._kept: PublishedSet | None = None

    def published(self, connection: sa.Connection) -> PublishedSet | None:
        """Give the published score set.

        Parameters
        ----------
        connection : sqlalchemy.Connection
            To the store.

        Returns
        -------
        PublishedSet or None
            None before anything is published.
        """
        pointer = [*select_rows(connection, _POINTER)]
        if not pointer:
            return None
        ((set_id,),) = pointer
        kept = self._kept
        if kept is None or kept.facts.id != set_id:
            facts = connection.execute(sa.select(SCORE_SETS).where(SCORE_SETS.c.id == set_id)).one()
            # One assignment: another thread sees the old set or this one.
            kept = self._kept = PublishedSet(facts, Company.from_json(facts.company))
        return kept


_POINTER = sa.select(PUBLISHED.c.set_id).where(PUBLISHED.c.what == POINTER)
