"""Headers that every answer carries, and the id by which a request is found again."""

import re
import secrets
from collections.abc import Iterable

__all__ = ["RawHeaders", "answer_headers", "header_of", "request_id_of"]

RawHeaders = list[tuple[bytes, bytes]]

# What others send goes into logs and back to them, so it is a short word or it is not taken.
_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
# Unless the answer says otherwise itself.
_BY_DEFAULT = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
_OVER_HTTPS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_LAST_ANSWER = (b"connection", b"close")


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Take the id that a client gave its request, or make one.

    Parameters
    ----------
    headers : iterable of (bytes, bytes)
        Of the request, as ASGI has them.

    Returns
    -------
    str
        At most 64 letters, digits and signs.
    """
    for name, value in headers:
        if name == b"x-request-id" and _SANE_ID.fullmatch(value):
            return value.decode("ascii")
    return secrets.token_hex(8)


def header_of(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """Find a header; the framework makes an object of all of them, and takes longer.

    Parameters
    ----------
    headers : iterable of (bytes, bytes)
        Of the request, as ASGI has them.
    name : bytes
        In small letters.

    Returns
    -------
    str or None
        The first of that name.
    """
    for known, value in headers:
        if known == name:
            return value.decode("latin-1")
    return None


def answer_headers(
    headers: Iterable[tuple[bytes, bytes]],
    request_id: str,
    quota: Iterable[tuple[bytes, bytes]] = (),
    *,
    is_https: bool,
    is_last: bool,
) -> RawHeaders:
    """Complete the headers of an answer.

    Parameters
    ----------
    headers : iterable of (bytes, bytes)
        Its own, with names in small letters.
    request_id : str
        Of the request.
    quota : iterable of (bytes, bytes), optional
        What is left of the caller's.
    is_https : bool
        Whether the client came by HTTPS.
    is_last : bool
        Whether the connection ends with it, because the service is about to.

    Returns
    -------
    list of (bytes, bytes)
        All of them.
    """
    complete = [*headers, *quota, *_ALWAYS, (b"x-request-id", request_id.encode("ascii"))]
    said = {name for name, _ in complete}
    complete += [header for header in _BY_DEFAULT if header[0] not in said]
    if is_https:
        complete.append(_OVER_HTTPS)
    if is_last:
        complete.append(_LAST_ANSWER)
    return complete
