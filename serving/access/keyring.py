"""Tell whose key it is, without asking the store at every request."""

import asyncio
import hashlib
import hmac
import time
from datetime import UTC, datetime

import sqlalchemy as sa

from serving.access.caller import Caller
from serving.access.keys import KeyFacts, hash_secret, split_key
from serving.access.notes import Notes
from serving.access.refusals import NotAuthenticatedError
from serving.store import Store
from serving.store.tables import API_KEYS

__all__ = ["Keyring"]

# A key that was revoked, or whose scopes were changed, is known to be so after this.
_FRESH_SECONDS = 1.0
# Only keys that are right are remembered; a company has far fewer.
_MOST_REMEMBERED = 10_000
# Compared with where a prefix is not known, so that time tells nothing.
_NOBODY = ("00000000", hash_secret(""))


class Keyring:
    """Tells whose key it is; asks the store once a second and key.

    Parameters
    ----------
    store : Store
        Where the keys are.
    notes : Notes
        Where their use is noted.
    """

    def __init__(self, store: Store, notes: Notes) -> None:
        self._store = store
        self._notes = notes
        # A read of SQLite is over sooner than a thread is found for it; PostgreSQL is a journey.
        self._is_near = store.engine.dialect.name == "sqlite"
        self._remembered: dict[bytes, tuple[float, Caller]] = {}

    async def caller_of(self, key: str) -> Caller:
        """Tell whose key it is.

        Parameters
        ----------
        key : str
            As it was sent.

        Returns
        -------
        Caller
            Who has it.

        Raises
        ------
        NotAuthenticatedError
            If it is not known, expired or revoked.
        """
        # By its hash, so that a look into the memory tells nothing of the secret by its time.
        digest = hashlib.sha256(key.encode(errors="replace")).digest()
        until, caller = self._remembered.get(digest, (0.0, None))
        if caller is not None and time.monotonic() < until:
            return caller
        self._remembered.pop(digest, None)
        facts = self._found(key) if self._is_near else await asyncio.to_thread(self._found, key)
        return self._remember(digest, facts)

    def _found(self, key: str) -> KeyFacts:
        prefix, secret = split_key(key) or (_NOBODY[0], "")
        with self._store.reading() as connection:
            row = connection.execute(
                sa.select(API_KEYS).where(API_KEYS.c.prefix == prefix)
            ).one_or_none()
        # An unknown prefix takes the same steps as a wrong secret.
        is_right = hmac.compare_digest(row.secret_hash if row else _NOBODY[1], hash_secret(secret))
        if row is None or not is_right:
            raise NotAuthenticatedError("This API key is not known here.")
        return KeyFacts.of(row)

    def _remember(self, digest: bytes, facts: KeyFacts) -> Caller:
        now = datetime.now(UTC)
        state = facts.state(now)
        if state != "in force":
            raise NotAuthenticatedError(
                f"The API key {facts.prefix} is {state}. 'worth keys create' makes another.",
                is_guess=False,
            )
        self._notes.used(facts.prefix, facts.last_used_at)
        seconds = _FRESH_SECONDS
        if facts.expires_at is not None:
            seconds = min(seconds, (facts.expires_at - now).total_seconds())
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        caller = Caller(facts.prefix, facts.scopes, facts.rate_limit)
        self._remembered[digest] = (time.monotonic() + seconds, caller)
        return caller
