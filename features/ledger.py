"""The ledger: the five canonical tables as Arrow, ready for any engine."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from features.schema import TABLES

__all__ = ["EmptyLedgerError", "Ledger", "date_of", "day_of"]

_EPOCH = date(1970, 1, 1)


def day_of(day: date) -> int:
    """Count a calendar day as the ledger does.

    Parameters
    ----------
    day : date
        A day in the company's time zone.

    Returns
    -------
    int
        Whole days since 1970-01-01.

    Examples
    --------
    >>> day_of(date(1997, 9, 30))
    10134
    """
    return (day - _EPOCH).days


def date_of(day: int) -> date:
    """Turn a day number of the ledger into a calendar day.

    Parameters
    ----------
    day : int
        Whole days since 1970-01-01.

    Returns
    -------
    date
        The calendar day.

    Examples
    --------
    >>> date_of(10134)
    datetime.date(1997, 9, 30)
    """
    return _EPOCH + timedelta(days=int(day))


def _known(name: str, rows: pa.Table, as_of: int) -> pa.Table:
    if "day" in rows.schema.names:
        rows = rows.filter(pc.field("day") <= as_of)
    for place, column in enumerate(TABLES[name].columns):
        if column.is_learnt_later:
            days = rows[column.name]
            known = pc.if_else(pc.less_equal(days, as_of), days, pa.scalar(None, days.type))
            rows = rows.set_column(place, column.name, known)
    return rows


class EmptyLedgerError(ValueError):
    """Raised where a ledger without a single order line is asked for its days."""

    def __init__(self) -> None:
        super().__init__(
            "The ledger holds no order lines. 'worth ingest' loads them; where rows were rejected, "
            "it says why."
        )


@dataclass(frozen=True)
class Ledger:
    """The clean tables of one company.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
        Canonical tables by name; one that is not given is empty.

    Raises
    ------
    ValueError
        If a table is not one of the five, or lacks a column.
    """

    tables: Mapping[str, pa.Table]

    def __post_init__(self) -> None:
        unknown = sorted(set(self.tables) - set(TABLES))
        if unknown:
            raise ValueError(f"A ledger holds {', '.join(TABLES)}. Got {unknown[0]!r} as well.")
        for name, table in self.tables.items():
            missing = [column for column in TABLES[name].names if column not in table.schema.names]
            if missing:
                raise ValueError(f"The table {name} of a ledger lacks the column {missing[0]!r}.")
        complete = {
            name: self.tables[name].select(table.names).cast(table.arrow_schema)
            if name in self.tables
            else table.arrow_schema.empty_table()
            for name, table in TABLES.items()
        }
        object.__setattr__(self, "tables", complete)

    @property
    def order_lines(self) -> pa.Table:
        """The order lines, one row a line of an order."""
        return self.tables["order_lines"]

    @property
    def first_day(self) -> int:
        """The day of the first order line."""
        return self._extreme_days()[0]

    @property
    def last_day(self) -> int:
        """The day of the last order line."""
        return self._extreme_days()[1]

    @property
    def n_customers(self) -> int:
        """How many customers have an order line."""
        return int(pc.count_distinct(self.order_lines["customer_id"]).as_py())

    @property
    def has_cost(self) -> bool:
        """Whether any order line says what its goods cost."""
        return bool(self.order_lines["cost"].null_count < len(self.order_lines))

    @property
    def opted_out(self) -> list[str]:
        """Ids of the customers who must not be scored."""
        customers = self.tables["customers"]
        rows = customers.filter(pc.field("profiling_opt_out") == 1)
        return [str(who) for who in rows["customer_id"].to_pylist()]

    def up_to(self, as_of: int) -> "Ledger":
        """Forget what happened, or was learnt, after a day.

        Parameters
        ----------
        as_of : int
            The last day known, inclusive, in days since 1970-01-01.

        Returns
        -------
        Ledger
            The rows with `day` at most `as_of`, and of the days that are learnt later (when an
            invoice was disputed, a complaint resolved) those up to `as_of`; the customers whole.
        """
        return Ledger({name: _known(name, rows, as_of) for name, rows in self.tables.items()})

    def fingerprint(self) -> str:
        """Name the ledger's content, whatever the order of its rows.

        Returns
        -------
        str
            "sha256:" and 64 hexadecimal digits.
        """
        # XOR forgets the order of rows; it loses none, because no two rows of a table are the same.
        digest = hashlib.sha256()
        with duckdb.connect() as connection:
            for name, table in self.tables.items():
                connection.register("ledger_table", table)
                rows = connection.execute(
                    "SELECT COUNT(*), BIT_XOR(md5_number(CAST(ledger_table AS VARCHAR))) "
                    "FROM ledger_table"
                ).fetchall()
                digest.update(f"{name}:{rows}\n".encode())
        return f"sha256:{digest.hexdigest()}"

    def _extreme_days(self) -> tuple[int, int]:
        if not len(self.order_lines):
            raise EmptyLedgerError
        extremes = pc.min_max(self.order_lines["day"]).as_py()
        return int(extremes["min"]), int(extremes["max"])
