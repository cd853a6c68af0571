"""Where the next page of scores begins, as a text that clients hand back unread."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import astuple, dataclass
from typing import Self

import orjson
from fastapi.exceptions import RequestValidationError

__all__ = ["Cursor"]


@dataclass(frozen=True)
class Cursor:
    """Where the next page begins.

    It holds nothing that its holder may not ask for anyway, so it is checked, not signed.

    Parameters
    ----------
    set_id : int
        The score set whose pages are turned.
    after : str
        The last customer of the page before.
    tier : str or None
        The filter of all its pages.
    """

    set_id: int
    after: str
    tier: str | None

    def to_text(self) -> str:
        """Write it for a client.

        Returns
        -------
        str
            Letters, digits, - and _.
        """
        return urlsafe_b64encode(orjson.dumps(astuple(self))).decode().rstrip("=")

    @classmethod
    def from_text(cls, text: str, *, tier: str | None) -> Self:
        """Read what `to_text` wrote.

        Parameters
        ----------
        text : str
            From a client.
        tier : str or None
            The filter that is asked for now.

        Returns
        -------
        Cursor
            The same.

        Raises
        ------
        RequestValidationError
            If it is none of ours, or of pages with another filter.
        """
        found = cls._read(text)
        if found is None:
            raise _wrong("A cursor is the next_cursor of the page before, as it was given")
        if found.tier != tier:
            raise _wrong("A cursor goes with the tier of the page before; begin anew without it")
        return found

    @classmethod
    def _read(cls, text: str) -> Self | None:
        try:
            parts = orjson.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except ValueError:
            return None
        match parts:
            case [int(set_id), str(after), (str() | None) as tier] if 0 < set_id < 2**31:
                # PostgreSQL cannot be asked for a NUL.
                return None if "\0" in after else cls(set_id, after, tier)
        return None


def _wrong(rule: str) -> RequestValidationError:
    return RequestValidationError(
        [{"type": "value_error", "loc": ("query", "cursor"), "msg": rule}]
    )
