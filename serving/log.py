"""The service's log: one line of JSON an event, on stderr, without personal data."""

import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, BinaryIO

import orjson
import structlog

__all__ = ["configure_log"]

_OFFSET = len("+00:00")


def configure_log(stream: BinaryIO | None = None) -> structlog.typing.FilteringBoundLogger:
    """Send events, and what libraries warn of, to one stream.

    Parameters
    ----------
    stream : binary file, optional
        Where they go; stderr where it is not given.

    Returns
    -------
    structlog.typing.FilteringBoundLogger
        For the caller's own events.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _without_messages,
            _as_line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(stream or sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Forwarder()], level=logging.WARNING, force=True)
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log


def _as_line(_: Any, __: str, event: structlog.typing.EventDict) -> bytes:
    # What structlog has for it takes as long as all the rest of a line, and each request has one.
    event["timestamp"] = datetime.now(UTC).isoformat()[:-_OFFSET] + "Z"
    return orjson.dumps(event, default=str)


def _without_messages(
    _: Any, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Say of an error its kind and where it arose; its message may quote what it was given."""
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        event["exception"] = _chain(error)
    return event


def _chain(error: BaseException) -> list[dict[str, Any]]:
    chain: list[dict[str, Any]] = []
    seen: BaseException | None = error
    while seen is not None and len(chain) < 5:
        kind = type(seen)
        chain.append(
            {"kind": f"{kind.__module__}.{kind.__qualname__}", "at": _places(seen.__traceback__)}
        )
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return chain


def _places(where: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(where)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


class _Forwarder(logging.Handler):
    """Passes on what libraries say by the standard library's logging."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record.

        Parameters
        ----------
        record : logging.LogRecord
            Of a library.
        """
        log = structlog.get_logger()
        error = record.exc_info[1] if record.exc_info else None
        # Not the arguments: a library may put into them what it was given.
        log.log(
            record.levelno,
            "library.said",
            library=record.name,
            message=str(record.msg),
            exc_info=error,
        )
