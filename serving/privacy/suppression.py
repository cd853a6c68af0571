"""Erased customers stay out: what is loaded or sent of them again is left aside."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from serving.events.among import among
from serving.privacy.pseudonym import Pseudonyms
from serving.store import Store
from serving.store.statements import select_rows
from serving.store.tables import SUPPRESSED

__all__ = [
    "Suppression",
    "erased_subjects",
    "hold_erasures",
    "pseudonyms_of",
    "suppressed_among",
]

_ERASED = sa.select(SUPPRESSED.c.subject).where(among(SUPPRESSED.c.subject, "subjects"))
_IS_ANYONE = sa.select(sa.exists().where(SUPPRESSED.c.subject.is_not(None)))


def hold_erasures(store: Store, connection: sa.Connection) -> frozenset[str]:
    """Let nobody be erased until this transaction ends, and tell who was.

    Whatever was read before may speak of someone who was erased meanwhile: a writer that read
    before its transaction began compares who was erased then and now.

    Parameters
    ----------
    store : Store
        Of the company.
    connection : sqlalchemy.Connection
        Of the store's `writing` or `staged`.

    Returns
    -------
    frozenset of str
        Pseudonyms of erased customers.
    """
    store.lock(connection, "erasures", is_shared=True)
    return erased_subjects(connection)


def erased_subjects(connection: sa.Connection) -> frozenset[str]:
    """Read who was erased.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        To the store.

    Returns
    -------
    frozenset of str
        Their pseudonyms.
    """
    return frozenset(connection.execute(sa.select(SUPPRESSED.c.subject)).scalars())


def pseudonyms_of(store: Store, home: Path) -> Pseudonyms:
    """Read the key of pseudonyms; it is made where nobody was erased yet.

    Parameters
    ----------
    store : Store
        Of the company.
    home : Path
        The folder that holds the key.

    Returns
    -------
    Pseudonyms
        Of this store.

    Raises
    ------
    PseudonymKeyError
        If somebody was erased and the key is gone: under another they would come back.
    """
    with store.reading() as connection:
        is_anyone = connection.execute(_IS_ANYONE).scalar()
    return Pseudonyms.kept_in(home, may_be_new=not is_anyone)


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
    ((is_anyone,),) = select_rows(connection, _IS_ANYONE)
    if not is_anyone:
        return frozenset()
    pseudonyms = Pseudonyms.kept_in(home, may_be_new=False)
    by_subject = {pseudonyms.of(customer): customer for customer in customer_ids}
    found = select_rows(connection, _ERASED, subjects=by_subject)
    return frozenset(by_subject[subject] for (subject,) in found)


@dataclass(frozen=True)
class Suppression:
    """Who was erased.

    Parameters
    ----------
    subjects : frozenset of str
        Pseudonyms of erased customers.
    pseudonyms : Pseudonyms, optional
        The key they were made with; None where nobody was erased.
    """

    subjects: frozenset[str]
    pseudonyms: Pseudonyms | None

    @classmethod
    def read(cls, connection: sa.Connection, home: Path) -> "Suppression":
        """Read who was erased.

        Parameters
        ----------
        connection : sqlalchemy.Connection
            To the store.
        home : Path
            The folder that holds the key of pseudonyms.

        Returns
        -------
        Suppression
            Of this store.

        Raises
        ------
        PseudonymKeyError
            If somebody was erased and the key is gone.
        """
        subjects = erased_subjects(connection)
        return cls(subjects, Pseudonyms.kept_in(home, may_be_new=False) if subjects else None)

    def covers(self, customer_id: str) -> bool:
        """Tell whether a customer was erased.

        Parameters
        ----------
        customer_id : str
            Who.

        Returns
        -------
        bool
            True where they were.
        """
        return self.pseudonyms is not None and self.pseudonyms.of(customer_id) in self.subjects

    def leave_out(self, rows: pa.Table) -> pa.Table:
        """Leave out the rows of erased customers.

        Parameters
        ----------
        rows : pyarrow.Table
            With a column customer_id.

        Returns
        -------
        pyarrow.Table
            The other rows.
        """
        if self.pseudonyms is None:
            return rows
        known = pc.unique(rows["customer_id"]).to_pylist()
        erased = pa.array(self.pseudonyms.among(known, self.subjects), pa.string())
        return rows.filter(pc.invert(pc.is_in(rows["customer_id"], value_set=erased)))

    def blank_out(self, rejected: pa.Table) -> pa.Table:
        """Take the content out of rejected rows that speak of erased customers.

        Parameters
        ----------
        rejected : pyarrow.Table
            With a column content: the row as JSON.

        Returns
        -------
        pyarrow.Table
            As many rows, so that the count of rows read still adds up.
        """
        if self.pseudonyms is None:
            return rejected
        contents = [self._blanked(text) for text in rejected["content"].to_pylist()]
        place = rejected.schema.get_field_index("content")
        return rejected.set_column(
            place, rejected.schema.field(place), pa.array(contents, pa.string())
        )

    def _blanked(self, content: str | None) -> str | None:
        if content is None:
            return None
        row = json.loads(content)
        values = row.values() if isinstance(row, dict) else [row]
        speaks_of_one = any(self.covers(str(value).strip()) for value in values)
        return None if speaks_of_one else content
