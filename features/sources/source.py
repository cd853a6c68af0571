"""One source, as `worth.toml` describes it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from features.schema import TABLES

__all__ = ["WHITESPACE", "Source", "SourceError", "first_sentence", "listed"]

WHITESPACE = "whitespace"
# What is no table may have its whole content for a header.
_LONGEST_NAME, _MOST_NAMES = 60, 40
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class SourceError(ValueError):
    """Raised where a source cannot be read as the table it is said to be."""


class Source(BaseModel):
    """One source of one canonical table, as `worth.toml` describes it.

    Parameters
    ----------
    table : str, default "order_lines"
        The canonical table it fills.
    path : Path, optional
        A CSV or Parquet file; the ending says which.
    url : str, optional
        A database, as SQLAlchemy writes it; with it goes `query`.
    query : str, optional
        The SQL statement that yields the rows.
    columns : mapping of str to str
        From a field of the table to the source's column. A field that is not mapped is taken
        from a column of its own name.
    header : list of str, optional
        Column names for a CSV file that has no header row.
    encoding : str, default "utf-8"
        Of a CSV file, for example "utf-16", "gb18030" or "latin-1".
    delimiter : str, optional
        Of a CSV file: one character or "whitespace". Read off the header row where it is not given.
    date_format : str or list of str, optional
        How days are written, for example "%d.%m.%Y %H:%M"; of several the first that fits counts.
        Without it dates that begin with the year or name the month in English are read, because
        01/02/2011 is two days.
    decimal : {".", ","}, default "."
        Sign before the fraction.
    thousands : str, default ""
        Sign between thousands.
    duplicates : {"keep", "reject"}, default "keep"
        What to do with exact duplicates. Where rows have a key of their own, such as `line_id`,
        they are rejected in any case: one line has one content.
    cancelled_prefix : str, optional
        Orders whose `order_id` starts so are cancellations: their revenue counts negative.
    constants : mapping of str to str
        From a field that the source has no column for to what it would say in every row.
    attributes : list of str
        Of customers: columns of the source to keep as further facts; numbers stay numbers.
    satisfaction_scale : pair of float, default (0, 1)
        Of interactions: what no satisfaction at all and what full satisfaction is written as.
    cancelled_rows : {"credit", "void"}, default "credit"
        What a cancelled order line is: the credit of another line, whose revenue it takes back, or
        the only line of an order that never came about, which is rejected.
    prepayments : {"reject", "keep"}, default "reject"
        What to do with money that came before its invoice: a slip of the pen, or a deposit, which
        counts from the day of issue.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str = "order_lines"
    path: Path | None = None
    url: SecretStr | None = None
    query: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    header: list[str] | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    date_format: str | list[str] | None = None
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'"] = ""
    duplicates: Literal["keep", "reject"] = "keep"
    cancelled_prefix: str | None = None
    cancelled_rows: Literal["credit", "void"] = "credit"
    prepayments: Literal["reject", "keep"] = "reject"
    constants: dict[str, str] = Field(default_factory=dict)
    attributes: list[str] = Field(default_factory=list)
    satisfaction_scale: tuple[_Finite, _Finite] = (0.0, 1.0)

    @property
    def date_formats(self) -> list[str]:
        """The formats of `date_format`; empty where there is none."""
        given = self.date_format or []
        return [given] if isinstance(given, str) else given

    @field_validator("table")
    @classmethod
    def _is_canonical(cls, table: str) -> str:
        if table not in TABLES:
            raise ValueError(f"a source fills one of {', '.join(TABLES)}")
        return table

    @field_validator("delimiter")
    @classmethod
    def _is_one_sign(cls, delimiter: str | None) -> str | None:
        if delimiter is not None and delimiter != WHITESPACE and len(delimiter) != 1:
            raise ValueError('a delimiter is one character, or "whitespace"')
        return delimiter

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if self.path is not None and self.url is not None:
            raise ValueError("a source has a path or a url, not both")
        if (self.url is None) != (self.query is None):
            raise ValueError("url and query go together")
        return self

    @field_validator("satisfaction_scale")
    @classmethod
    def _has_two_ends(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if scale[0] == scale[1]:
            raise ValueError("a satisfaction_scale has two different ends, such as [1, 5]")
        return scale

    @model_validator(mode="after")
    def _keeps_attributes_of_customers_only(self) -> Self:
        if self.attributes and self.table != "customers":
            raise ValueError(f"attributes are of customers; this source fills {self.table}")
        return self

    @model_validator(mode="after")
    def _says_each_field_once(self) -> Self:
        both = sorted(self.constants.keys() & self.columns.keys())
        if both:
            raise ValueError(f"{both[0]} has a column and a constant; leave one of them out")
        return self

    @model_validator(mode="after")
    def _tells_fraction_from_thousands(self) -> Self:
        if self.thousands == self.decimal:
            raise ValueError("decimal and thousands are two different signs")
        return self


def first_sentence(error: BaseException) -> str:
    """Take the first line of what a library says, to pass it on within a sentence of ours.

    Parameters
    ----------
    error : BaseException
        What it raised.

    Returns
    -------
    str
        Without the full stop.
    """
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__


def listed(columns: Sequence[str]) -> str:
    """Name columns within a sentence, however many, long and strange they are.

    Parameters
    ----------
    columns : sequence of str
        Their names.

    Returns
    -------
    str
        Parted by commas, on one line.

    Examples
    --------
    >>> listed(["a", "b"])
    'a, b'
    """
    names = [repr(name[:_LONGEST_NAME])[1:-1] for name in columns[:_MOST_NAMES]]
    more = len(columns) - len(names)
    return ", ".join([*names, f"and {more} more"] if more else names)
