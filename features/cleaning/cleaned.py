"""What cleaning made of a source: clean rows and rejected rows with a reason."""

import hashlib
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Cleaned", "source_mark"]


def source_mark(source: str) -> bytes:
    """Name a source in four bytes, with which the keys of all its rows begin.

    Parameters
    ----------
    source : str
        Its name.

    Returns
    -------
    bytes
        Two sources that both count their lines from 1 do not get in each other's way.

    Examples
    --------
    >>> source_mark("shop_a").hex()
    '011d2e51'
    """
    return hashlib.md5(source.encode(), usedforsecurity=False).digest()[:4]


@dataclass(frozen=True)
class Cleaned:
    """What cleaning made of a source.

    Parameters
    ----------
    rows : pyarrow.Table
        Clean rows in the canonical table's columns.
    rejected : pyarrow.Table
        The others: `source_row`, `reason`, `content` (the row as JSON) and `row_key`.
    n_read : int
        How many rows the source held: clean and rejected together.
    warnings : tuple of str
        What a careful reader should know of the clean rows.
    fields : tuple of str
        The fields that the source has.
    payments : pyarrow.Table, optional
        What a source of invoices says of their settlement, as rows of the table payments; each has
        the row_key of its invoice. None where the source says nothing of it.
    """

    rows: pa.Table
    rejected: pa.Table
    n_read: int
    warnings: tuple[str, ...]
    fields: tuple[str, ...]
    payments: pa.Table | None = None

    def counts_by_reason(self) -> dict[str, int]:
        """Count the rejected rows by reason.

        Returns
        -------
        dict of str to int
            The most frequent reason first.
        """
        counts = pc.value_counts(self.rejected["reason"]).to_pylist()
        return {
            c["values"]: c["counts"]
            for c in sorted(counts, key=lambda c: (-c["counts"], c["values"]))
        }
