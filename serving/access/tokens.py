"""Bearer tokens of an issuer (OAuth 2, OpenID Connect), beside the service's own keys."""

import hashlib
import time
from typing import Any

import jwt
from jwt import PyJWK
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    MissingRequiredClaimError,
    PyJWTError,
)

from serving.access.caller import Caller
from serving.access.jwks import KeySet
from serving.access.refusals import NotAuthenticatedError
from serving.access.scopes import SCOPES
from serving.options import TokenIssuer

__all__ = ["Tokens"]

# Clocks of two machines differ by less.
_LEEWAY_SECONDS = 30
_LONGEST_TOKEN = 8_192
# A checked token is not checked again for so long; a withdrawn key is asked for as seldom.
_FRESH_SECONDS = 1.0
_MOST_REMEMBERED = 10_000
_REQUIRED = ["iss", "aud", "exp", "sub"]
_FAULTS: dict[type[Exception], str] = {
    ExpiredSignatureError: "it has expired",
    ImmatureSignatureError: "it is not valid yet",
    InvalidAudienceError: "it is not meant for this service",
    InvalidIssuerError: "it is of another issuer",
    MissingRequiredClaimError: f"it lacks one of the claims {', '.join(_REQUIRED)}",
}


class Tokens:
    """Tells whose token it is.

    Parameters
    ----------
    issuer : TokenIssuer
        Who signs them.
    """

    def __init__(self, issuer: TokenIssuer) -> None:
        self._issuer = issuer
        self._keys = KeySet(issuer)
        self._remembered: dict[bytes, tuple[float, Caller]] = {}

    async def caller_of(self, token: str) -> Caller:
        """Tell whose token it is.

        Parameters
        ----------
        token : str
            As it was sent.

        Returns
        -------
        Caller
            Its subject, by a hash: it may be a person's address.

        Raises
        ------
        NotAuthenticatedError
            If it is not signed by the issuer, for this service and now.
        IssuerAwayError
            If that cannot be told now.
        """
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        until, caller = self._remembered.get(digest, (0.0, None))
        if caller is not None and time.monotonic() < until:
            return caller
        claims = self._checked(token, await self._signing_key(token))
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        caller = Caller(f"token:{_short_hash(claims)}", _scopes_of(claims))
        seconds = min(_FRESH_SECONDS, claims["exp"] + _LEEWAY_SECONDS - time.time())
        self._remembered[digest] = (time.monotonic() + seconds, caller)
        return caller

    async def _signing_key(self, token: str) -> PyJWK:
        if len(token) > _LONGEST_TOKEN:
            raise NotAuthenticatedError(f"A token has at most {_LONGEST_TOKEN:,} signs.")
        try:
            header = jwt.get_unverified_header(token)
        except PyJWTError:
            raise NotAuthenticatedError("This is neither an API key nor a signed token.") from None
        key = await self._keys.key(header.get("kid"))
        if key is None:
            raise NotAuthenticatedError("This token is not signed by a key of its issuer.")
        return key

    def _checked(self, token: str, key: PyJWK) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._issuer.audience,
                issuer=self._issuer.issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
        except PyJWTError as error:
            fault = _FAULTS.get(type(error), "its signature or a claim of it is wrong")
            # What was rightly signed once is nobody's guess.
            is_guess = not isinstance(error, ExpiredSignatureError)
            raise NotAuthenticatedError(
                f"This token is not taken: {fault}.", is_guess=is_guess
            ) from None


def _scopes_of(claims: dict[str, Any]) -> tuple[str, ...]:
    """Read `scope` (RFC 8693), or `scp` as some issuers write it; others' scopes are left out."""
    given = claims.get("scope", claims.get("scp", ""))
    names = given.split() if isinstance(given, str) else given if isinstance(given, list) else []
    return tuple(scope for scope in SCOPES if scope in names)


def _short_hash(claims: dict[str, Any]) -> str:
    return hashlib.sha256(f"{claims['iss']}\n{claims['sub']}".encode()).hexdigest()[:16]
