"""What the catalogue says of one signal."""

from dataclasses import dataclass
from math import inf
from typing import Literal

__all__ = ["NEVER", "WINDOWS", "Family", "Signal", "Unit"]

Family = Literal["purchase", "margin", "payment", "loyalty"]
Unit = Literal["days", "day number", "money", "rate", "share", "ratio", "count", "flag", "class"]

NEVER = "never null"
WINDOWS = (30, 90, 180, 365)


@dataclass(frozen=True, slots=True)
class Signal:
    """One derived column.

    Parameters
    ----------
    name : str
        The column's name.
    unit : str
        What its numbers count; money is in the company's currency.
    label, label_zh : str
        What people call it, in English and in Chinese.
    meaning : str
        What it says, in one sentence.
    null_means : str
        What a null says.
    needs : tuple of str
        The columns of the ledger, beyond the required ones of order lines, without which it is
        null; those of another table with its name.
    low, high : float
        The range its values lie in, inclusive.
    values : tuple of str
        Of a class: the words it takes; none where they are the company's own.
    family : {"purchase", "margin", "payment", "loyalty"}
        The SQL file that defines it.
    """

    name: str
    unit: Unit
    label: str
    label_zh: str
    meaning: str
    null_means: str = NEVER
    needs: tuple[str, ...] = ()
    low: float = 0
    high: float = inf
    values: tuple[str, ...] = ()
    family: Family = "purchase"
