"""`Idempotency-Key`: a write that is sent twice is done once, and answered alike both times.

A router whose writes are to heed the header is made with `APIRouter(route_class=IdempotentRoute)`;
reads on it are left alone. An operation that lets its caller in by itself calls `heed_key` then.
`speaks_of` says which customers the answer is about, so that erasing one of them finds it.
"""

import hashlib
from collections.abc import Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, cast

import sqlalchemy as sa
from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from serving.errors import ServiceError
from serving.state import service_of
from serving.store import Store
from serving.store.tables import IDEMPOTENCY_KEYS, SUPPRESSED

__all__ = ["DirectIdempotentRoute", "IdempotentRoute", "heed_key", "speaks_of"]

_Answering = Callable[[Request], Coroutine[Any, Any, Response]]

_WRITES = {"POST", "PUT", "PATCH", "DELETE"}
_KEPT = timedelta(hours=24)
# Only what was done is kept; a refusal changed nothing, so the same request may be tried again.
_DONE = range(200, 300)


class _AtWorkError(ServiceError):
    """Raised while the first request under a key is at work."""

    status = 409
    title = "First request still at work"
    headers = {"Retry-After": "1"}  # noqa: RUF012 - never written to


class _OtherRequestError(ServiceError):
    """Raised where a key was sent with another request before."""

    status = 422
    title = "Idempotency key used before"


class _AnsweredBefore(Exception):
    def __init__(self, row: sa.Row[Any]) -> None:
        super().__init__()
        self.row = row

    def again(self) -> Response:
        headers = {"Idempotency-Replayed": "true"}
        media_type = self.row.media_type
        if media_type is not None:
            headers["Content-Type"] = media_type
        return Response(bytes(self.row.body or b""), self.row.status, headers=headers)


@dataclass(frozen=True)
class _Claim:
    """The right to do a write, until it is answered.

    Parameters
    ----------
    store : Store
        Where it is kept.
    key_hash : str
        Of the caller and the key.
    created_at : str
        When it was claimed; who takes it over writes another.
    """

    store: Store
    key_hash: str
    created_at: str

    def keep(self, answer: Response, subjects: Collection[str]) -> None:
        """Keep the answer for the repeat."""
        values = {
            "status": answer.status_code,
            "media_type": answer.headers.get("content-type"),
            "body": bytes(answer.body),
            "subjects": " ".join(subjects) or None,
        }
        with self.store.writing() as connection:
            self.store.lock(connection, "erasures", is_shared=True)
            if _is_any_erased(connection, subjects):  # Nothing is kept of them, no answer either.
                connection.execute(sa.delete(IDEMPOTENCY_KEYS).where(*self._mine))
            else:
                connection.execute(sa.update(IDEMPOTENCY_KEYS).where(*self._mine).values(values))

    def give_up(self) -> None:
        """Let the request be tried again."""
        with self.store.writing() as connection:
            connection.execute(sa.delete(IDEMPOTENCY_KEYS).where(*self._mine))

    @property
    def _mine(self) -> tuple[sa.ColumnElement[bool], ...]:
        key = IDEMPOTENCY_KEYS.c
        return key.key_hash == self.key_hash, key.created_at == self.created_at


def _is_any_erased(connection: sa.Connection, subjects: Collection[str]) -> bool:
    erased = sa.select(SUPPRESSED.c.subject).where(SUPPRESSED.c.subject.in_(subjects))
    return bool(subjects) and connection.execute(erased.limit(1)).scalar() is not None


def speaks_of(request: Request, subjects: Iterable[str]) -> None:
    """Say which customers the answer to a write is about.

    Parameters
    ----------
    request : Request
        The write.
    subjects : iterable of str
        Keyed hashes of the customers; never their ids.
    """
    request.state.subjects = tuple(subjects)


async def _claim(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Any text of your own, one a write: within 24 hours its repeat is answered "
            "as the first time, and not done again.",
            min_length=1,
            max_length=200,
            examples=["order-2026-07-01-0042"],
        ),
    ] = None,
) -> None:
    # Keys belong to callers. Who is not known yet is let in by the operation itself.
    if key is not None and hasattr(request.state, "actor"):
        await heed_key(request)


