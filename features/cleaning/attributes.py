"""Further facts of a customer, as a JSON object: numbers stay numbers."""

import duckdb
import pyarrow as pa

from features.cleaning.readers import is_text, number_reader, text_reader
from features.cleaning.rules import Reading

__all__ = ["attributes_column"]


def attributes_column(
    connection: duckdb.DuckDBPyConnection, reading: Reading
) -> tuple[str, dict[str, object]]:
    """Write the SQL of the attributes of each row.

    A column of texts is one of numbers where each of them reads as a number and none begins with
    a zero that a number would lose, as 007 does.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the source's rows as `raw`.
    reading : Reading
        The source.

    Returns
    -------
    tuple of (str, dict of str to object)
        The SQL of the JSON text, null where the source has no attributes, and its parameters.
    """
    columns = reading.raw.attributes
    if not columns:
        return "NULL::VARCHAR", {}
    pairs = [
        f"$attribute_{n}, {_value(connection, reading, column)}"
        for n, column in enumerate(columns.values())
    ]
    names: dict[str, object] = {f"attribute_{n}": name for n, name in enumerate(columns)}
    return f"CAST(json_object({', '.join(pairs)}) AS VARCHAR)", names


def _value(connection: duckdb.DuckDBPyConnection, reading: Reading, column: str) -> str:
    dtype = reading.raw.rows.schema.field(column).type
    if pa.types.is_integer(dtype):
        return column
    number = number_reader(column, dtype, reading.source.decimal)
    if is_text(dtype) and not _holds_numbers(connection, reading, column, number):
        return text_reader(column, dtype)
    if is_text(dtype) or pa.types.is_floating(dtype) or pa.types.is_decimal(dtype):
        # JSON has no word for infinity.
        return f"CASE WHEN isfinite({number}) THEN {number} END"
    return text_reader(column, dtype)


def _holds_numbers(
    connection: duckdb.DuckDBPyConnection, reading: Reading, column: str, number: str
) -> bool:
    text = text_reader(column, pa.string())
    thousands = reading.source.thousands
    (answer,) = connection.execute(
        f"SELECT COALESCE(BOOL_AND({number} IS NOT NULL AND isfinite({number}) "
        rf"AND NOT regexp_matches({text}, '^[+-]?0\d')), FALSE) FROM raw WHERE {text} IS NOT NULL",
        {"thousands": thousands},
    ).fetchall()[0]
    return bool(answer)
