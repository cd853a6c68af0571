"""Being told to stop, while waiting for something else."""

import signal
import socket
from collections.abc import Iterable
from multiprocessing.connection import Connection, wait
from types import FrameType, TracebackType
from typing import Self

__all__ = ["StopSignals"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Counts how often the process was told to stop, and ends a wait when it is.

    Attributes
    ----------
    n : int
        How often, since the block was entered.
    """

    def __init__(self) -> None:
        self.n = 0
        self._heard, self._said = socket.socketpair()

    def __enter__(self) -> Self:
        self._heard.setblocking(False)
        self._said.setblocking(False)
        self._before = {one: signal.signal(one, self._count) for one in _SIGNALS}
        # Without it a wait that has begun would go on: Python runs handlers and waits again.
        self._fd_before = signal.set_wakeup_fd(self._said.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        del kind, error, where
        signal.set_wakeup_fd(self._fd_before)
        for one, handler in self._before.items():
            signal.signal(one, handler)
        self._heard.close()
        self._said.close()

    def wait(self, others: Iterable[Connection | int], timeout: float) -> list[object]:
        """Wait until one of several is ready, or the process is told to stop.

        Parameters
        ----------
        others : iterable of Connection or int
            Ends of pipes, and sentinels of processes.
        timeout : float
            Seconds to wait at most.

        Returns
        -------
        list of object
            Those that are ready.
        """
        ready: list[object] = list(wait([self._heard, *others], timeout))
        if self._heard in ready:
            ready.remove(self._heard)
            self._heard.recv(4096)
        return ready

    def _count(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.n += 1
