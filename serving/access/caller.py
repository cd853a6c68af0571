"""Who sends a request."""

from dataclasses import dataclass

__all__ = ["Caller"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request, and what they may.

    Parameters
    ----------
    actor : str
        A key's prefix, or `token:` and a hash: what audit log, logs and limits know them by.
    scopes : tuple of str
        What they may do.
    rate_limit : int, optional
        Requests a second; the service's own limit where there is none.
    """

    actor: str
    scopes: tuple[str, ...]
    rate_limit: int | None = None
