"""Look a score up as fast as the store can: what is asked thousands of times a second."""

import sqlite3
from collections import namedtuple
from typing import Any

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool

from serving.published import current_scores
from serving.store import SQLiteStore, Store, StoreError

__all__ = ["ScoreLookup"]

_WHO = "asked_customer_id"
# Milliseconds that the event loop may wait for SQLite. Its readers wait for nobody but a process
# that opens the store after a crash.
_PATIENCE = 250


class ScoreLookup:
    """The statement that finds one customer's score, prepared once.

    On SQLite it is put on the event loop itself: it takes some 30 microseconds, a thread to wait
    in takes longer. On PostgreSQL it waits for the network, in a thread.

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
        scores = current_scores(lambda column: column == sa.bindparam(_WHO, type_=sa.Text()))
        self._statement = sa.select(scores)
        self._row = _row_type(tuple(scores.c.keys()))
        compiled = self._statement.compile(dialect=store.engine.dialect)
        self._sql = str(compiled)
        self._constants = compiled.params
        self._order: tuple[str, ...] = tuple(compiled.positiontup or ())
        # A store whose connections do not stay open must not have one of ours open either.
        is_pooled = isinstance(store.engine.pool, sa.QueuePool)
        self.is_inline = is_pooled and isinstance(store, SQLiteStore)
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

    def close(self) -> None:
        """Give the connection back."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _find(self, customer_id: str) -> Any:
        with self._store.reading() as connection:
            return connection.execute(self._statement, {_WHO: customer_id}).one_or_none()

    def _find_inline(self, customer_id: str) -> Any:
        values = self._constants | {_WHO: customer_id}
        try:
            if self._kept is None:
                self._kept = self._connected()
            driver: sqlite3.Connection = self._kept.dbapi_connection
            # One statement is one state of the store; all rows are fetched, so that none holds it.
            rows = driver.execute(self._sql, [values[name] for name in self._order]).fetchall()
        except sqlite3.Error as error:
            self._kept = None
            raise StoreError(f"The store did not answer: {error}.") from None
        return self._row._make(rows[0]) if rows else None

    def _connected(self) -> Any:
        kept = self._store.engine.raw_connection()
        kept.detach()  # Out of the pool, which would close it after an hour or lend it to others.
        driver: Any = kept.dbapi_connection
        driver.execute(f"PRAGMA busy_timeout = {_PATIENCE}")
        return kept


def _row_type(names: tuple[str, ...]) -> Any:
    return namedtuple("ScoreRow", names)