async def heed_key(request: Request) -> None:
    """Answer a repeat, or see to it that this request has none.

    Parameters
    ----------
    request : Request
        A write on an `IdempotentRoute`, whose caller is known.

    Raises
    ------
    ServiceError
        If the key was sent with another request, or its first request is still at work.
    """
    key = request.headers.get("idempotency-key")
    if key is not None:
        body = await request.body()
        request.state.claim = await run_in_threadpool(_claimed, request, key, body)


def _claimed(request: Request, key: str, body: bytes) -> _Claim:
    actor = str(request.state.actor)
    service = service_of(request)
    now = datetime.now(UTC)
    claim = _Claim(service.store, _digest(actor, key), _instant(now))
    first = {
        "key_hash": claim.key_hash,
        "operation": f"{request.method} {request.scope['route'].path}",
        "request_digest": _digest(
            request.method, request.url.path, request.url.query, hashlib.sha256(body).hexdigest()
        ),
        "created_at": claim.created_at,
    }
    longest = timedelta(seconds=service.options.request_seconds)
    with service.store.writing() as connection:
        service.store.lock(connection, "idempotency")
        _sweep(connection, claim, now, longest=longest)
        known = IDEMPOTENCY_KEYS.c.key_hash == claim.key_hash
        row = connection.execute(sa.select(IDEMPOTENCY_KEYS).where(known)).one_or_none()
        if row is None:
            connection.execute(sa.insert(IDEMPOTENCY_KEYS).values(first))
            return claim
    raise _refusal_or_answer(row, first["request_digest"])


def _sweep(connection: sa.Connection, claim: _Claim, now: datetime, *, longest: timedelta) -> None:
    key = IDEMPOTENCY_KEYS.c
    # Nobody is at work any longer: the request was cut off, or its process is gone. A claim from a
    # time to come was made before the clock was set back; clocks of two machines differ by less.
    is_at_work = key.created_at.between(_instant(now - longest), _instant(now + longest))
    is_abandoned = sa.and_(key.key_hash == claim.key_hash, key.status.is_(None), ~is_at_work)
    connection.execute(sa.delete(IDEMPOTENCY_KEYS).where(key.created_at < _instant(now - _KEPT)))
    connection.execute(sa.delete(IDEMPOTENCY_KEYS).where(is_abandoned))


def _refusal_or_answer(row: sa.Row[Any], request_digest: str) -> Exception:
    if row.request_digest != request_digest:
        return _OtherRequestError(
            f"This Idempotency-Key was sent with another {row.operation} within 24 hours. Take a "
            "new key for a new request."
        )
    if row.status is None:
        return _AtWorkError("The first request with this Idempotency-Key is still at work.")
    return _AnsweredBefore(row)


def _instant(time: datetime) -> str:
    return time.isoformat(timespec="microseconds")


def _digest(*parts: str) -> str:
    # Each with its length: no two lists of parts may run together into the same text.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()


class IdempotentRoute(APIRoute):
    """A route whose writes heed `Idempotency-Key`.

    Parameters
    ----------
    path : str
        As of any route.
    endpoint : callable
        As of any route.
    **options : object
        As of any route.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if _WRITES.intersection(options.get("methods") or ()):
            # After the route's own: the caller is known by then.
            options["dependencies"] = [*(options.get("dependencies") or ()), Depends(_claim)]
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> _Answering:
        """Wrap the handler, so that its answer is kept.

        Returns
        -------
        callable
            From a request to its answer.
        """
        answer_to = self._answering()

        async def handle(request: Request) -> Response:
            try:
                answer = await answer_to(request)
            except _AnsweredBefore as before:
                return before.again()
            except Exception:
                await _settle(request, None)
                raise
            await _settle(request, answer)
            return answer

        return handle

    def _answering(self) -> _Answering:
        return super().get_route_handler()


class DirectIdempotentRoute(IdempotentRoute):
    """The same for an operation that reads the whole of its request itself.

    It is called at once: the framework has nothing to look at but the key, where there is one.
    """

    def _answering(self) -> _Answering:
        by_framework = super()._answering()

        async def answer(request: Request) -> Response:
            if "idempotency-key" in request.headers:
                return await by_framework(request)
            return cast(Response, await self.endpoint(request))

        return answer


async def _settle(request: Request, answer: Response | None) -> None:
    claim: _Claim | None = getattr(request.state, "claim", None)
    if claim is None:
        return
    if answer is not None and answer.status_code in _DONE:
        subjects = getattr(request.state, "subjects", ())
        await run_in_threadpool(claim.keep, answer, subjects)
    else:
        await run_in_threadpool(claim.give_up)
