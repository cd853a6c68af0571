"""One source, as `worth.toml` describes it."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from features.schema import TABLES

__all__ = ["WHITESPACE", "Source", "SourceError", "first_sentence"]

WHITESPACE = "whitespace"


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
    date_format : str, optional
        How days are written, for example "%d.%m.%Y %H:%M". Without it only year-first dates are
        read, because 01/02/2011 is two days.
    decimal : {".", ","}, default "."
        Sign before the fraction.
    thousands : str, default ""
        Sign between thousands.
    duplicates : {"keep", "reject"}, default "keep"
        What to do with exact duplicates. Where `line_id` is mapped they are rejected in any case:
        one line has one content.
    cancelled_prefix : str, optional
        Orders whose `order_id` starts so are cancellations: their revenue counts negative.
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
    date_format: str | None = None
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'"] = ""
    duplicates: Literal["keep", "reject"] = "keep"
    cancelled_prefix: str | None = None

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
