"""API keys: a prefix to find them by, a secret that is stored hashed, scopes and an end.

NoSuchKeyError    there is no key of that prefix in force
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

import sqlalchemy as sa

from serving.access.scopes import Scope
from serving.audit import record
from serving.store import Store
from serving.store.tables import API_KEYS

__all__ = [
    "KeyFacts",
    "NoSuchKeyError",
    "create_key",
    "hash_secret",
    "list_keys",
    "revoke_key",
    "rotate_key",
    "split_key",
]

_KEY = re.compile(r"wk_([0-9a-f]{8})_(.+)", re.ASCII | re.DOTALL)
# 256 random bits: too many to guess, so a plain hash is as good as a slow one and never holds up
# a request.
_SECRET_BYTES = 32


class NoSuchKeyError(LookupError):
    """Raised where a key is to be rotated or revoked that is not in force."""


@dataclass(frozen=True)
class KeyFacts:
    """What is known of an API key, but for its secret.

    Parameters
    ----------
    prefix : str
        Its name in lists and logs.
    scopes : tuple of str
        What it may do.
    created_at : datetime
        When it was made.
    name : str, optional
        Who or what it is for.
    expires_at : datetime, optional
        From when on it is refused.
    revoked_at : datetime, optional
        Since when it is refused.
    last_used_at : datetime, optional
        When it was last seen, to about a minute.
    rate_limit : int, optional
        Requests a second; the service's own limit where there is none.
    """

    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    name: str | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    rate_limit: int | None = None

    @classmethod
    def of(cls, row: sa.Row[Any]) -> Self:
        """Read a row of `api_keys`.

        Parameters
        ----------
        row : sqlalchemy.Row
            All its columns.

        Returns
        -------
        KeyFacts
            With real types.
        """
        return cls(
            prefix=row.prefix,
            scopes=tuple(row.scopes.split()),
            created_at=datetime.fromisoformat(row.created_at),
            name=row.name,
            expires_at=_moment(row.expires_at),
            revoked_at=_moment(row.revoked_at),
            last_used_at=_moment(row.last_used_at),
            rate_limit=row.rate_limit,
        )

    def state(self, now: datetime) -> Literal["in force", "expired", "revoked"]:
        """Tell whether it is still taken.

        Parameters
        ----------
        now : datetime
            When.

        Returns
        -------
        str
            In one or two words.
        """
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "in force"


def create_key(
    store: Store,
    scopes: Iterable[Scope],
    *,
    name: str | None = None,
    expires_at: datetime | None = None,
    rate_limit: int | None = None,
    actor: str = "worth",
) -> str:
    """Make an API key.

    Parameters
    ----------
    store : Store
        Where its hash is kept.
    scopes : iterable of str
        What the key may do.
    name : str, optional
        Who or what it is for.
    expires_at : datetime, optional
        From when on it is refused; in UTC.
    rate_limit : int, optional
        Requests a second; the service's own limit where it is not given.
    actor : str, default "worth"
        Who makes it, for the audit log.

    Returns
    -------
    str
        The key. It is shown this once; the store holds its hash.
    """
    facts = KeyFacts(
        prefix=secrets.token_hex(4),
        scopes=tuple(sorted(set(scopes))),
        created_at=datetime.now(UTC),
        name=name,
        expires_at=expires_at,
        rate_limit=rate_limit,
    )
    with store.writing() as connection:
        key = _insert(connection, facts)
        record(connection, actor=actor, action="key.created", object=facts.prefix)
    return key


def rotate_key(
    store: Store,
    prefix: str,
    *,
    overlap: timedelta,
    expires_at: datetime | None = None,
    actor: str = "worth",
) -> str:
    """Make a key in the place of another, which stays in force for a while.

    Parameters
    ----------
    store : Store
        Where both are kept.
    prefix : str
        Of the old one. Its scopes, name and limit are the new one's.
    overlap : timedelta
        How long the old one is still taken, unless it expires sooner.
    expires_at : datetime, optional
        From when on the new one is refused. Where it is not given, the new one is made for as long
        as the old one was.
    actor : str, default "worth"
        Who does it, for the audit log.

    Returns
    -------
    str
        The new key.

    Raises
    ------
    NoSuchKeyError
        If the old one is not in force.
    """
    now = datetime.now(UTC)
    with store.writing() as connection:
        store.lock(connection, "keys")
        old = _in_force(connection, prefix, now)
        lifetime = old.expires_at - old.created_at if old.expires_at else None
        new = KeyFacts(
            prefix=secrets.token_hex(4),
            scopes=old.scopes,
            created_at=now,
            name=old.name,
            expires_at=expires_at or (now + lifetime if lifetime else None),
            rate_limit=old.rate_limit,
        )
        key = _insert(connection, new)
        end = min(now + overlap, old.expires_at or now + overlap)
        _update(connection, prefix, expires_at=_text(end))
        record(
            connection,
            actor=actor,
            action="key.rotated",
            object=prefix,
            reason=f"replaced by {new.prefix}",
        )
    return key


def revoke_key(store: Store, prefix: str, *, actor: str = "worth") -> None:
    """Take an API key out of force, for good; a running service refuses it within a second.

    Parameters
    ----------
    store : Store
        Where it is kept.
    prefix : str
        The key's first part, as `list_keys` shows it.
    actor : str, default "worth"
        Who does it, for the audit log.

    Raises
    ------
    NoSuchKeyError
        If it is not in force.
    """
    now = datetime.now(UTC)
    with store.writing() as connection:
        store.lock(connection, "keys")
        _in_force(connection, prefix, now)
        _update(connection, prefix, revoked_at=_text(now))
        record(connection, actor=actor, action="key.revoked", object=prefix)


def list_keys(store: Store) -> list[KeyFacts]:
    """List the API keys, without their secrets.

    Parameters
    ----------
    store : Store
        Where they are kept.

    Returns
    -------
    list of KeyFacts
        Oldest first, with those that are no longer in force.
    """
    statement = sa.select(API_KEYS).order_by(API_KEYS.c.created_at, API_KEYS.c.prefix)
    with store.reading() as connection:
        return [KeyFacts.of(row) for row in connection.execute(statement)]


def split_key(key: str) -> tuple[str, str] | None:
    """Take a key apart.

    Parameters
    ----------
    key : str
        As it was sent.

    Returns
    -------
    tuple of (str, str) or None
        Prefix and secret; None where it is not written as a key is.
    """
    parts = _KEY.fullmatch(key)
    return (parts[1], parts[2]) if parts else None


def hash_secret(secret: str) -> str:
    """Hash a secret as the store keeps it.

    Parameters
    ----------
    secret : str
        The key's last part.

    Returns
    -------
    str
        SHA-256, in hexadecimal.
    """
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def _insert(connection: sa.Connection, facts: KeyFacts) -> str:
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    connection.execute(
        sa.insert(API_KEYS).values(
            prefix=facts.prefix,
            secret_hash=hash_secret(secret),
            scopes=" ".join(facts.scopes),
            created_at=_text(facts.created_at),
            name=facts.name,
            expires_at=_text(facts.expires_at) if facts.expires_at else None,
            rate_limit=facts.rate_limit,
        )
    )
    return f"wk_{facts.prefix}_{secret}"


def _in_force(connection: sa.Connection, prefix: str, now: datetime) -> KeyFacts:
    row = connection.execute(sa.select(API_KEYS).where(API_KEYS.c.prefix == prefix)).one_or_none()
    state = KeyFacts.of(row).state(now) if row else None
    if row is None or state != "in force":
        what = f"The key {prefix!r} is {state}" if state else f"There is no key {prefix!r}"
        raise NoSuchKeyError(f"{what}. 'worth keys list' shows those in force.")
    return KeyFacts.of(row)


def _update(connection: sa.Connection, prefix: str, **values: str) -> None:
    connection.execute(sa.update(API_KEYS).where(API_KEYS.c.prefix == prefix).values(**values))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
