"""Whoever takes a list away stands in the audit log."""

from fastapi import Request

from serving.audit import record
from serving.auth import caller_of
from serving.state import service_of

__all__ = ["note_export"]


def note_export(request: Request, what: str, n: int) -> None:
    """Note an export, before it leaves: one that cannot be noted is refused.

    Parameters
    ----------
    request : Request
        That asks for it.
    what : str
        Which list.
    n : int
        How many customers are on it.
    """
    with service_of(request).store.writing() as connection:
        actor = caller_of(request).actor
        record(connection, actor=actor, action="list.exported", object=what, n=n)
