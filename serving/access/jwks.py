"""The public keys of a token issuer (RFC 7517), from a file or an address."""

import asyncio
import json
import math
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from serving.access.refusals import IssuerAwayError
from serving.options import TokenIssuer

__all__ = ["InsecureIssuerError", "KeySet"]

# A key that the issuer has withdrawn is still taken for at most so long.
_FRESH_SECONDS = 3_600.0
# Whoever invents key ids makes this service ask the issuer no more often than this.
_ASK_EVERY_SECONDS = 60.0
_RETRY_SECONDS = 10.0
_TIMEOUT_SECONDS = 3.0
_MOST_BYTES = 1_000_000
_LEAST_RSA_BITS = 2_048
# By type and curve. The key says how it signs, never the token; none of them is symmetric.
_ALGORITHMS = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
_HERE = {"localhost", "127.0.0.1", "::1"}

_log = structlog.get_logger()


class InsecureIssuerError(ValueError):
    """Raised where an issuer's keys would be fetched so that anybody on the way can change them."""


class KeySet:
    """An issuer's keys, read when they are needed.

    Parameters
    ----------
    issuer : TokenIssuer
        Where they are.
    clock : callable, optional
        Seconds that never run backwards.

    Raises
    ------
    InsecureIssuerError
        If they are at an address that is not https.
    """

    def __init__(self, issuer: TokenIssuer, *, clock: Callable[[], float] = time.monotonic) -> None:
        _refuse_insecure(issuer.jwks_url)
        self._issuer = issuer
        self._clock = clock
        self._keys: list[tuple[str | None, PyJWK]] = []
        self._read_at = self._asked_at = -math.inf
        self._is_away = False
        self._asking: asyncio.Task[None] | None = None

    async def key(self, kid: str | None) -> PyJWK | None:
        """Find a key.

        Parameters
        ----------
        kid : str, optional
            Its id; without one, the only key there is.

        Returns
        -------
        PyJWK or None
            The key, bound to its algorithm; None where the issuer has no such key.

        Raises
        ------
        IssuerAwayError
            If it is not known and the issuer cannot be asked.
        """
        found = self._find(kid)
        if found is not None:
            if self._clock() - self._read_at > _FRESH_SECONDS and self._may_ask():
                self._ask()  # Behind this request: the keys at hand are good until then.
            return found
        if self._may_ask() or self._is_asking():
            # Whoever hangs up must not stop the question for those who wait with them.
            await asyncio.shield(self._ask())
            found = self._find(kid)
        if found is None and self._is_away:
            wait = self._asked_at + _RETRY_SECONDS - self._clock()
            raise IssuerAwayError(retry_after=max(1, math.ceil(wait)))
        return found

    def _find(self, kid: str | None) -> PyJWK | None:
        if kid is None:
            return self._keys[0][1] if len(self._keys) == 1 else None
        return next((key for name, key in self._keys if name == kid), None)

    def _may_ask(self) -> bool:
        pause = _RETRY_SECONDS if self._is_away else _ASK_EVERY_SECONDS
        return not self._is_asking() and self._clock() - self._asked_at >= pause

    def _is_asking(self) -> bool:
        return self._asking is not None and not self._asking.done()

    def _ask(self) -> asyncio.Task[None]:
        if self._asking is None or self._asking.done():
            self._asked_at = self._clock()
            self._asking = asyncio.get_running_loop().create_task(self._read())
        return self._asking

    async def _read(self) -> None:
        try:
            self._keys = await asyncio.to_thread(_keys_of, self._issuer)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            self._is_away = True
            _log.warning("access.issuer_away", error=type(error).__name__)
            return
        self._is_away = False
        self._read_at = self._clock()


def _refuse_insecure(url: str | None) -> None:
    parts = urlsplit(url or "https://")
    is_secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE)
    if not is_secure:
        raise InsecureIssuerError(
            "The setting 'service.issuer.jwks_url' must begin with https://: whoever can change "
            f"the keys on their way can let anybody in. Got {parts.scheme}:// instead."
        )


def _keys_of(issuer: TokenIssuer) -> list[tuple[str | None, PyJWK]]:
    if issuer.jwks_path is not None:
        content = issuer.jwks_path.read_bytes()
    else:
        content = _fetched(str(issuer.jwks_url))
    document = json.loads(content)
    entries = document.get("keys") if isinstance(document, dict) else None
    keys = [_key_of(entry) for entry in entries or [] if isinstance(entry, dict)]
    usable = [key for key in keys if key is not None]
    if not usable:
        raise ValueError("the key set holds no key that signs by RS256, ES256 or EdDSA")
    return usable


def _key_of(entry: dict[str, Any]) -> tuple[str | None, PyJWK] | None:
    curve = entry.get("crv") if entry.get("kty") != "RSA" else None
    algorithm = _ALGORITHMS.get((str(entry.get("kty")), curve))
    # "Ed25519" is what RFC 9864 calls the EdDSA of this curve.
    is_for_it = entry.get("alg", algorithm) in {algorithm, curve}
    if algorithm is None or not is_for_it or entry.get("use", "sig") != "sig" or "d" in entry:
        return None
    try:
        key = PyJWK(entry, algorithm)
    except (PyJWTError, ValueError, TypeError):
        return None
    if getattr(key.key, "key_size", _LEAST_RSA_BITS) < _LEAST_RSA_BITS and algorithm == "RS256":
        return None
    kid = entry.get("kid")
    return (kid if isinstance(kid, str) else None), key


def _fetched(url: str) -> bytes:
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    content = bytearray()
    with httpx.stream("GET", url, timeout=_TIMEOUT_SECONDS) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_bytes():
            content += chunk
            if len(content) > _MOST_BYTES or time.monotonic() > deadline:
                raise ValueError("the key set is too long, or comes too slowly")
    return bytes(content)
