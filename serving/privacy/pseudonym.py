"""Keyed hashes of customer ids: they tell a person again without naming them.

StoreError
└── PseudonymKeyError    the key cannot be read, or is gone while erased customers depend on it
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from serving.store import StoreError

__all__ = ["PseudonymKeyError", "Pseudonyms"]

_FILE = "pseudonym.key"
_KEY_BYTES = 32


class PseudonymKeyError(StoreError):
    """Raised where the key of pseudonyms cannot be had."""


class Pseudonyms:
    """HMAC-SHA256 of customer ids under a key that lies beside the store, not in it.

    A plain hash would be undone by trying all ids there are; whoever has the store alone cannot.

    Parameters
    ----------
    key : bytes
        32 random bytes.

    Examples
    --------
    >>> Pseudonyms(bytes(32)).of("C-0192")[:16]
    '8eae574225dedf9b'
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def kept_in(cls, home: Path, *, may_be_new: bool = True) -> Self:
        """Read the key of a state folder, and make it where there is none.

        Parameters
        ----------
        home : Path
            The folder. Services on several machines that share a store must share the key's file.
        may_be_new : bool, default True
            Whether to make a key; with another key nobody who was erased would be known again.

        Returns
        -------
        Pseudonyms
            With the folder's key.

        Raises
        ------
        PseudonymKeyError
            If the file is not readable or no key, or is missing and must not be new.
        """
        path = home / _FILE
        if not path.exists():
            if not may_be_new:
                raise PseudonymKeyError(
                    f"{path} is gone. It tells erased customers from new ones, so without it they "
                    "would come back. Restore it from a backup."
                )
            _make(path)
        try:
            key = bytes.fromhex(path.read_text().strip())
        except (OSError, ValueError) as error:
            raise PseudonymKeyError(f"{path} cannot be read as a key: {error}.") from None
        if len(key) != _KEY_BYTES:
            raise PseudonymKeyError(
                f"{path} must hold {_KEY_BYTES} bytes in hexadecimal. Got {len(key)} instead."
            )
        return cls(key)

    def of(self, customer_id: str) -> str:
        """Name a customer without their id.

        Parameters
        ----------
        customer_id : str
            Who.

        Returns
        -------
        str
            64 hexadecimal digits, always the same under the same key.
        """
        return hmac.new(self._key, customer_id.encode(), hashlib.sha256).hexdigest()

    def among(self, customer_ids: Iterable[str], subjects: frozenset[str]) -> list[str]:
        """Find those whose pseudonym is among some.

        Parameters
        ----------
        customer_ids : iterable of str
            Who may be.
        subjects : frozenset of str
            Pseudonyms.

        Returns
        -------
        list of str
            The ids that are.
        """
        return [who for who in customer_ids if self.of(who) in subjects]


def _make(path: Path) -> None:
    """Make the key's file at once: of two processes that try, the first one's stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(partial, path)
        except FileExistsError:
            return
    except OSError as error:
        raise PseudonymKeyError(
            f"{path} cannot be made: {error.strerror}. It names erased customers by a keyed hash."
        ) from None
    finally:
        partial.unlink(missing_ok=True)
