"""What every store can do, whatever database it stands on.

StoreError          the store did not answer, or this program does not know it
UnstorableError     the store answered that it cannot hold what it was given: a wrong input
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from features.ledger import EmptyLedgerError, Ledger
from features.schema import TABLES
from serving.store.tables import LEDGER

__all__ = ["Store", "StoreError", "UnstorableError", "pool_options"]


class StoreError(RuntimeError):
    """Raised where the store cannot be opened or used as it is."""


class UnstorableError(ValueError):
    """Raised where a value cannot be stored, such as a text with a NUL in it."""


@dataclass(frozen=True)
class Store(ABC):
    """The state of one company.

    Small statements go through `reading` and `writing`, whole tables through `read_tables` and
    `staged`. All of them raise StoreError where the database does not answer (it is locked, full,
    read-only or gone) and UnstorableError where it cannot hold a value.

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
        with self._said_plainly(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Open a transaction that is kept whole or not at all.

        Yields
        ------
        sqlalchemy.Connection
            For any statement; committed at the end of the block.
        """
        with self._said_plainly(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def derived_writing(self) -> Iterator[sa.Connection]:
        """Open a transaction for what can be made again from the rest of the store.

        It is not waited for until it is on the disk: after a power cut it may be missing as a
        whole, together with all that was written after it and is not waited for either.

        Yields
        ------
        sqlalchemy.Connection
            For any statement; committed at the end of the block.
        """
        with self._said_plainly(), self._derived_writer.begin() as connection:
            yield connection

    @abstractmethod
    def lock(self, connection: sa.Connection, what: str, *, is_shared: bool = False) -> None:
        """Wait until no other writing transaction holds this, and hold it until this one ends.

        SQLite has one writer at a time anyway. PostgreSQL has many, and what one of them reads
        before it writes (the last row of a chain, the highest position) may be old by then.

        Parameters
        ----------
        connection : sqlalchemy.Connection
            Of `writing` or `staged`.
        what : str
            Any name. Take several in one order everywhere, or two writers wait for each other.
        is_shared : bool, default False
            Whether others may hold it, too, if they share it.
        """

    @abstractmethod
    def driver(self, connection: sa.Connection) -> Any:
        """Give the connection of the driver itself.

        Parameters
        ----------
        connection : sqlalchemy.Connection
            Of `reading` or `writing`.

        Returns
        -------
        sqlite3.Connection or psycopg.Connection
            In the same transaction.
        """

    def pipelined(self, connection: sa.Connection) -> AbstractContextManager[object]:
        """Let no statement of `serving.store.statements` wait until the one before is answered.

        A statement by SQLAlchemy cannot stand in the block. What fails may be said by a later
        statement, or at the end of the block.

        Parameters
        ----------
        connection : sqlalchemy.Connection
            Of `reading`, `writing` or `derived_writing`.

        Returns
        -------
        context manager
            On a database that is asked within this process it does nothing.
        """
        del connection
        return nullcontext()

    @abstractmethod
    def is_writable(self) -> bool:
        """Tell whether a write would be kept now, by beginning one.

        Returns
        -------
        bool
            False where the store is gone, locked by another writer, full or read-only.
        """

    @abstractmethod
    def purge(self, tables: Iterable[str]) -> None:
        """Take deleted rows out of the files too.

        Parameters
        ----------
        tables : iterable of str
            From which rows were deleted.

        Raises
        ------
        StoreError
            If the store is locked, or a reader still holds on to them.
        """

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

    # To make an engine with other options takes as long as some statements.
    @cached_property
    def _reader(self) -> sa.Engine:
        return self.engine

    @cached_property
    def _writer(self) -> sa.Engine:
        return self.engine

    @cached_property
    def _derived_writer(self) -> sa.Engine:
        return self._writer.execution_options(is_derived=True)

    @property
    def _driver(self) -> Any:
        return self.engine.dialect.loaded_dbapi

    @contextmanager
    def _closed_where_it_fails(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise

    @contextmanager
    def _said_plainly(self) -> Iterator[None]:
        # A statement's parameters may be personal data; the database's own words are not.
        try:
            yield
        except (
            sa.exc.IntegrityError,
            sa.exc.ProgrammingError,
            self._driver.IntegrityError,
            self._driver.ProgrammingError,
        ):
            raise  # The caller's to answer for; the database did answer.
        except sa.exc.DBAPIError as error:
            raise self._plain(error.orig) from None
        except self._driver.Error as error:
            raise self._plain(error) from None
        except sa.exc.TimeoutError:
            raise StoreError("The store did not answer: all connections are busy.") from None

    def _plain(self, error: BaseException | None) -> Exception:
        # Without the rows that PostgreSQL quotes below it.
        primary = getattr(getattr(error, "diag", None), "message_primary", None)
        said = str(primary or error).strip().rstrip(".")
        if isinstance(error, self._driver.DataError):
            return UnstorableError(f"The store cannot hold this: {said}.")
        return StoreError(f"The store did not answer: {said}.")


def pool_options(is_pooled: bool) -> dict[str, Any]:
    """Say to `sqlalchemy.create_engine` whether connections stay open between statements.

    Parameters
    ----------
    is_pooled : bool
        Whether they do.

    Returns
    -------
    dict
        Of the one used last the statements are prepared, and its pages at hand: it is used again.
    """
    if is_pooled:
        return {"poolclass": sa.QueuePool, "pool_use_lifo": True}
    return {"poolclass": sa.NullPool}
