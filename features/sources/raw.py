"""A source's rows, named after the fields of their table but not yet believed."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from features.sources.databases import read_database
from features.sources.files import read_file
from features.sources.frames import check_unique, from_pandas
from features.sources.source import Source, SourceError

__all__ = ["RawTable", "read", "read_dataframe"]


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


_MALFORMED_SCHEMA = pa.schema(
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
        table, malformed = read_file(source, source.path)
    elif source.url is not None:
        table, malformed = read_database(source, name), {}
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
    table = from_pandas(frame, place)
    return _as_raw(table, {}, columns or {}, name=name, place=place, fields=fields)


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
    check_unique(present, place)
    _check_mapping(mapping, present, name=name, place=place, fields=fields)
    chosen = {f: mapping.get(f, f) for f in fields if mapping.get(f, f) in present}
    if len(table) + len(malformed) == 0:
        raise SourceError(f"{place} has columns but not one row of data.")
    positions, broken = _row_numbers(len(table), malformed)
    columns = {f: _plain(table[column]) for f, column in chosen.items()}
    columns |= {"source_row": pa.array(positions, pa.int64()), "source_content": _digests(table)}
    return RawTable(name, pa.table(columns), broken)


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
        return range(1, n_rows + 1), _MALFORMED_SCHEMA.empty_table()
    whole = (n for n in range(1, n_rows + len(malformed) + 1) if n not in malformed)
    reasons = [
        f"row has {row.actual_columns} fields, not {row.expected_columns}"
        for row in malformed.values()
    ]
    texts = [row.text for row in malformed.values()]
    return whole, pa.table([list(malformed), reasons, texts], schema=_MALFORMED_SCHEMA)
