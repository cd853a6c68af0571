"""What a request may ask of a score: `fields=` and `include=`, and If-None-Match."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from serving.middleware.headers import RawHeaders, header_of
from serving.scores.schemas import Score

__all__ = ["FIELDS", "PARAMETERS", "PARTS", "answered", "asked_for", "check_id", "etag_of", "json"]

FIELDS = tuple(Score.model_fields)
PARTS = ("factors", "interval", "scorecard", "signals")
_KNOWN: Mapping[str, Collection[str]] = {"fields": FIELDS, "include": PARTS}
_LONGEST_ID = 200
_JSON = (b"content-type", b"application/json")
_REVALIDATED = (b"cache-control", b"private, no-cache")


def _list_parameter(name: str, words: Sequence[str], description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "style": "form",
        "explode": False,
        "description": description,
        "schema": {
            "type": "array",
            "items": {"type": "string", "enum": list(words)},
            "minItems": 1,
        },
    }


# As the endpoint reads them itself: it is asked so often that the framework's reading of them would
# be the larger part of its work.
PARAMETERS = [
    {
        "name": "customer_id",
        "in": "path",
        "required": True,
        "description": "Who.",
        "schema": {"type": "string", "minLength": 1, "maxLength": _LONGEST_ID},
    },
    _list_parameter("fields", FIELDS, "Leave out all others of the answer's fields."),
    _list_parameter("include", PARTS, "What to add to the answer."),
    {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "The ETag of the answer that is known already: 304 where it still holds.",
        "schema": {"type": "string"},
    },
]


def asked_for(
    request: Request, known: Mapping[str, Collection[str]] = _KNOWN
) -> dict[str, frozenset[str]]:
    """Read the lists of words in a request's query.

    Parameters
    ----------
    request : Request
        Any.
    known : mapping of str to collection of str
        The words that each parameter may have.

    Returns
    -------
    dict of str to frozenset of str
        The words of those parameters that were given.

    Raises
    ------
    RequestValidationError
        If a parameter or a word is not known.
    """
    found: dict[str, frozenset[str]] = {}
    if not request.scope["query_string"]:
        return found
    for name, text in request.query_params.multi_items():
        if name not in known:
            raise _wrong(("query", name[:100]), f"The query may have {_listed(known)}", None)
        words = frozenset(text.split(","))
        unknown = sorted(words - set(known[name]))
        if unknown:
            rule = f"Each word must be one of {_listed(known[name])}"
            raise _wrong(("query", name), rule, unknown[0][:100])
        found[name] = found.get(name, frozenset()) | words
    return found


def check_id(customer_id: str) -> str:
    """Refuse an id that nobody has.

    Parameters
    ----------
    customer_id : str
        From a path.

    Returns
    -------
    str
        The same.

    Raises
    ------
    RequestValidationError
        If it is empty or too long.
    """
    if not 0 < len(customer_id) <= _LONGEST_ID:
        rule = f"String should have 1 to {_LONGEST_ID} characters"
        raise _wrong(("path", "customer_id"), rule, None)
    return customer_id


def _wrong(place: tuple[str, str], rule: str, given: str | None) -> RequestValidationError:
    return RequestValidationError(
        [{"type": "value_error", "loc": place, "msg": rule, "input": given}]
    )


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def answered(request: Request, answer: Mapping[str, Any]) -> Response:
    """Send an answer, or say that the client has it already.

    Parameters
    ----------
    request : Request
        What asks for it.
    answer : mapping
        Ready for JSON.

    Returns
    -------
    Response
        With a strong ETag: the same content has the same, whoever asks and whenever.
    """
    body = orjson.dumps(answer)
    etag = etag_of(body)
    known = header_of(request.scope["headers"], b"if-none-match")
    if known is not None and _is_among(etag, known):
        return _Ready(304, b"", [(b"etag", etag.encode()), _REVALIDATED])
    length = b"%d" % len(body)
    headers = [(b"content-length", length), _JSON, (b"etag", etag.encode()), _REVALIDATED]
    return _Ready(200, body, headers)


class _Ready(Response):
    """An answer whose headers are encoded already."""

    def __init__(self, status: int, body: bytes, headers: RawHeaders) -> None:
        self.status_code = status
        self.body = body
        self.raw_headers = headers
        self.background = None


def etag_of(body: bytes) -> str:
    """Name a content.

    Parameters
    ----------
    body : bytes
        As it is sent.

    Returns
    -------
    str
        A strong ETag (RFC 9110, 8.8.3).
    """
    return f'"{blake2b(body, digest_size=16).hexdigest()}"'


def json(answer: object) -> Response:
    """Send an answer that is ready for JSON.

    Parameters
    ----------
    answer : object
        Dicts, lists, texts, numbers.

    Returns
    -------
    Response
        It, kept by nobody on the way.
    """
    headers = {"Cache-Control": "private, no-store"}
    return Response(orjson.dumps(answer), media_type="application/json", headers=headers)


def _is_among(etag: str, known: str) -> bool:
    """Compare as If-None-Match asks: a weak mark counts for nothing (RFC 9110, 13.1.2)."""
    given = {one.strip().removeprefix("W/") for one in known.split(",")}
    return "*" in given or etag in given
