"""Lock out addresses from which many wrong keys come."""

import ipaddress
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Lockouts", "place_of"]

_WINDOW_SECONDS = 60.0
_LOCKED_SECONDS = 60.0
# Times of failures in memory, of all addresses together (about 10 MB); then the address that has
# been quiet for longest is forgotten.
_MOST_FAILURES = 200_000
# Whoever has one address of IPv6 has all that share these bits with it.
_IPV6_BITS = 64


@dataclass
class _Record:
    failed_at: deque[float] = field(default_factory=deque)
    locked_until: float = 0.0


class Lockouts:
    """Counts wrong keys by the place that they come from.

    Parameters
    ----------
    most_failures : int
        So many within a minute, and the place is locked out for a minute.
    clock : callable, optional
        Seconds that never run backwards.
    most_in_all : int, optional
        Failures in memory, of all places together.
    """

    def __init__(
        self,
        most_failures: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        most_in_all: int = _MOST_FAILURES,
    ) -> None:
        self._most_failures = most_failures
        self._clock = clock
        self._most_in_all = most_in_all
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._n_failures = 0

    def __len__(self) -> int:
        return len(self._records)

    def wait(self, place: str) -> int:
        """Tell how long a place must wait.

        Parameters
        ----------
        place : str
            As `place_of` names it.

        Returns
        -------
        int
            Seconds; 0 where it is not locked out.
        """
        known = self._records.get(place)
        return max(0, math.ceil(known.locked_until - self._clock())) if known else 0

    def fail(self, place: str) -> bool:
        """Count a wrong key.

        Parameters
        ----------
        place : str
            Where it came from.

        Returns
        -------
        bool
            Whether the place is locked out from now on.
        """
        now = self._clock()
        known = self._records.setdefault(place, _Record())
        self._records.move_to_end(place)
        while known.failed_at and known.failed_at[0] <= now - _WINDOW_SECONDS:
            known.failed_at.popleft()
            self._n_failures -= 1
        known.failed_at.append(now)
        self._n_failures += 1
        is_locked = len(known.failed_at) >= self._most_failures
        if is_locked:
            known.locked_until = now + _LOCKED_SECONDS
            self._n_failures -= len(known.failed_at)
            known.failed_at.clear()
        self._forget()
        return is_locked

    def _forget(self) -> None:
        while self._n_failures + len(self._records) > self._most_in_all:
            _, quiet = self._records.popitem(last=False)
            self._n_failures -= len(quiet.failed_at)


def place_of(address: str | None) -> str:
    """Name the place that an address belongs to.

    Parameters
    ----------
    address : str, optional
        Of the client; None where there is none, as on a socket of this machine.

    Returns
    -------
    str
        An address of IPv4, or a network of IPv6.

    Examples
    --------
    >>> place_of("2001:db8::1") == place_of("2001:db8::2")
    True
    >>> place_of("192.0.2.1")
    '192.0.2.1'
    """
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return address or "local"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), _IPV6_BITS), strict=False))
