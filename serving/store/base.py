"""What every store can do, whatever database it stands on."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pyarrow as pa
import sqlalchemy as sa

from features.ledger import EmptyLedgerError, Ledger
from features.schema import TABLES
from serving.store.tables import LEDGER

__all__ = ["Store", "StoreError"]


class StoreError(RuntimeError):
    """Raised where the store cannot be opened or used as it is."""


@dataclass(frozen=True)
class Store(ABC):
    """The state of one company.

    Small statements go through `reading` and `writing`, whole tables through `read_tables` and
    `staged`. A database differs from another in the last two alone.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Connections to the database.
    """

    engine: sa.Engine

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Open a transaction that sees one state of the store.

        Yields
        ------
        sqlalchemy.Connection
            For SELECT.
        """
        with self._said_plainly(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Open a transaction that is kept whole or not at all.

        Yields
        ------
        sqlalchemy.Connection
            For any statement; committed at the end of the block.
        """
        writer = self.engine.execution_options(is_writing=True)
        with self._said_plainly(), writer.begin() as connection:
            yield connection

    @abstractmethod
    def staged(
        self, tables: Mapping[str, pa.Table]
    ) -> AbstractContextManager[tuple[sa.Connection, Mapping[str, sa.TableClause]]]:
        """Lay Arrow tables beside the store's own, within one writing transaction.

        Parameters
        ----------
        tables : mapping of str to pyarrow.Table
            What to lay, by name.

        Returns
        -------
        context manager of (sqlalchemy.Connection, mapping of str to TableClause)
            The transaction, and the staged tables to INSERT ... SELECT from. They are gone at its
            end.
        """

    @abstractmethod
    def read_tables(
        self, statements: Mapping[str, tuple[sa.Select[tuple[object, ...]], pa.Schema]]
    ) -> dict[str, pa.Table]:
        """Read whole results as Arrow, all from one state of the store.

        Parameters
        ----------
        statements : mapping of str to (Select, pyarrow.Schema)
            What to read, and the types it is to have.

        Returns
        -------
        dict of str to pyarrow.Table
            The results by name.
        """

    def read_ledger(self) -> Ledger:
        """Read the five tables of the ledger.

        Returns
        -------
        Ledger
            All rows, in Arrow.
        """
        return Ledger(
            self.read_tables(
                {
                    name: (sa.select(LEDGER[name]), table.arrow_schema)
                    for name, table in TABLES.items()
                }
            )
        )

    def last_day(self) -> int:
        """Find the last day the ledger knows.

        Returns
        -------
        int
            Day of the last order line, in days since 1970-01-01.

        Raises
        ------
        EmptyLedgerError
            If there is none.
        """
        with self.reading() as connection:
            day = connection.execute(sa.select(sa.func.max(LEDGER["order_lines"].c.day))).scalar()
        if day is None:
            raise EmptyLedgerError
        return int(day)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _said_plainly(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.OperationalError as error:
            # The statement's parameters may be personal data; the database's own words are not.
            raise StoreError(f"The store did not answer: {error.orig}.") from None
