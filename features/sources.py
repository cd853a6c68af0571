"""Where a table comes from: CSV, Parquet, SQL database or dataframe, through a column mapping."""

import csv
import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from features.schema import TABLES

__all__ = ["RawTable", "Source", "SourceError", "read", "read_dataframe"]

_PARQUET_SUFFIXES = {".parquet", ".pq"}
_DELIMITERS = (",", ";", "\t", "|")
_WHITESPACE = "whitespace"


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
    duplicates : {"auto", "keep", "reject"}, default "auto"
        What to do with exact duplicates: "auto" rejects them where `line_id` is mapped.
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
    duplicates: Literal["auto", "keep", "reject"] = "auto"
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
        if delimiter is not None and delimiter != _WHITESPACE and len(delimiter) != 1:
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


@dataclass(frozen=True)
class RawTable:
    """What a source holds, named after the fields of its table but not yet believed.

    Parameters
    ----------
    source : str
        The source's name, for messages and for rejected rows.
    rows : pyarrow.Table
        One column a field, of whatever type the source has, `source_row` (1 is the first row of
        data) and `source_content` (a digest of the whole row, unmapped columns too).
    malformed : pyarrow.Table
        Rows that could not even be split into fields: `source_row`, `reason` and `content`.
    """

    source: str
    rows: pa.Table
    malformed: pa.Table

    @property
    def n_read(self) -> int:
        """How many rows the source holds."""
        return len(self.rows) + len(self.malformed)


MALFORMED_SCHEMA = pa.schema(
    [("source_row", pa.int64()), ("reason", pa.string()), ("content", pa.string())]
)


def read(source: Source, *, name: str, fields: Sequence[str]) -> RawTable:
    """Read a source and name its columns after the table's fields.

    Parameters
    ----------
    source : Source
        Where the rows are.
    name : str
        What to call the source.
    fields : sequence of str
        The fields that the table's cleaning knows.

    Returns
    -------
    RawTable
        All rows, in the source's order.

    Raises
    ------
    SourceError
        If the source is missing, empty, not what it says it is, or lacks a mapped column.
    """
    if source.path is not None:
        table, malformed = _read_file(source, source.path)
    elif source.url is not None:
        table, malformed = _read_database(source, name), {}
    else:
        raise SourceError(f"Source '{name}' has neither a path nor a url. Give it one of them.")
    place = source.path.name if source.path is not None else f"the query of source '{name}'"
    return _as_raw(table, malformed, source.columns, name=name, place=place, fields=fields)


def read_dataframe(
    frame: pd.DataFrame,
    *,
    name: str,
    fields: Sequence[str],
    columns: Mapping[str, str] | None = None,
) -> RawTable:
    """Take a dataframe as a source.

    Parameters
    ----------
    frame : DataFrame
        One row a row of the table.
    name : str
        What to call the source.
    fields : sequence of str
        The fields that the table's cleaning knows.
    columns : mapping of str to str, optional
        From a field to the dataframe's column.

    Returns
    -------
    RawTable
        All rows, in the dataframe's order.

    Raises
    ------
    SourceError
        If the dataframe is empty, lacks a mapped column or has one of mixed types.
    """
    place = f"dataframe '{name}'"
    table = _from_pandas(frame, place)
    return _as_raw(table, {}, columns or {}, name=name, place=place, fields=fields)


def _read_file(source: Source, path: Path) -> tuple[pa.Table, Mapping[int, pa_csv.InvalidRow]]:
    if not path.exists():
        raise SourceError(f"There is no file {path}. Check the path of the source.")
    if path.is_dir():
        raise SourceError(f"{path} is a folder. A source is one file.")
    if path.stat().st_size == 0:
        raise _empty(path)
    try:
        if path.suffix.lower() in _PARQUET_SUFFIXES:
            return _read_parquet(path), {}
        return _read_csv(source, path)
    except PermissionError as error:
        raise SourceError(f"{path} may not be read by this user. Check its permissions.") from error


