"""A source's rows, named after the fields of their table but not yet believed."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from features.sources.databases import read_database
from features.sources.files import read_file
from features.sources.frames import check_unique, from_pandas
from features.sources.scratch import scratch
from features.sources.source import Source, SourceError, listed

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
    columns : tuple of str
        What the source itself calls its columns, mapped or not.
    attributes : mapping of str to str
        From the source's name of a column that is kept as a further fact to its name in `rows`.
    """

    source: str
    rows: pa.Table
    malformed: pa.Table
    columns: tuple[str, ...]
    attributes: Mapping[str, str]

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
    return _as_raw(table, malformed, source, name=name, place=place, fields=fields)


def read_dataframe(
    frame: pd.DataFrame,
    *,
    name: str,
    fields: Sequence[str],
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    attributes: Sequence[str] = (),
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
    constants : mapping of str to str, optional
        From a field without a column to what it would say in every row.
    attributes : sequence of str
        Columns to keep as further facts.

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
    described = Source(
        table="customers" if attributes else "order_lines",
        columns=dict(columns or {}),
        constants=dict(constants or {}),
        attributes=list(attributes),
    )
    table = from_pandas(frame, place)
    return _as_raw(table, {}, described, name=name, place=place, fields=fields)


def _as_raw(
    table: pa.Table,
    malformed: Mapping[int, pa_csv.InvalidRow],
    source: Source,
    *,
    name: str,
    place: str,
    fields: Sequence[str],
) -> RawTable:
    # Spreadsheets leave columns without a name behind; nothing can be mapped to them.
    table = table.select([n for n, column in enumerate(table.schema.names) if column])
    present = table.schema.names
    check_unique(present, place)
    table = pa.table({column: _plain(table[column]) for column in present})
    _check_mapping(source.columns, present, name=name, place=place, fields=fields)
    chosen = {f: source.columns.get(f, f) for f in fields if source.columns.get(f, f) in present}
    _check_constants(source.constants, chosen, name=name, fields=fields)
    _check_attributes(source.attributes, present, name=name, place=place)
    if len(table) + len(malformed) == 0:
        raise SourceError(f"{place} has columns but not one row of data.")
    positions, broken = _row_numbers(len(table), malformed)
    attributes = {column: f"attribute_{n}" for n, column in enumerate(source.attributes)}
    columns = {f: table[column] for f, column in chosen.items()}
    columns |= {f: pa.repeat(text, len(table)) for f, text in source.constants.items()}
    columns |= {own: table[column] for column, own in attributes.items()}
    columns |= {
        "source_row": pa.array(positions, pa.int64()),
        "source_content": _digests(table, place),
    }
    return RawTable(name, pa.table(columns), broken, tuple(present), attributes)


def _digests(table: pa.Table, place: str) -> pa.ChunkedArray:
    with scratch(place) as connection:
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
    _check_known(mapping, "maps", name=name, fields=fields)
    if mapping and not set(mapping.values()) & set(present):
        hint = (
            " If that is a row of data, header = [...] names the columns; if it is one column, "
            "delimiter tells what parts them."
        )
    else:
        hint = ""
    for field, column in mapping.items():
        if column not in present:
            raise SourceError(
                f"Source '{name}' maps {field} to column {column!r}, which {place} does not have"
                f"{_did_you_mean(column, present)}. It has: {listed(present)}.{hint}"
            )


def _check_constants(
    constants: Mapping[str, str],
    chosen: Mapping[str, str],
    *,
    name: str,
    fields: Sequence[str],
) -> None:
    _check_known(constants, "has a constant for", name=name, fields=fields)
    for field in constants:
        if field in chosen:
            raise SourceError(
                f"Source '{name}' has a constant for {field}, and a column {chosen[field]!r} too. "
                "A constant is for a field without a column: leave it out, or map the field to "
                "another column."
            )


def _check_known(given: Iterable[str], does_what: str, *, name: str, fields: Sequence[str]) -> None:
    for field in given:
        if field not in fields:
            raise SourceError(
                f"Source '{name}' {does_what} an unknown field {field!r}"
                f"{_did_you_mean(field, fields)}. Known fields: {', '.join(fields)}."
            )


def _check_attributes(
    attributes: Sequence[str], present: Sequence[str], *, name: str, place: str
) -> None:
    check_unique(attributes, f"The list of attributes of source '{name}'")
    for column in attributes:
        if column not in present:
            raise SourceError(
                f"Source '{name}' keeps the attribute {column!r}, a column that {place} does not "
                f"have{_did_you_mean(column, present)}. It has: {listed(present)}."
            )


def _did_you_mean(word: str, words: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Undo what some writers do to types and DuckDB cannot follow."""
    if pa.types.is_dictionary(column.type):
        return _plain(column.cast(column.type.value_type))
    if pa.types.is_float16(column.type):
        return column.cast(pa.float32())
    if pa.types.is_timestamp(column.type) and column.type.unit in {"s", "ms"}:
        try:
            return column.cast(pa.timestamp("us", column.type.tz))
        except pa.ArrowInvalid:
            # Beyond any calendar; as text it is no date, and its row is rejected for it.
            return column.cast(pa.string())
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
