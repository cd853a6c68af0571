"""Run the service in this process, and say on one line where it listens."""

import signal
import socket
import sys
from importlib.metadata import version
from types import FrameType

import structlog
import uvicorn

from serving.app import create_app
from serving.store import Store

__all__ = ["ServerError", "run_server"]

_BACKLOG = 2048


class ServerError(RuntimeError):
    """Raised where the service cannot listen."""


def run_server(store: Store, *, host: str, port: int) -> None:
    """Serve until the process is told to stop.

    Parameters
    ----------
    store : Store
        All the state.
    host : str
        Address to listen on.
    port : int
        Port to listen on; 0 takes a free one.

    Raises
    ------
    ServerError
        If the address cannot be had.
    """
    log = _configured_log()
    listener = _listen(host, port)
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _end)
    log.info(
        "service.started",
        url=_url(listener),
        version=version("worth"),
        store=str(store.engine.url.database),
    )
    config = uvicorn.Config(create_app(store), log_config=None, server_header=False)
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        log.info("service.stopped")


def _end(_signal: int, _frame: FrameType | None) -> None:
    """End as asked; uvicorn raises the signal again when it has answered what it was asked."""
    sys.exit(0)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ServerError(
            f"{host}:{port} cannot be listened on: {error.strerror}. Another service may hold it; "
            "choose another with --port, or 0 for a free one."
        ) from None


def _configured_log() -> structlog.typing.FilteringBoundLogger:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log
