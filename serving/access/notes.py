"""What is written of access afterwards: it never holds up a request, nor lets one fail."""

import asyncio
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
import structlog

from serving.audit import record
from serving.store import Store, StoreError
from serving.store.tables import API_KEYS

__all__ = ["Notes"]

# A key's last use is written at most so often, whatever number of workers it is used on.
_USE_EVERY = timedelta(minutes=1)
# Uses are gathered for so long, to be written at once.
_GATHERING_SECONDS = 1.0

_log = structlog.get_logger()


class Notes:
    """Writes the last use of keys and the lock-outs of addresses, behind the requests.

    What cannot be written is dropped: a use is noted again a second later, and a lock-out is in
    the service's log too.

    Parameters
    ----------
    store : Store
        Where to.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._uses: set[str] = set()
        self._lockouts: list[tuple[str, int]] = []
        self._writing: asyncio.Task[None] | None = None

    def used(self, prefix: str, last_used_at: datetime | None) -> None:
        """Note that a key was used.

        Parameters
        ----------
        prefix : str
            Of the key.
        last_used_at : datetime, optional
            When the store says that it was used last.
        """
        now = datetime.now(UTC)
        # A time to come was written before the clock was set back.
        if last_used_at is None or not now - _USE_EVERY < last_used_at <= now:
            self._uses.add(prefix)
            self._write_soon()

    def locked_out(self, actor: str, n_failures: int) -> None:
        """Note that an address was locked out.

        Parameters
        ----------
        actor : str
            `address:` and a hash of it.
        n_failures : int
            After how many wrong keys.
        """
        _log.warning("access.locked_out", actor=actor, n_failures=n_failures)
        self._lockouts.append((actor, n_failures))
        self._write_soon()

    def _write_soon(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write_all())

    async def _write_all(self) -> None:
        while self._uses or self._lockouts:
            if not self._lockouts:
                await asyncio.sleep(_GATHERING_SECONDS)
            uses, self._uses = self._uses, set()
            lockouts, self._lockouts = self._lockouts, []
            try:
                await asyncio.to_thread(self._write, uses, lockouts)
            except StoreError as error:
                _log.warning("access.notes_not_written", error=str(error))

    def _write(self, uses: set[str], lockouts: list[tuple[str, int]]) -> None:
        now = datetime.now(UTC)
        last = API_KEYS.c.last_used_at
        is_due = last.is_(None) | (last < _text(now - _USE_EVERY)) | (last > _text(now))
        statement = sa.update(API_KEYS).where(API_KEYS.c.prefix.in_(sorted(uses)), is_due)
        with self._store.writing() as connection:
            connection.execute(statement.values(last_used_at=_text(now)))
            for actor, n_failures in lockouts:
                record(connection, actor=actor, action="access.locked_out", n=n_failures)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
