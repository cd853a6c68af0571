"""Look a score up as fast as the store can: what is asked thousands of times a second."""

import json
import sqlite3
from collections import namedtuple
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool

from serving.published import current_scores
from serving.store import SQLiteStore, Store, StoreError

__all__ = ["ScoreLookup"]

_WHO = "asked"
# Milliseconds that the event loop may wait for SQLite. Its readers wait for nobody but a process
# that opens the store after a crash.
_PATIENCE = 250
# Keeps in memory the inner pages of a million scores, between which a leaf is read once in a while;
# in SQLite's own 2,000 they would take turns.
_CACHE_KIBIBYTES = 8_192


class _Prepared:
    """A statement as SQLite's driver takes it: SQLAlchemy takes longer to put it than to answer it.

    Parameters
    ----------
    statement : sqlalchemy.Select
        With one parameter, named `asked`, wherever it stands.
    store : Store
        On SQLite.
    """

    def __init__(self, statement: sa.Select[Any], store: Store) -> None:
        compiled = statement.compile(dialect=store.engine.dialect)
        self._sql = str(compiled)
        names = compiled.positiontup or ()
        self._values = [compiled.params[name] for name in names]
        self._places = [place for place, name in enumerate(names) if name == _WHO]

    def rows(self, driver: sqlite3.Connection, asked: str) -> list[tuple[Any, ...]]:
        """Put it, and fetch all there is, so that no row holds the state it was read from.

        Parameters
        ----------
        driver : sqlite3.Connection
            To the store.
        asked : str
            The parameter.

        Returns
        -------
        list of tuple
            What is found.
        """
        values = self._values.copy()
        for place in self._places:
            values[place] = asked
        return driver.execute(self._sql, values).fetchall()


class ScoreLookup:
    """The statements that find the scores of one customer, or of many, prepared once.

    On SQLite the first is put on the event loop itself: it takes some 30 microseconds, a thread to
    wait in takes longer. On PostgreSQL it waits for the network, in a thread.

    Parameters
    ----------
    store : Store
        Where the scores are.

    Attributes
    ----------
    is_inline : bool
        Whether the store is asked on the event loop.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        asked = sa.bindparam(_WHO, type_=sa.Text())
        scores = current_scores(lambda column: column == asked)
        self._one = sa.select(scores)
        self._row = _row_type(tuple(scores.c.keys()))
        is_sqlite = isinstance(store, SQLiteStore)
        if is_sqlite:
            each = sa.func.json_each(asked).table_valued("value")
            many = current_scores(lambda column: column.in_(sa.select(each.c.value)))
            self._one_prepared = _Prepared(self._one, store)
            self._many_prepared = _Prepared(sa.select(many), store)
        # A store whose connections do not stay open must not have one of ours open either.
        is_pooled = isinstance(store.engine.pool, sa.QueuePool)
        self.is_inline = is_pooled and is_sqlite
        self._kept: Any = None

    async def find(self, customer_id: str) -> Any:
        """Find what readers see of one customer.

        Parameters
        ----------
        customer_id : str
            Who.

        Returns
        -------
        object or None
            With the columns of `current_scores` as attributes; None where there is no score.

        Raises
        ------
        StoreError
            If the store does not answer.
        """
        if "\0" in customer_id:  # Nobody is called so, and PostgreSQL cannot be asked it.
            return None
        if self.is_inline:
            return self._find_inline(customer_id)
        return await run_in_threadpool(self._find, customer_id)

    def find_many(self, connection: sa.Connection, customer_ids: Collection[str]) -> dict[str, Any]:
        """Find what readers see of many customers.

        Parameters
        ----------
        connection : sqlalchemy.Connection
            Of the store's `reading`.
        customer_ids : collection of str
            Who.

        Returns
        -------
        dict of str to object
            As `find` gives it, by customer; who has no score is not in it.
        """
        asked = sorted({who for who in customer_ids if "\0" not in who})
        if not isinstance(self._store, SQLiteStore):
            scores = sa.select(current_scores(lambda column: column.in_(asked)))
            return {row.customer_id: row for row in connection.execute(scores)}
        rows = self._many_prepared.rows(self._store.driver(connection), json.dumps(asked))
        return {row.customer_id: row for row in map(self._row._make, rows)}

    def close(self) -> None:
        """Give the connection back."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _find(self, customer_id: str) -> Any:
        with self._store.reading() as connection:
            return connection.execute(self._one, {_WHO: customer_id}).one_or_none()

    def _find_inline(self, customer_id: str) -> Any:
        try:
            if self._kept is None:
                self._kept = self._connected()
            # One statement is one state of the store.
            rows = self._one_prepared.rows(self._kept.dbapi_connection, customer_id)
        except sqlite3.Error as error:
            self._kept = None
            raise StoreError(f"The store did not answer: {error}.") from None
        return self._row._make(rows[0]) if rows else None

    def _connected(self) -> Any:
        kept = self._store.engine.raw_connection()
        kept.detach()  # Out of the pool, which would close it after an hour or lend it to others.
        driver: Any = kept.dbapi_connection
        driver.execute(f"PRAGMA busy_timeout = {_PATIENCE}")
        driver.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
        return kept


def _row_type(names: tuple[str, ...]) -> Any:
    return namedtuple("ScoreRow", names)
