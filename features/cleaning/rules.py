"""What cleaning has to know of a table, and of one reading of a source."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from features.cleaning.fields import FIELDS, Kind
from features.ledger import date_of, day_of
from features.sources import RawTable, Source

__all__ = ["EARLIEST", "LAST_DAY", "Company", "Fault", "Reading", "Rules", "day_number"]

# Ledgers are younger; a date before it is a default value or a slip. 1900-01-01 itself is what SQL
# Server and DuckDB make of no date at all.
EARLIEST = "1900-01-02"
# Python knows no day after it.
LAST_DAY = day_of(date(9999, 12, 31))


@dataclass(frozen=True)
class Company:
    """What cleaning must know of a company, whatever the source.

    Parameters
    ----------
    currency : str, default "XXX"
        Of the ledger, ISO 4217; XXX says that none was given.
    rates : mapping of str to mapping of date to float
        By currency code: the company's money for one unit, from that day until the next.
    aliases : mapping of str to str
        From an id that a customer also goes by to the one that counts; `read_aliases` makes it.
    """

    currency: str = "XXX"
    rates: Mapping[str, Mapping[date, float]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """One source about to be cleaned.

    Parameters
    ----------
    raw : RawTable
        Its rows.
    source : Source
        How it writes them.
    company : Company
        Whose ledger they go to.
    latest : int
        The last day that something can have happened on, in days since 1970-01-01.
    invoices : pyarrow.Table, optional
        For payments: `invoice_id`, `customer_id` and `day` of the invoices known.
    """

    raw: RawTable
    source: Source
    company: Company
    latest: int = LAST_DAY
    invoices: pa.Table | None = None

    @property
    def fields(self) -> Mapping[str, Kind]:
        """The fields a source of this table may have."""
        return FIELDS[self.source.table]

    @property
    def present(self) -> tuple[str, ...]:
        """The fields that this one has."""
        return tuple(name for name in self.fields if name in self.raw.rows.schema.names)

    @property
    def latest_text(self) -> str:
        """The latest day, in words."""
        text = f"{date_of(self.latest):%Y-%m-%d}"
        return text if self.latest == LAST_DAY else f"{text}, the day of loading"


@dataclass(frozen=True)
class Fault:
    """Something a row may be rejected for.

    Parameters
    ----------
    condition : str
        SQL that finds it.
    reason : str
        What to say; with `arguments`, each `{}` in it takes one.
    arguments : tuple of str
        SQL of what the reason names.
    """

    condition: str
    reason: str
    arguments: tuple[str, ...] = ()


def _no_faults(reading: Reading) -> list[Fault]:
    del reading
    return []


@dataclass(frozen=True)
class Rules:
    """How rows of one table are made of a source's fields.

    SQL may name `read_<field>` (as it was read; null where it could not be), `has_<field>` (whether
    there was anything to read), and columns that stand before it.

    Parameters
    ----------
    required : mapping of str to tuple of tuple of str
        What no row can do without: what to call it, and the sets of fields one of which must be
        there.
    day_fields : mapping of str to str
        From a day column of the ledger to its field.
    columns : mapping of str to str
        Further columns in SQL. A column of the ledger that has a field of its own name and is not
        named here is that field.
    faults : callable
        What to reject beside what holds for every table.
    key : tuple of str
        Fields that name a row in its source; without them its content does.
    named_by : str
        What to call the key.
    same_by : tuple of str
        Columns that no two clean rows may share, where the source has the key.
    money : tuple of str
        Columns in the source's currency.
    published : mapping of str to str
        Columns that are made last, when the row has its key and its customer the id that counts.
    may_lie_ahead : frozenset of str
        Day fields that may be after the day of loading.
    joins : str
        SQL that joins further tables to `given`.
    over_twins : mapping of str to str
        Columns made of all rows of one customer, where the last of each key has `nth_of_key` 1.
    notes : mapping of str to str
        SQL of what a reader should know of a clean row, and how to say of how many it is true.
    """

    required: Mapping[str, tuple[tuple[str, ...], ...]]
    day_fields: Mapping[str, str]
    key: tuple[str, ...]
    named_by: str
    same_by: tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    faults: Callable[[Reading], list[Fault]] = _no_faults
    money: tuple[str, ...] = ()
    published: Mapping[str, str] = field(default_factory=dict)
    may_lie_ahead: frozenset[str] = frozenset()
    joins: str = ""
    over_twins: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


def day_number(day: str) -> str:
    """Write the SQL of a date's day number.

    Parameters
    ----------
    day : str
        SQL of a date.

    Returns
    -------
    str
        SQL of days since 1970-01-01.
    """
    return f"date_diff('day', DATE '1970-01-01', {day})"
