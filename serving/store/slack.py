"""Zero the bytes of an SQLite file that belong to no row: `python slack.py FILE SECONDS`.

Where SQLite divides a page among its neighbours, it leaves a copy of the rows that moved in the
page's free space; `secure_delete` overwrites a row where it lies, never such copies. VACUUM takes
them out by writing the whole file anew, for 10 seconds a GB. This writes over them where they lie.

It is a program of its own, started by `SQLiteStore.purge`: closing a file drops all locks that the
process has on it (sqlite.org/howtocorrupt, 2.2), and here nobody else has any. While it writes, it
is the only writer and the write-ahead log is empty, so that the file is the whole truth; readers
never look at what it changes. The format is that of sqlite.org/fileformat2, by its sections.
"""

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from struct import Struct

__all__ = ["BUSY", "UNFIT", "zero_slack"]

# What it ends with, beside 0 where all is zeroed and 1 where it fails.
BUSY, UNFIT = 3, 4

_CHUNK_BYTES = 2**20
_TRIES = 100
# Section 1.6: of tables and indexes, inner pages (with a longer header) and leaves.
_HEADER_BYTES = {2: 12, 5: 12, 10: 8, 13: 8}
# Kind of page, first free block, number of rows, where they begin. Next free block, its length.
_HEADER, _BLOCK = Struct(">BHHH"), Struct(">HH")
# Other pages begin with a page's number of 32 bits; below this its first byte is never one of them.
_MOST_PAGES = 2 * 2**24


class _UnfitError(Exception):
    """Raised for a file that is not laid out as ours are."""


def zero_slack(path: Path, *, patience: float) -> int:
    """Zero what no row needs.

    Parameters
    ----------
    path : Path
        The file of a store.
    patience : float
        Seconds to wait for others who read or write.

    Returns
    -------
    int
        0, or BUSY where others held on for longer, or UNFIT where only VACUUM can.
    """
    opened = sqlite3.connect(path, timeout=patience, isolation_level=None)
    # The file is closed last, when SQLite has let go of it.
    with path.open("r+b", buffering=0) as file, closing(opened) as connection:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return _zeroed_alone(connection, file.fileno(), Path(f"{path}-wal"))
        except _UnfitError:
            return UNFIT
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            return BUSY


def _zeroed_alone(connection: sqlite3.Connection, file: int, log: Path) -> int:
    """Zero at a moment when nobody writes and nothing waits in the log."""
    for _ in range(_TRIES):
        is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            break
        connection.execute("BEGIN IMMEDIATE")
        if log.exists() and not log.stat().st_size:
            _zero(file)
            # A change, so that nobody goes on with the pages that they remember.
            version, *_ = connection.execute("PRAGMA user_version").fetchone()
            connection.execute(f"PRAGMA user_version = {version}")
            connection.execute("COMMIT")
            return 0
        connection.execute("ROLLBACK")  # Somebody wrote in between.
    return BUSY


def _zero(file: int) -> None:
    header = os.pread(file, 100, 0)
    size = _number(header, 16, 2)
    size = 65_536 if size == 1 else size
    # Where SQLite vacuums by itself, there are pages of yet another kind.
    vacuums_itself = _number(header, 52, 4) != 0
    if vacuums_itself or os.fstat(file).st_size // size >= _MOST_PAGES:
        raise _UnfitError
    free = chain(_beside_rows(file, size, size - header[20]), _waiting(file, size, header))
    for begin, end in free:
        os.pwrite(file, bytes(end - begin), begin)
    os.fsync(file)


def _beside_rows(file: int, size: int, usable: int) -> Iterator[tuple[int, int]]:
    """Find what is free in the pages of rows, and is not zero."""
    zeros = bytes(size)
    for start in range(0, os.fstat(file).st_size, _CHUNK_BYTES):
        chunk = os.pread(file, _CHUNK_BYTES, start)
        for place in range(0, len(chunk), size):
            page = chunk[place : place + size]
            for begin, end in _unused(page, 0 if start + place else 100, usable):
                if page[begin:end] != zeros[: end - begin]:
                    yield start + place + begin, start + place + end


def _unused(page: bytes, header: int, usable: int) -> list[tuple[int, int]]:
    """Find the free bytes of a page (section 1.6): the gap before its rows, the blocks between."""
    kind, block, n_rows, rows = _HEADER.unpack_from(page, header)
    if kind not in _HEADER_BYTES:
        return []
    gap = header + _HEADER_BYTES[kind] + 2 * n_rows
    rows = rows or 65_536
    if not gap <= rows <= usable:
        raise _UnfitError
    unused = [(gap, rows)]
    while block:
        after, length = _BLOCK.unpack_from(page, block)
        end = block + length
        if block < rows or length < _BLOCK.size or end > usable or 0 < after < end:
            raise _UnfitError
        unused.append((block + _BLOCK.size, end))
        block = after
    return unused


def _waiting(file: int, size: int, header: bytes) -> Iterator[tuple[int, int]]:
    """Find the pages that wait to be used (section 1.5), and are not zero."""
    zeros = bytes(size)
    trunk, left = _number(header, 32, 4), _number(header, 36, 4)
    while trunk:
        start = (trunk - 1) * size
        page = os.pread(file, size, start)
        n_leaves = _number(page, 4, 4)
        left -= 1 + n_leaves
        if left < 0:
            raise _UnfitError
        begin = 8 + 4 * n_leaves
        yield start + begin, start + size
        for place in range(8, begin, 4):
            leaf = (_number(page, place, 4) - 1) * size
            if os.pread(file, size, leaf) != zeros:
                yield leaf, leaf + size
        trunk = _number(page, 0, 4)


def _number(data: bytes, place: int, length: int) -> int:
    return int.from_bytes(data[place : place + length], "big")


if __name__ == "__main__":
    sys.exit(zero_slack(Path(sys.argv[1]), patience=float(sys.argv[2])))
