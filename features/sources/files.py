"""Read CSV and Parquet files, and say in one sentence why one cannot be read."""

import codecs
import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from features.sources.source import WHITESPACE, Source, SourceError, first_sentence

__all__ = ["read_file"]

_UTF_8 = "utf-8-sig"
_PARQUET_SUFFIXES = {".parquet", ".pq"}
_CHUNK = 2**20
_DELIMITERS = (",", ";", "\t", "|")
# Files that begin so say themselves what they are written in. UTF-32's begins like UTF-16's.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_file(source: Source, path: Path) -> tuple[pa.Table, Mapping[int, pa_csv.InvalidRow]]:
    """Read a CSV or Parquet file, whichever its ending says.

    Parameters
    ----------
    source : Source
        How the file is written.
    path : Path
        The file.

    Returns
    -------
    tuple of (pyarrow.Table, mapping of int to InvalidRow)
        The rows, and by their number those that could not be split into fields.

    Raises
    ------
    SourceError
        If the file is missing, empty or not what it says it is.
    """
    if not path.exists():
        raise SourceError(f"There is no file {path}. Check the path of the source.")
    if path.is_dir():
        raise SourceError(f"{path} is a folder. A source is one file.")
    if path.stat().st_size == 0:
        raise _empty(path)
    try:
        if path.suffix.lower() in _PARQUET_SUFFIXES:
            return _read_parquet(path), {}
        return _read_csv(_in_its_encoding(source, path), path)
    except PermissionError as error:
        raise SourceError(f"{path} may not be read by this user. Check its permissions.") from error


def _empty(path: Path) -> SourceError:
    return SourceError(f"{path} is empty. A table needs a header row and rows of data.")


def _read_parquet(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path)
        # Neither texts nor names are checked on reading.
        table.validate(full=True)
        assert all(isinstance(name, str) for name in table.schema.names)
        return table
    except PermissionError:
        raise
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise SourceError(
            f"{path} is not a Parquet file, or is cut off ({first_sentence(error)})."
        ) from error


def _read_csv(source: Source, path: Path) -> tuple[pa.Table, Mapping[int, pa_csv.InvalidRow]]:
    malformed: list[pa_csv.InvalidRow] = []

    def keep_malformed(row: pa_csv.InvalidRow) -> str:
        malformed.append(row)
        return "skip"

    try:
        _check_text(source, path)
        first_line = _first_line(source, path)
        if "\0" in first_line:
            raise SourceError(
                f"{path} has NUL signs in its first row, as UTF-16 read as {source.encoding} has. "
                'Set the encoding of the source, for example encoding = "utf-16-le".'
            )
        names = source.header or None
        if source.delimiter == WHITESPACE:
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
            f"{path} is not a table in {source.encoding} text ({first_sentence(error)}). "
            'Set encoding and delimiter of the source, for example encoding = "gb18030".'
        ) from error
    # Arrow counts the header, where there is one, as row 1.
    n_header_rows = 0 if source.header else 1
    return table, {row.number - n_header_rows: row for row in malformed}


def _check_text(source: Source, path: Path) -> None:
    """Decode all of the file: of rows that it cannot split, Arrow does not check the signs."""
    with path.open(encoding=_without_mark(source.encoding), newline="") as file:
        while file.read(_CHUNK):
            pass


def _first_line(source: Source, path: Path) -> str:
    with path.open(encoding=_without_mark(source.encoding)) as file:
        line = next((line for line in file if line.strip()), None)
    if line is None:
        raise _empty(path)
    return line


def _header(source: Source, path: Path, delimiter: str) -> list[str]:
    if source.delimiter == WHITESPACE:
        rows = csv.reader(_tabbed_lines(source, path), delimiter=delimiter)
        return next(filter(None, rows))
    with path.open(encoding=_without_mark(source.encoding), newline="") as file:
        return next(filter(None, csv.reader(file, delimiter=delimiter)))


def _in_its_encoding(source: Source, path: Path) -> Source:
    """Believe a byte order mark where the source does not say otherwise."""
    if _without_mark(source.encoding) != _UTF_8:
        return source
    with path.open("rb") as file:
        start = file.read(4)
    encoding = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
    return source.model_copy(update={"encoding": encoding}) if encoding else source


def _without_mark(encoding: str) -> str:
    return _UTF_8 if encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else encoding


def _tabbed_lines(source: Source, path: Path) -> Iterator[str]:
    with path.open(encoding=_without_mark(source.encoding)) as file:
        yield from ("\t".join(line.split()) + "\n" for line in file)
