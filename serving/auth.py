"""API keys: a prefix to find them by, a secret that is stored hashed, and scopes."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Literal, get_args

import sqlalchemy as sa
from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from serving.errors import ServiceError
from serving.store import Store
from serving.store.tables import API_KEYS

__all__ = ["SCOPES", "Scope", "create_key", "list_keys", "requires", "revoke_key"]

Scope = Literal["scores:read", "lists:read"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_MARK = "wk"
# 256 random bits: too many to guess, so a plain hash is as good as a slow one and never holds up
# a request.
_SECRET_BYTES = 32

_bearer = HTTPBearer(auto_error=False, description="The key, as `Authorization: Bearer wk_...`.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key.")


class _NotAuthenticatedError(ServiceError):
    """Raised for a missing or wrong key."""

    status = 401
    title = "Not authenticated"
    headers = {"WWW-Authenticate": "Bearer"}  # noqa: RUF012 - never written to


class _NotAllowedError(ServiceError):
    """Raised for a key without the scope."""

    status = 403
    title = "Not allowed"


def create_key(store: Store, scopes: list[Scope]) -> str:
    """Make an API key.

    Parameters
    ----------
    store : Store
        Where its hash is kept.
    scopes : list of str
        What the key may do.

    Returns
    -------
    str
        The key. It is shown this once; the store holds its hash.
    """
    prefix, secret = secrets.token_hex(4), secrets.token_urlsafe(_SECRET_BYTES)
    with store.writing() as connection:
        connection.execute(
            sa.insert(API_KEYS).values(
                prefix=prefix,
                secret_hash=_hash(secret),
                scopes=" ".join(sorted(set(scopes))),
                created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            )
        )
    return f"{_MARK}_{prefix}_{secret}"


def list_keys(store: Store) -> list[dict[str, str | None]]:
    """List the API keys, without their secrets.

    Parameters
    ----------
    store : Store
        Where they are kept.

    Returns
    -------
    list of dict
        Keys prefix, scopes, created_at and revoked_at (None where it is in force), oldest first.
    """
    columns = (c for c in API_KEYS.c if c is not API_KEYS.c.secret_hash)
    statement = sa.select(*columns).order_by(API_KEYS.c.created_at, API_KEYS.c.prefix)
    with store.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(statement)]


def revoke_key(store: Store, prefix: str) -> bool:
    """Take an API key out of force, for good.

    Parameters
    ----------
    store : Store
        Where it is kept.
    prefix : str
        The key's first part, as `list_keys` shows it.

    Returns
    -------
    bool
        Whether there was such a key in force.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    in_force = (API_KEYS.c.prefix == prefix, API_KEYS.c.revoked_at.is_(None))
    with store.writing() as connection:
        revoked = connection.execute(sa.update(API_KEYS).where(*in_force).values(revoked_at=now))
    return revoked.rowcount == 1


def requires(scope: Scope) -> Callable[..., None]:
    """Make the dependency that lets only keys with a scope pass.

    Parameters
    ----------
    scope : str
        What the operation asks for.

    Returns
    -------
    callable
        For `Depends`.
    """

    def check(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
        header: Annotated[str | None, Security(_header)],
    ) -> None:
        key = bearer.credentials if bearer else header
        if not key:
            raise _NotAuthenticatedError(
                "This needs an API key, sent as 'Authorization: Bearer <key>'. "
                f"'worth keys create --scope {scope}' makes one."
            )
        scopes = _scopes_of(request.app.state.store, key)
        if scope not in scopes:
            raise _NotAllowedError(
                f"This needs a key with the scope {scope}. This key has: {', '.join(scopes)}."
            )

    return check


def _scopes_of(store: Store, key: str) -> list[str]:
    mark, _, rest = key.partition("_")
    prefix, _, secret = rest.partition("_")
    with store.reading() as connection:
        row = connection.execute(
            sa.select(API_KEYS.c.secret_hash, API_KEYS.c.scopes).where(
                API_KEYS.c.prefix == prefix, API_KEYS.c.revoked_at.is_(None)
            )
        ).one_or_none()
    # An unknown prefix takes the same steps as a wrong secret, so that time tells nothing.
    expected = row.secret_hash if row else _hash("")
    is_right = hmac.compare_digest(expected, _hash(secret))
    if row is None or mark != _MARK or not is_right:
        raise _NotAuthenticatedError("This API key is not known here, or has been revoked.")
    return str(row.scopes).split()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