def _empty(path: Path) -> SourceError:
    return SourceError(f"{path} is empty. A table needs a header row and rows of data.")


def _read_parquet(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except PermissionError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{path} is not a Parquet file, or is cut off ({_first_sentence(error)})."
        ) from error


def _read_csv(source: Source, path: Path) -> tuple[pa.Table, Mapping[int, pa_csv.InvalidRow]]:
    malformed: list[pa_csv.InvalidRow] = []

    def keep_malformed(row: pa_csv.InvalidRow) -> str:
        malformed.append(row)
        return "skip"

    try:
        first_line = _first_line(source, path)
        names = source.header or None
        if source.delimiter == _WHITESPACE:
            delimiter, encoding = "\t", "utf-8"
            stream = pa.BufferReader("".join(_tabbed_lines(source, path)).encode())
        else:
            delimiter = source.delimiter or max(_DELIMITERS, key=first_line.count)
            stream, encoding = pa.input_stream(path), source.encoding
        # Arrow guesses the type of a column it is not told of, and 007 would become 7.
        columns = names or _header(source, path, delimiter)
        table = pa_csv.read_csv(
            stream,
            # One thread, because only then does Arrow tell the number of a malformed row.
            read_options=pa_csv.ReadOptions(
                use_threads=False, encoding=encoding, column_names=names
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter, invalid_row_handler=keep_malformed, newlines_in_values=True
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except LookupError as error:
        raise SourceError(
            f"The encoding of {path} must be one Python knows, such as utf-8, utf-16, gb18030 or "
            f"latin-1. Got {source.encoding!r}."
        ) from error
    except (UnicodeError, csv.Error, pa.ArrowInvalid) as error:
        raise SourceError(
            f"{path} is not a table in {source.encoding} text ({_first_sentence(error)}). "
            'Set encoding and delimiter of the source, for example encoding = "gb18030".'
        ) from error
    # Arrow counts the header, where there is one, as row 1.
    n_header_rows = 0 if source.header else 1
    return table, {row.number - n_header_rows: row for row in malformed}


def _first_line(source: Source, path: Path) -> str:
    with path.open(encoding=_without_mark(source.encoding)) as file:
        line = next((line for line in file if line.strip()), None)
    if line is None:
        raise _empty(path)
    return line


def _header(source: Source, path: Path, delimiter: str) -> list[str]:
    if source.delimiter == _WHITESPACE:
        rows = csv.reader(_tabbed_lines(source, path), delimiter=delimiter)
        return next(filter(None, rows))
    with path.open(encoding=_without_mark(source.encoding), newline="") as file:
        return next(filter(None, csv.reader(file, delimiter=delimiter)))


def _without_mark(encoding: str) -> str:
    return "utf-8-sig" if encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else encoding


def _tabbed_lines(source: Source, path: Path) -> Iterator[str]:
    with path.open(encoding=_without_mark(source.encoding)) as file:
        yield from ("\t".join(line.split()) + "\n" for line in file)


def _read_database(source: Source, name: str) -> pa.Table:
    assert source.url is not None
    assert source.query is not None
    try:
        url = sa.make_url(source.url.get_secret_value())
    except (sa.exc.ArgumentError, ValueError):
        raise SourceError(
            f"The url of source '{name}' is not the address of a database. It is written "
            "dialect://user:password@host/database."
        ) from None
    is_sqlite_file = url.get_backend_name() == "sqlite" and url.database
    if is_sqlite_file and not Path(str(url.database)).exists():
        raise SourceError(f"There is no database {url.database}. Check the url of source '{name}'.")
    try:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            frame = pd.read_sql_query(sa.text(source.query), connection, dtype_backend="pyarrow")
    except (sa.exc.NoSuchModuleError, ImportError) as error:
        raise SourceError(
            f"There is no driver for the database of source '{name}' ({_first_sentence(error)}). "
            "Install it beside Worth, for example psycopg for PostgreSQL."
        ) from None
    except (sa.exc.SQLAlchemyError, pd.errors.DatabaseError, ValueError, TypeError) as error:
        raise SourceError(
            f"The database of source '{name}' did not answer its query: "
            f"{_words_of_driver(error, url)}. Check url and query."
        ) from None
    return _from_pandas(frame, f"the query of source '{name}'")


def _words_of_driver(error: BaseException, url: sa.URL) -> str:
    """Pass on what the driver says, but never the password of the address."""
    if isinstance(error, pd.errors.DatabaseError):
        error = error.__cause__ or error
    words = _first_sentence(getattr(error, "orig", None) or error)
    return words.replace(url.password, "***") if url.password else words


def _from_pandas(frame: pd.DataFrame, place: str) -> pa.Table:
    _check_unique([str(name) for name in frame.columns], place)
    # Moments with a zone go over as Arrow's own type: by its road through NumPy pandas 3 warns.
    zoned = frame.select_dtypes("datetimetz").dtypes
    frame = frame.astype({n: pd.ArrowDtype(pa.timestamp(t.unit, "UTC")) for n, t in zoned.items()})
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise SourceError(
            f"{place} has a column of mixed types ({error.args[-1]}). Give it one, such as text."
        ) from error


def _first_sentence(error: BaseException) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__


def _as_raw(
    table: pa.Table,
    malformed: Mapping[int, pa_csv.InvalidRow],
    mapping: Mapping[str, str],
    *,
    name: str,
    place: str,
    fields: Sequence[str],
) -> RawTable:
    present = table.schema.names
    _check_unique(present, place)
    _check_mapping(mapping, present, name=name, place=place, fields=fields)
    chosen = {f: mapping.get(f, f) for f in fields if mapping.get(f, f) in present}
    if len(table) + len(malformed) == 0:
        raise SourceError(f"{place} has columns but not one row of data.")
    positions, broken = _row_numbers(len(table), malformed)
    columns = {f: _plain(table[column]) for f, column in chosen.items()}
    columns |= {"source_row": pa.array(positions, pa.int64()), "source_content": _digests(table)}
    return RawTable(name, pa.table(columns), broken)


def _check_unique(names: Sequence[str], place: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise SourceError(
            f"{place} has more than one column {twice[0]!r}. Column names are unique."
        )


def _digests(table: pa.Table) -> pa.ChunkedArray:
    with duckdb.connect() as connection:
        connection.register("source", table)
        digests = connection.sql("SELECT md5(CAST(source AS VARCHAR)) AS digest FROM source")
        return digests.to_arrow_table()["digest"]


def _check_mapping(
    mapping: Mapping[str, str],
    present: Sequence[str],
    *,
    name: str,
    place: str,
    fields: Sequence[str],
) -> None:
    for field, column in mapping.items():
        if field not in fields:
            raise SourceError(
                f"Source '{name}' maps an unknown field {field!r}{_did_you_mean(field, fields)}. "
                f"Known fields: {', '.join(fields)}."
            )
        if column not in present:
            raise SourceError(
                f"Source '{name}' maps {field} to column {column!r}, which {place} does not have"
                f"{_did_you_mean(column, present)}. It has: {', '.join(present)}."
            )


def _did_you_mean(word: str, words: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Undo dictionary encoding, which some writers use for repeated texts."""
    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column


def _row_numbers(
    n_rows: int, malformed: Mapping[int, pa_csv.InvalidRow]
) -> tuple[Iterable[int], pa.Table]:
    if not malformed:
        return range(1, n_rows + 1), MALFORMED_SCHEMA.empty_table()
    whole = (n for n in range(1, n_rows + len(malformed) + 1) if n not in malformed)
    reasons = [
        f"row has {row.actual_columns} fields, not {row.expected_columns}"
        for row in malformed.values()
    ]
    texts = [row.text for row in malformed.values()]
    return whole, pa.table([list(malformed), reasons, texts], schema=MALFORMED_SCHEMA)
