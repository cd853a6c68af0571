"""The SQL that reads a source's column as what it is; what cannot be read becomes null."""

import pyarrow as pa

from features.cleaning.fields import Kind
from features.sources import Source

__all__ = [
    "as_text",
    "date_hint",
    "is_text",
    "number_reader",
    "reader",
    "reader_parameters",
    "text_reader",
]

_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M", "T%H:%M:%S", "T%H:%M:%S.%f")
# Only dates that begin with the year, or name the month, are the same day to every reader.
_UNAMBIGUOUS = [
    day + time
    for days, times in (
        (("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"), _TIMES),
        (("%d %b %Y", "%d-%b-%Y", "%d/%b/%Y", "%b %d, %Y", "%b %d %Y"), _TIMES[:3]),
        (("%d %B %Y", "%d-%B-%Y", "%d/%B/%Y", "%B %d, %Y", "%B %d %Y"), _TIMES[:3]),
    )
    for day in days
    for time in times
]
_TRUE = ["1", "1.0", "true", "t", "yes", "y", "x"]
_FALSE = ["0", "0.0", "false", "f", "no", "n"]
# A column that marks the cancelled rows often says just this.
_MARKED = [*_TRUE, "cancelled", "canceled"]
_NULLS = {
    "text": "NULL::VARCHAR",
    "number": "NULL::DOUBLE",
    "day": "NULL::DATE",
    "flag": "NULL::TINYINT",
    "mark": "FALSE",
}


def as_text(column: str) -> str:
    """Write the SQL of a column as text, without the blanks around it.

    Parameters
    ----------
    column : str
        One of our names, never the user's.

    Returns
    -------
    str
        An SQL expression.
    """
    return f"TRIM(CAST({column} AS VARCHAR))"


def reader(kind: Kind, column: str, dtype: pa.DataType | None, source: Source) -> str:
    """Write the SQL that reads one column.

    Parameters
    ----------
    kind : {"text", "number", "day", "flag", "mark"}
        What it holds.
    column : str
        Its name, one of ours, never the user's.
    dtype : pyarrow.DataType or None
        Its type; None where the source does not have it.
    source : Source
        How it writes dates and numbers.

    Returns
    -------
    str
        An SQL expression, with `reader_parameters` for parameters.
    """
    if dtype is None:
        return _NULLS[kind]
    if kind == "text":
        return text_reader(column, dtype)
    if kind == "number":
        return number_reader(column, dtype, source.decimal)
    if kind == "day":
        return _day_reader(column, dtype, has_format=source.date_format is not None)
    word = f"LOWER({as_text(column)})"
    if kind == "mark":
        return f"COALESCE(list_contains($marked, {word}), FALSE)"
    return (
        f"CASE WHEN list_contains($true, {word}) THEN 1::TINYINT "
        f"WHEN list_contains($false, {word}) THEN 0::TINYINT END"
    )


def reader_parameters(source: Source) -> dict[str, object]:
    """Give the parameters of the readers' SQL.

    Parameters
    ----------
    source : Source
        How it writes dates and numbers.

    Returns
    -------
    dict of str to object
        By name; DuckDB refuses those that a statement does not use.
    """
    return {
        "date_formats": source.date_formats or _UNAMBIGUOUS,
        "thousands": source.thousands,
        "true": _TRUE,
        "false": _FALSE,
        "marked": _MARKED,
    }


def date_hint(source: Source) -> str:
    """Say how a date of a source is to be written.

    Parameters
    ----------
    source : Source
        With or without a date_format.

    Returns
    -------
    str
        The end of a sentence that begins "is not a date".
    """
    if source.date_formats:
        return f" written as {' or '.join(source.date_formats)}"
    return " that begins with the year or names the month (date_format says how others are written)"


def text_reader(column: str, dtype: pa.DataType) -> str:
    """Write the SQL that reads a column as text, such as an id.

    Parameters
    ----------
    column : str
        Its name, one of ours.
    dtype : pyarrow.DataType
        Its type.

    Returns
    -------
    str
        An SQL expression; null where there is nothing but blanks.
    """
    if pa.types.is_floating(dtype):
        # A column of whole numbers with gaps is often stored as floats: 17850.0 is customer 17850.
        return (
            f"CASE WHEN NOT isfinite({column}) THEN NULL WHEN {column} = FLOOR({column}) "
            f"THEN COALESCE(TRY_CAST({column} AS HUGEINT)::VARCHAR, {column}::VARCHAR) "
            f"ELSE {column}::VARCHAR END"
        )
    return f"NULLIF({as_text(column)}, '')"


def number_reader(column: str, dtype: pa.DataType, decimal: str) -> str:
    """Write the SQL that reads a column as numbers.

    Parameters
    ----------
    column : str
        Its name, one of ours.
    dtype : pyarrow.DataType
        Its type.
    decimal : {".", ","}
        The sign before the fraction, where it is text.

    Returns
    -------
    str
        An SQL expression; for text it has the parameter `thousands`.
    """
    if not is_text(dtype):
        return f"TRY_CAST({column} AS DOUBLE)"
    plain = f"REPLACE({as_text(column)}, $thousands, '')"
    if decimal == ",":
        # A point that is left is no sign of this source: 1.234 may well be a thousand.
        plain = f"TRANSLATE({plain}, ',.', '.?')"
    return f"TRY_CAST({plain} AS DOUBLE)"


def _day_reader(column: str, dtype: pa.DataType, *, has_format: bool) -> str:
    if pa.types.is_timestamp(dtype) or pa.types.is_date(dtype):
        # With a zone of its own DuckDB moves the moment to the session's, which is the company's.
        day = f"TRY_CAST({column} AS DATE)"
        # The ends of the scale stand for infinity, which is no day.
        return f"CASE WHEN isfinite({day}) THEN {day} END"
    text = text_reader(column, dtype)
    by_format = f"TRY_CAST(try_strptime({text}, $date_formats) AS DATE)"
    if has_format:
        return by_format
    names_its_zone = rf"regexp_matches({text}, '^\d{{4}}.*:\d\d.*(Z|[+-]\d\d:?\d\d)$')"
    return (
        f"CASE WHEN {names_its_zone} THEN CAST(TRY_CAST({text} AS TIMESTAMPTZ) AS DATE) "
        f"ELSE {by_format} END"
    )


def is_text(dtype: pa.DataType) -> bool:
    """Tell texts from numbers and dates.

    Parameters
    ----------
    dtype : pyarrow.DataType
        The type of a column.

    Returns
    -------
    bool
        Whether it holds texts.
    """
    return bool(pa.types.is_string(dtype) or pa.types.is_large_string(dtype))
