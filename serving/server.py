"""Run the service, and say on one line where it listens and with what."""

import gc
import os
import platform
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from serving.assignment import Assignment
from serving.log import configure_log
from serving.stops import StopSignals
from serving.versions.notes import RegistryNote, forget_registry, note, noted_registry
from serving.versions.probe import registry_fault

__all__ = ["ServerError", "run_server"]

_BACKLOG = 2048
_FOLDER_OF_METRICS = "PROMETHEUS_MULTIPROC_DIR"


class ServerError(RuntimeError):
    """Raised where the service cannot start."""


def run_server(assignment: Assignment, *, host: str, port: int, workers: int = 1) -> None:
    """Serve until the process is told to stop.

    Parameters
    ----------
    assignment : Assignment
        What to serve.
    host : str
        Address to listen on.
    port : int
        Port to listen on; 0 takes a free one.
    workers : int
        How many processes answer.

    Raises
    ------
    ServerError
        If the address cannot be had, or a worker cannot start.
    """
    log = configure_log()
    listener = _listen(host, port)
    with _measured_together(workers), StopSignals() as stops:
        # Not before the folder of metrics is named, which is read when they are imported.
        from serving.supervision import Crew

        with _memory_shared():
            crew = Crew(assignment, listener, workers, stops)
            url = _url(listener)
            # Before the watcher notes anything.
            registry = _registry(assignment)
            started = crew.start()
            if not stops.n:
                log.info(
                    "service.started",
                    url=url,
                    version=version("worth"),
                    python=platform.python_version(),
                    home=str(assignment.company.home),
                    **started,
                    **registry,
                    workers=workers,
                    pid=os.getpid(),
                    worker_pids=crew.worker_pids,
                )
            has_answered_all = crew.watch_over()
    log.info("service.stopped", has_answered_all=has_answered_all)
    if not has_answered_all:
        sys.exit(1)


def _registry(assignment: Assignment) -> dict[str, Any]:
    """Look whether the model registry can be there; the watcher asks it properly soon."""
    home = assignment.company.home
    forget_registry(home)
    fault = registry_fault(assignment.tracking_uri)
    if fault is not None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        note(home, RegistryNote(state="away", since=now, error=fault))
    said = noted_registry(home)
    return {"registry": said.state} | ({"registry_error": said.error} if said.error else {})


@contextmanager
def _measured_together(workers: int) -> Iterator[None]:
    """Give several workers a folder, in which they measure together."""
    os.environ.pop(_FOLDER_OF_METRICS, None)
    if workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="worth-metrics-") as folder:
        os.environ[_FOLDER_OF_METRICS] = folder
        yield
        del os.environ[_FOLDER_OF_METRICS]


@contextmanager
def _memory_shared() -> Iterator[None]:
    """Leave what was imported out of what is looked through for garbage.

    Looking through it in a worker would copy it there.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


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
