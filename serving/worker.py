"""One worker: a process that answers requests, from its start until it has drained."""

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from math import ceil
from multiprocessing.connection import Connection
from socket import socket
from types import FrameType
from typing import Any

import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI

from features.ledger import date_of
from serving.app import create_app
from serving.assignment import Assignment
from serving.log import configure_log
from serving.published import NothingPublishedError, set_facts
from serving.state import Service
from serving.store import Store, StoreError

__all__ = ["work"]

_SECONDS_BETWEEN_LOOKS = 0.2
# Between a connection and its first request.
_SECONDS_TO_ARRIVE = 0.2
_NO_MODEL = (
    "No bundle on disk is fit to serve. It is fetched once the model registry answers and names a "
    "champion: 'worth train', or 'worth models promote'."
)


def work(assignment: Assignment, listener: socket, report: Connection, parent: int) -> None:
    """Answer requests until told to stop: by SIGTERM, or by the parent's end.

    Parameters
    ----------
    assignment : Assignment
        What to work on.
    listener : socket
        Where requests arrive, shared with the other workers.
    report : Connection
        Told once, as JSON, how the start went: facts, or an `error`.
    parent : int
        Number of the process that watches over this one.
    """
    # Ctrl-C goes to every process of a terminal; the parent tells the workers when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    configure_log()
    try:
        store = assignment.open_store(is_pooled=True)
    except StoreError as error:
        _say(report, {"error": str(error)})
        raise SystemExit(1) from None
    app = create_app(store, assignment.company, options=assignment.options)
    server = _Server(app, assignment.options.drain_seconds, report)
    threading.Thread(target=_end_with, args=(parent, server), daemon=True).start()
    server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Goes on for a while after it was told to stop, saying that it is not ready.

    Parameters
    ----------
    app : FastAPI
        What it serves.
    drain_seconds : float
        How long it goes on.
    report : Connection
        Told of the start.
    """

    def __init__(self, app: FastAPI, drain_seconds: float, report: Connection) -> None:
        self._app = app
        self._service: Service = app.state.service
        self._drain_seconds = drain_seconds
        self._report = report
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            # A request takes no longer, so that all of them end in time.
            timeout_graceful_shutdown=ceil(self._service.options.request_seconds),
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start, and say what with.

        Parameters
        ----------
        sockets : list of socket
            Where requests arrive.
        """
        await super().startup(sockets)
        _say(self._report, _facts(self._service))

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Take the last connections, let their requests arrive, and end when all are answered.

        Closing a listener resets the connections that nobody took from it, and closing a connection
        resets it where a request has arrived that nobody read.

        Parameters
        ----------
        sockets : list of socket
            Where requests arrive.
        """
        # Nothing comes between the last look and the end of listening.
        waiting = [found for listener in sockets or [] for found in _waiting_at(listener)]
        for server in self.servers:
            server.close()
        kind: Any = self.config.http_protocol_class
        protocol = partial(
            kind,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        for connection in waiting:
            await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)
        await asyncio.sleep(_SECONDS_TO_ARRIVE)
        await super().shutdown()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain when told to stop; told twice, as by systemd and the parent, it drains once.

        Parameters
        ----------
        sig : int
            The signal.
        frame : FrameType, optional
            Where it arrived.
        """
        del frame
        if sig != signal.SIGTERM or self._app.state.draining:
            return
        # From now on /readyz is 503, and every answer ends its connection.
        self._app.state.draining = True
        threading.Thread(target=self._stop_later, daemon=True).start()

    def _stop_later(self) -> None:
        time.sleep(self._drain_seconds)
        self.stop()

    def stop(self) -> None:
        """Accept nothing more, and end when what is under way is answered."""
        self._app.state.draining = True
        self.should_exit = True


def _waiting_at(listener: socket) -> Iterator[socket]:
    """Accept the connections that nobody has taken yet."""
    listener.setblocking(False)
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # There is none, or whoever it was has gone.
            return
        connection.setblocking(False)
        yield connection


def _end_with(parent: int, server: _Server) -> None:
    """Stop when the parent has ended, however it did: nobody else would stop this process."""
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    server.stop()


def _say(report: Connection, facts: dict[str, Any]) -> None:
    report.send_bytes(json.dumps(facts).encode())
    report.close()


def _facts(service: Service) -> dict[str, Any]:
    champion = service.models.champion
    facts = {
        "store_kind": service.store.engine.dialect.name,
        "store": _name_of(service.store),
        "as_of": _as_of(service.store),
        "model_version": champion.version if champion else None,
        "model_digest": champion.digest if champion else None,
    }
    return facts if champion else facts | {"model_missing": _NO_MODEL}


def _name_of(store: Store) -> str:
    """Name the store without its user and password."""
    url = store.engine.url
    if url.host is None:
        return str(url.database)
    return sa.URL.create(
        "", host=url.host, port=url.port, database=url.database
    ).render_as_string()[3:]


def _as_of(store: Store) -> str | None:
    try:
        with store.reading() as connection:
            return date_of(set_facts(connection).as_of).isoformat()
    except (NothingPublishedError, StoreError):
        return None
