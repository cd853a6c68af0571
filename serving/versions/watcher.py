"""The process that watches the model registry, so that those which answer requests need not.

`worth serve` starts one beside its workers: importing MLflow costs seconds and memory, and what it
loads has no place in a process that answers requests.
"""

import os
import signal
import sys
import threading
import time
import warnings
from contextlib import suppress

import structlog

from serving.assignment import Assignment
from serving.log import configure_log
from serving.store import Store, StoreError

__all__ = ["main"]

# How often it looks for a choice of people whose bundle is not on disk, and for its parent's end.
_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_TO_STORE = 5.0
_log = structlog.get_logger()


def main() -> None:
    """Watch until the process that started this one, and is named by its number, has ended."""
    # Ctrl-C goes to every process of a terminal; the parent tells this one when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = int(sys.argv[1])
    configure_log()
    assignment = Assignment.model_validate_json(sys.stdin.buffer.read())
    with suppress(OSError, AttributeError):
        os.nice(5)  # Requests go before it.
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    warnings.simplefilter("ignore")  # MLflow warns of what its own dependencies deprecate.
    # Here, because it imports MLflow: not before Ctrl-C is taken care of.
    from serving.registry import Registry
    from serving.versions.watching import Watcher

    registry, store = Registry(assignment.tracking_uri), _opened(assignment)
    watcher = Watcher(registry, store, assignment.company.home)
    next_at = 0.0
    while True:
        try:
            if time.monotonic() >= next_at or watcher.is_wanted():
                next_at = time.monotonic() + assignment.options.model_poll_seconds
                watcher.ask()
        except (StoreError, OSError) as error:
            _log.warning("models.not_watched", error=str(error))
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _opened(assignment: Assignment) -> Store:
    while True:
        try:
            return assignment.open_store(is_pooled=True)
        except StoreError as error:
            _log.warning("models.not_watched", error=str(error))
            time.sleep(_SECONDS_TO_STORE)


def _end_with(parent: int) -> None:
    """End when the process that started this one has ended, however it did."""
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    # Not by an exception: this thread is not the one at work.
    os._exit(0)


if __name__ == "__main__":
    main()
