"""Columns of Arrow text made of numbers, without a Python object a row."""

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulation.world import FloatArray, IntArray

__all__ = [
    "customer_ids",
    "days",
    "named",
    "numbered_text",
    "reals",
    "row_keys",
]

Signs = npt.NDArray[np.uint8]

_CUSTOMER_DIGITS = 8
# Four signs in one word, so that looking them up moves words and not signs.
_FOUR_DIGITS = np.frombuffer(
    "".join(f"{number:04d}" for number in range(10_000)).encode(), dtype=np.uint32
)


def _digits(numbers: IntArray, width: int) -> Signs:
    """Write numbers with leading zeros, a row of signs each; the width is 1, 4 or 8."""
    if width == 1:
        return (numbers + ord("0")).astype(np.uint8)[:, None]
    words = np.empty((len(numbers), width // 4), dtype=np.uint32)
    # A number that is too long is an IndexError here, never another number.
    words[:, -1] = _FOUR_DIGITS[numbers if width == 4 else numbers % 10_000]
    if width == _CUSTOMER_DIGITS:
        words[:, 0] = _FOUR_DIGITS[numbers // 10_000]
    return words.view(np.uint8)


def numbered_text(*parts: str | tuple[IntArray, int]) -> pa.Array:
    """Join fixed signs and numbers with leading zeros to one column of text.

    Parameters
    ----------
    *parts : str or (array of int, width)
        Signs that every row has, or a number for each row and its digits: 1, 4 or 8.

    Returns
    -------
    pyarrow.StringArray of n_rows
        All rows of the same length, so that they sort as their numbers do.

    Examples
    --------
    >>> numbered_text("O", (np.array([7, 12]), 4), "-", (np.array([1, 3]), 1)).to_pylist()
    ['O0007-1', 'O0012-3']
    """
    n = next(len(part[0]) for part in parts if not isinstance(part, str))
    widths = [len(part) if isinstance(part, str) else part[1] for part in parts]
    signs = np.empty((n, sum(widths)), dtype=np.uint8)
    begin = 0
    for part, width in zip(parts, widths, strict=True):
        signs[:, begin : begin + width] = (
            np.frombuffer(part.encode(), dtype=np.uint8)
            if isinstance(part, str)
            else _digits(*part)
        )
        begin += width
    return pa.StringArray.from_buffers(n, _offsets(n, begin), pa.py_buffer(signs))


def customer_ids(numbers: IntArray) -> pa.Array:
    """Name customers by their numbers.

    Parameters
    ----------
    numbers : array of shape (n_rows,)
        1 to 99,999,999.

    Returns
    -------
    pyarrow.StringArray of n_rows
        Such as "C00000012".
    """
    return numbered_text("C", (numbers, _CUSTOMER_DIGITS))


def row_keys(table: str, customers: IntArray, numbers: IntArray) -> pa.Array:
    """Make the rows' keys: 4 bytes name the table, 8 the customer, 4 the row of the customer.

    Parameters
    ----------
    table : str
        The table's name.
    customers : array of shape (n_rows,)
        The customers' numbers.
    numbers : array of shape (n_rows,)
        The rows' numbers, different within a customer.

    Returns
    -------
    pyarrow.BinaryArray of n_rows
        16 bytes each, in the order of customers and numbers.
    """
    rows = np.empty(len(customers), dtype=[("table", "V4"), ("customer", ">u8"), ("row", ">u4")])
    # The mark that features.cleaning gives a source of the table's name.
    rows["table"] = np.void(hashlib.md5(table.encode(), usedforsecurity=False).digest()[:4])
    rows["customer"], rows["row"] = customers, numbers
    buffers = [None, _offsets(len(rows), 16), pa.py_buffer(rows)]
    return pa.BinaryArray.from_buffers(pa.binary(), len(rows), buffers)


def named(names: list[str] | tuple[str, ...], codes: IntArray) -> pa.Array:
    """Spell out positions in a list of names.

    Parameters
    ----------
    names : list of str
        The names.
    codes : array of shape (n_rows,)
        Their positions; -1 is null.

    Returns
    -------
    pyarrow.StringArray of n_rows
        The names.
    """
    return pa.array(names, pa.string()).take(pa.array(codes, mask=codes < 0))


def days(values: IntArray) -> pa.Array:
    """Make a column of days.

    Parameters
    ----------
    values : array of shape (n_rows,)
        Days since 1970-01-01; -1 is null.

    Returns
    -------
    pyarrow.Int32Array of n_rows
        The days.
    """
    return pa.array(values.astype(np.int32), mask=values < 0)


def reals(values: FloatArray) -> pa.Array:
    """Make a column of numbers.

    Parameters
    ----------
    values : array of shape (n_rows,)
        Numbers; NaN is null.

    Returns
    -------
    pyarrow.DoubleArray of n_rows
        The numbers.
    """
    return pa.array(values, from_pandas=True)


def _offsets(n: int, width: int) -> pa.Buffer:
    return pa.py_buffer(np.arange(0, (n + 1) * width, width, dtype=np.int32)[: n + 1])
