"""What a key or token may be allowed to do."""

from collections.abc import Collection
from typing import Literal, get_args

__all__ = ["SCOPES", "Scope", "allows"]

Scope = Literal[
    "scores:read",
    "scores:preview",
    "events:write",
    "lists:read",
    "lists:export",
    "models:read",
    "models:promote",
    "subjects:erase",
    "admin",
]
SCOPES: tuple[Scope, ...] = get_args(Scope)


def allows(granted: Collection[str], scope: Scope) -> bool:
    """Tell whether some scopes let an operation pass.

    Parameters
    ----------
    granted : collection of str
        What the caller has; `admin` implies all others.
    scope : str
        What the operation asks for.

    Returns
    -------
    bool
        Whether it may.
    """
    return scope in granted or "admin" in granted
