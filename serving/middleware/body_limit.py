"""The limit of a request's body, whether its length is said beforehand or not."""

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

__all__ = ["limited"]


def limited(scope: Scope, receive: Receive, most: int) -> Receive:
    """Refuse a body that is too large, at the latest where it becomes so.

    Parameters
    ----------
    scope : dict
        Of the request, as ASGI has it.
    receive : callable
        Gives the parts of the body.
    most : int
        Bytes that it may have.

    Returns
    -------
    callable
        Gives the parts of the body; raises HTTPException(413) instead of the part that is too much.

    Raises
    ------
    HTTPException
        If the request says that its body is too large.
    """
    is_chunked = False
    for name, value in scope["headers"]:
        if name == b"content-length":
            # The server has refused what is no number.
            if int(value) > most:
                raise _too_large(most)
            # It also sees to it that no more comes than was said.
            return receive
        is_chunked = is_chunked or name == b"transfer-encoding"
    return _counted(receive, most) if is_chunked else receive


def _counted(receive: Receive, most: int) -> Receive:
    n_bytes = 0

    async def count() -> Message:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        if n_bytes > most:
            raise _too_large(most)
        return message

    return count


def _too_large(most: int) -> HTTPException:
    # FastAPI lets this class alone pass while it reads a body.
    return HTTPException(
        413, f"The body may have {most:,} bytes at most (max_body_bytes). Send it in parts."
    )
