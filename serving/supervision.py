"""Watch over the workers, and over the watcher of the model registry.

Workers are forked from a process that has imported everything and done nothing, so that another one
is there in milliseconds and shares its memory. Where a system cannot fork, they are spawned.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from socket import socket
from typing import Any

import structlog

from serving.assignment import Assignment
from serving.metrics import worker_is_gone
from serving.server import ServerError
from serving.stops import StopSignals
from serving.versions.bundles import has_bundle
from serving.versions.notes import noted_champion
from serving.worker import work

__all__ = ["Crew"]

_WATCHER = "serving.versions.watcher"
_SECONDS_BETWEEN_LOOKS = 0.5
# Who ended sooner than this is not started again at once: it would end as soon.
_SECONDS_TO_PROVE = 5.0
_SECONDS_BEFORE_ANOTHER = 1.0
# What a stop takes beside draining and the requests under way.
_SECONDS_TO_END = 5.0
_log = structlog.get_logger()


@dataclass
class _Worker:
    """A worker, from its start on."""

    process: BaseProcess
    report: Connection | None
    started_at: float = field(default_factory=time.monotonic)


class Crew:
    """The processes of a service, but for the one that watches over them.

    Parameters
    ----------
    assignment : Assignment
        What they work on.
    listener : socket
        Where requests arrive.
    n_workers : int
        How many answer them.
    stops : StopSignals
        Ends what would wait.
    """

    def __init__(
        self, assignment: Assignment, listener: socket, n_workers: int, stops: StopSignals
    ) -> None:
        self._assignment = assignment
        self._listener = listener
        self._n_workers = n_workers
        self._stops = stops
        self._workers: list[_Worker] = []
        self._watcher: subprocess.Popen[bytes] | None = None
        self._next_watcher_at = 0.0
        self._next_worker_at = 0.0

    @property
    def worker_pids(self) -> list[int]:
        """Numbers of the workers' processes."""
        return [worker.process.pid or 0 for worker in self._workers]

    def start(self) -> dict[str, Any]:
        """Start the workers, and wait until all of them answer.

        Returns
        -------
        dict
            What the last one says it started with; empty where the start was stopped.

        Raises
        ------
        ServerError
            If one of them cannot start. None of them runs then.
        """
        if not _has_champion(self._assignment.company.home):
            # Nothing is ready before the watcher has fetched one. Else it comes when the workers
            # are there: importing MLflow takes processors from them.
            self._replace_watcher()
        self._workers = [self._started() for _ in range(self._n_workers)]
        facts: dict[str, Any] = {}
        while not self._stops.n and (waiting := [w.report for w in self._workers if w.report]):
            ready = self._stops.wait(waiting, _SECONDS_BETWEEN_LOOKS)
            for worker in [one for one in self._workers if one.report in ready]:
                facts = _heard(worker)
                if "error" in facts:
                    self._kill()
                    raise ServerError(facts["error"])
        return facts

    def watch_over(self) -> bool:
        """Replace who ends, until the process is told to stop; then let all drain and end.

        Returns
        -------
        bool
            Whether everything under way was answered; not where it was told twice.
        """
        while not self._stops.n:
            self._replace_workers()
            self._replace_watcher()
            sentinels = [worker.process.sentinel for worker in self._workers]
            reports = [worker.report for worker in self._workers if worker.report]
            ready = self._stops.wait([*sentinels, *reports], _SECONDS_BETWEEN_LOOKS)
            for worker in [one for one in self._workers if one.report and one.report in ready]:
                _tell_start(worker)
        return self._stop()

    def _started(self) -> _Worker:
        methods = multiprocessing.get_all_start_methods()
        context: Any = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=work, args=(self._assignment, self._listener, theirs, os.getpid()), name="worker"
        )
        with warnings.catch_warnings():
            # The linear algebra has threads, which do nothing in this process and are made anew in
            # that one.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        # Its end in this process would keep the pipe open when the worker has ended.
        theirs.close()
        return _Worker(process, ours)

    def _replace_workers(self) -> None:
        for place, worker in enumerate(self._workers):
            process = worker.process
            if process.is_alive():
                continue
            if worker.started_at:
                process.join()
                _log.error("worker.ended", worker=process.pid, exit_code=process.exitcode)
                worker_is_gone(process.pid or 0)
                lived = time.monotonic() - worker.started_at
                if lived < _SECONDS_TO_PROVE:
                    self._next_worker_at = time.monotonic() + _SECONDS_BEFORE_ANOTHER
                worker.started_at = 0.0
            if time.monotonic() >= self._next_worker_at:
                self._workers[place] = self._started()

    def _replace_watcher(self) -> None:
        if self._watcher is not None and self._watcher.poll() is None:
            return
        if self._watcher is not None:
            _log.error("models.watcher_ended", exit_code=self._watcher.returncode)
            self._watcher = None
            self._next_watcher_at = time.monotonic() + _SECONDS_BEFORE_ANOTHER
        if time.monotonic() < self._next_watcher_at:
            return
        command = [sys.executable, "-m", _WATCHER, str(os.getpid())]
        self._watcher = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=_environment()
        )
        assert self._watcher.stdin is not None
        # Not on its command line, which all users of a machine can read.
        with suppress(BrokenPipeError), self._watcher.stdin as pipe:
            pipe.write(self._assignment.model_dump_json().encode())

    def _stop(self) -> bool:
        for worker in self._workers:
            if worker.process.is_alive():
                worker.process.terminate()
        if self._watcher is not None:
            self._watcher.terminate()
        # While it is open here, requests would still arrive when no worker takes them any more.
        self._listener.close()
        options = self._assignment.options
        ends_at = time.monotonic() + (
            options.drain_seconds + options.request_seconds + _SECONDS_TO_END
        )
        while alive := [w.process.sentinel for w in self._workers if w.process.is_alive()]:
            if self._stops.n > 1 or time.monotonic() > ends_at:
                self._kill()
                return False
            self._stops.wait(alive, _SECONDS_BETWEEN_LOOKS)
        self._kill()
        return True

    def _kill(self) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.wait()


def _has_champion(home: Path) -> bool:
    champion = noted_champion(home)
    return champion is not None and has_bundle(home, champion.digest)


def _environment() -> dict[str, str]:
    """Leave out what is for the workers alone."""
    return {name: text for name, text in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}


def _heard(worker: _Worker) -> dict[str, Any]:
    """Take a worker's report."""
    assert worker.report is not None
    try:
        facts: dict[str, Any] = json.loads(worker.report.recv_bytes())
    except EOFError:
        worker.process.join()
        code = worker.process.exitcode
        facts = {"error": f"A worker ended at its start, with {code}. The log above says why."}
    worker.report.close()
    worker.report = None
    return facts


def _tell_start(worker: _Worker) -> None:
    facts = _heard(worker)
    if "error" in facts:
        _log.error("worker.not_started", worker=worker.process.pid, error=facts["error"])
    else:
        _log.info("worker.started", worker=worker.process.pid, model_version=facts["model_version"])
