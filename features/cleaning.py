"""From raw rows to clean rows and rejected rows with a reason: none is lost, none is guessed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from features.ledger import date_of
from features.schema import KEY_COLUMN, TABLES
from features.sources import RawTable, Source, SourceError

__all__ = ["FIELDS", "Cleaned", "clean_order_lines", "source_mark"]

Kind = Literal["text", "number", "day", "flag"]

# What a source may say of an order line. They differ from the ledger's columns where sources do:
# a price and a quantity make a revenue, a point in time makes a day.
FIELDS: Mapping[str, Mapping[str, Kind]] = {
    "order_lines": {
        "line_id": "text",
        "order_id": "text",
        "customer_id": "text",
        "ordered_at": "day",
        "revenue": "number",
        "unit_price": "number",
        "quantity": "number",
        "cost": "number",
        "unit_cost": "number",
        "profit": "number",
        "discount": "number",
        "product_id": "text",
        "category": "text",
        "channel": "text",
        "cancelled": "flag",
    }
}

# Only dates that begin with the year are the same day to every reader.
_YEAR_FIRST = [
    day + time
    for day in ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d")
    for time in ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M", "T%H:%M:%S", "T%H:%M:%S.%f")
]
# Ledgers are younger; a date before it is a default value or a slip. 1900-01-01 itself is what SQL
# Server and DuckDB make of no date at all.
_EARLIEST = "1900-01-02"
_FAR_FUTURE = 2**31 - 1
_TRUE = ["1", "1.0", "true", "t", "yes", "y", "x", "cancelled", "canceled"]


def source_mark(source: str) -> bytes:
    """Name a source in four bytes, with which the keys of all its rows begin.

    Parameters
    ----------
    source : str
        Its name.

    Returns
    -------
    bytes
        Two sources that both count their lines from 1 do not get in each other's way.

    Examples
    --------
    >>> source_mark("shop_a").hex()
    '011d2e51'
    """
    return hashlib.md5(source.encode(), usedforsecurity=False).digest()[:4]


@dataclass(frozen=True)
class Cleaned:
    """What cleaning made of a source.

    Parameters
    ----------
    rows : pyarrow.Table
        Clean rows in the canonical table's columns.
    rejected : pyarrow.Table
        The others: `source_row`, `reason`, `content` (the row as JSON) and `row_key`.
    n_read : int
        How many rows the source held: clean and rejected together.
    warnings : tuple of str
        What a careful reader should know of the clean rows.
    fields : tuple of str
        The fields that the source has.
    """

    rows: pa.Table
    rejected: pa.Table
    n_read: int
    warnings: tuple[str, ...]
    fields: tuple[str, ...]

    def counts_by_reason(self) -> dict[str, int]:
        """Count the rejected rows by reason.

        Returns
        -------
        dict of str to int
            The most frequent reason first.
        """
        counts = pc.value_counts(self.rejected["reason"]).to_pylist()
        return {
            c["values"]: c["counts"]
            for c in sorted(counts, key=lambda c: (-c["counts"], c["values"]))
        }


def clean_order_lines(
    raw: RawTable, source: Source, *, time_zone: str = "UTC", latest_day: int | None = None
) -> Cleaned:
    """Turn the raw rows of a source into order lines.

    Returns and cancelled orders are kept as negative revenue. Exact duplicates are rejected where
    the source has a line key or says so; elsewhere they may well be real, and are kept.

    Parameters
    ----------
    raw : RawTable
        The rows, named after the fields of order lines.
    source : Source
        How the source writes dates and numbers, and what it wants done with duplicates.
    time_zone : str, default "UTC"
        The company's; moments that name their own zone are moved to it before the day is taken.
    latest_day : int, optional
        The last day an order can be of, in days since 1970-01-01.

    Returns
    -------
    Cleaned
        Clean rows, rejected rows and warnings.

    Raises
    ------
    SourceError
        If the source lacks a field that no order line can do without, or its date_format is none.
    """
    present = set(raw.rows.schema.names)
    _check_fields(raw, present)
    latest = latest_day if latest_day is not None else _FAR_FUTURE
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = $zone", {"zone": time_zone})
        _check_date_format(connection, raw, source)
        connection.register("raw", raw.rows)
        for step in (_typed, _judged, _keyed):
            statement, parameters = step(raw, source, latest)
            connection.execute(statement, parameters)
        names = TABLES["order_lines"].names
        clean = _fetch(connection, f"SELECT {', '.join(names)} FROM keyed WHERE reason IS NULL")
        rejected = _fetch(
            connection,
            f"SELECT keyed.source_row, reason, {_as_json(raw)} AS content, {KEY_COLUMN} "
            "FROM keyed JOIN raw USING (source_row) WHERE reason IS NOT NULL ORDER BY source_row",
        )
        twins = _fetch(connection, "SELECT nth FROM keyed WHERE reason IS NULL AND nth > 1")
    no_key = pa.nulls(len(raw.malformed), pa.binary())
    rejected = pa.concat_tables([rejected, raw.malformed.append_column(KEY_COLUMN, no_key)])
    return Cleaned(
        clean.cast(TABLES["order_lines"].arrow_schema),
        rejected,
        raw.n_read,
        _warnings(present, n_twins=len(twins)),
        tuple(field for field in FIELDS["order_lines"] if field in present),
    )


def _check_fields(raw: RawTable, present: set[str]) -> None:
    has_revenue = "revenue" in present or {"unit_price", "quantity"} <= present
    for field, is_there in (
        ("customer_id", "customer_id" in present),
        ("ordered_at", "ordered_at" in present),
        ("revenue (or unit_price and quantity)", has_revenue),
    ):
        if not is_there:
            name = field.split()[0]
            raise SourceError(
                f"Source '{raw.source}' has no column for {field}. "
                f'Map it, for example {name} = "<its column>" under the source\'s columns in '
                f"worth.toml, or --map {name}=<its column>."
            )


def _check_date_format(
    connection: duckdb.DuckDBPyConnection, raw: RawTable, source: Source
) -> None:
    if source.date_format is None:
        return
    try:
        connection.execute(
            "SELECT try_strptime('', $format)", {"format": source.date_format}
        ).fetchall()
    except duckdb.InvalidInputException as error:
        raise SourceError(
            f"The date_format of source '{raw.source}' must be written like %d.%m.%Y %H:%M. "
            f"Got {source.date_format!r}."
        ) from error


_Step = tuple[str, dict[str, object]]


def _typed(raw: RawTable, source: Source, latest: int) -> _Step:
    """Read each field as what it is; what cannot be read becomes null."""
    del latest
    types = {field.name: field.type for field in raw.rows.schema}
    columns = [
        f"{_reader(kind, field, types.get(field), source)} AS {field}"
        for field, kind in FIELDS["order_lines"].items()
    ]
    unread = [
        f"({field} IS NOT NULL AND {_as_text(field)} <> '') AS has_{field}"
        if field in types
        else f"FALSE AS has_{field}"
        for field in FIELDS["order_lines"]
    ]
    read = ", ".join(["source_row", "source_content", *columns, *unread])
    statement = f"CREATE TEMP TABLE typed AS SELECT {read} FROM raw"
    parameters = {
        "date_formats": [source.date_format] if source.date_format else _YEAR_FIRST,
        "thousands": source.thousands,
        "true": _TRUE,
    }
    return statement, {name: value for name, value in parameters.items() if f"${name}" in statement}


def _as_text(column: str) -> str:
    return f"TRIM(CAST({column} AS VARCHAR))"


def _reader(kind: Kind, column: str, dtype: pa.DataType | None, source: Source) -> str:
    """Write the SQL that reads one column; its name is one of ours, never the user's."""
    if dtype is None:
        return {"text": "NULL::VARCHAR", "number": "NULL::DOUBLE", "day": "NULL::DATE"}.get(
            kind, "FALSE"
        )
    if kind == "text":
        return _text_reader(column, dtype)
    if kind == "number":
        return _number_reader(column, dtype, source.decimal)
    if kind == "day":
        return _day_reader(column, dtype, has_format=source.date_format is not None)
    return f"COALESCE(list_contains($true, LOWER({_as_text(column)})), FALSE)"


def _text_reader(column: str, dtype: pa.DataType) -> str:
    if pa.types.is_floating(dtype):
        # A column of whole numbers with gaps is often stored as floats: 17850.0 is customer 17850.
        return (
            f"CASE WHEN NOT isfinite({column}) THEN NULL WHEN {column} = FLOOR({column}) "
            f"THEN COALESCE(TRY_CAST({column} AS HUGEINT)::VARCHAR, {column}::VARCHAR) "
            f"ELSE {column}::VARCHAR END"
        )
    return f"NULLIF({_as_text(column)}, '')"


def _number_reader(column: str, dtype: pa.DataType, decimal: str) -> str:
    if _is_text(dtype):
        plain = f"REPLACE({_as_text(column)}, $thousands, '')"
        if decimal == ",":
            # A point that is left is no sign of this source: 1.234 may well be a thousand.
            plain = f"TRANSLATE({plain}, ',.', '.?')"
        return f"TRY_CAST({plain} AS DOUBLE)"
    return f"TRY_CAST({column} AS DOUBLE)"


def _day_reader(column: str, dtype: pa.DataType, *, has_format: bool) -> str:
    if pa.types.is_timestamp(dtype) or pa.types.is_date(dtype):
        # With a zone of its own DuckDB moves the moment to the session's, which is the company's.
        return f"TRY_CAST({column} AS DATE)"
    text = _text_reader(column, dtype)
    by_format = f"TRY_CAST(try_strptime({text}, $date_formats) AS DATE)"
    if has_format:
        return by_format
    names_its_zone = rf"LENGTH({text}) > 16 AND regexp_matches({text}, '(Z|[+-]\d\d:?\d\d)$')"
    return (
        f"CASE WHEN {names_its_zone} THEN CAST(TRY_CAST({text} AS TIMESTAMPTZ) AS DATE) "
        f"ELSE {by_format} END"
    )


def _is_text(dtype: pa.DataType) -> bool:
    return bool(pa.types.is_string(dtype) or pa.types.is_large_string(dtype))


def _judged(raw: RawTable, source: Source, latest: int) -> _Step:
    """Derive the ledger's columns and give each row that cannot be believed its reason."""
    present = set(raw.rows.schema.names)
    numbers = [f for f, kind in FIELDS["order_lines"].items() if kind == "number" and f in present]
    faults = [
        ("customer_id IS NULL", "customer_id is missing"),
        ("NOT has_ordered_at", "ordered_at is missing"),
        ("day IS NULL", "ordered_at is not a date" + _format_hint(source)),
        (f"ordered_on < DATE '{_EARLIEST}'", f"ordered_at is before {_EARLIEST}"),
        ("day > $latest", f"ordered_at is after {_latest_text(latest)}"),
        *((f"has_{f} AND {f}_read IS NULL", f"{f} is not a number") for f in numbers),
        *((f"NOT isfinite({f}_read)", f"{f} is not finite") for f in numbers),
        ("revenue IS NULL", "revenue is missing"),
        ("NOT isfinite(revenue)", "revenue is not finite"),
    ]
    if "order_id" in present:
        faults.append(("order_id IS NULL", "order_id is missing"))
    reasons = " ".join(f"WHEN {fault} THEN $reason_{n}" for n, (fault, _) in enumerate(faults))
    order_id = "order_id" if "order_id" in present else "customer_id || ' ' || ordered_on"
    # A credit is a credit however its source writes the sign.
    statement = f"""
        CREATE TEMP TABLE judged AS
        WITH read AS (
            SELECT *, ordered_at AS ordered_on,
                COALESCE(revenue, quantity * unit_price) AS amount,
                COALESCE(cancelled, FALSE)
                    OR COALESCE(starts_with(order_id, $cancelled_prefix), FALSE) AS is_cancelled,
                {", ".join(f"{f} AS {f}_read" for f in numbers)}
            FROM typed
        ), signed AS (
            SELECT * EXCLUDE (revenue, quantity, cost, discount, order_id),
                COALESCE(quantity < 0, FALSE) OR COALESCE(amount < 0, FALSE) OR is_cancelled
                    AS is_return,
                CASE WHEN is_return THEN -ABS(amount) ELSE amount END AS revenue,
                CASE WHEN is_return THEN -ABS(quantity) ELSE quantity END AS quantity,
                ABS(discount) AS discount,
                COALESCE(cost, quantity * unit_cost, amount - profit) AS cost_amount,
                CASE WHEN is_return THEN -ABS(cost_amount) ELSE cost_amount END AS cost,
                date_diff('day', DATE '1970-01-01', ordered_on) AS day,
                {order_id} AS order_id
            FROM read
        )
        SELECT *, CASE {reasons} END AS reason FROM signed
    """
    parameters: dict[str, object] = {f"reason_{n}": reason for n, (_, reason) in enumerate(faults)}
    # No order id starts with a line break, so without a prefix nothing is cancelled by it.
    parameters |= {"latest": latest, "cancelled_prefix": source.cancelled_prefix or "\n"}
    return statement, parameters


def _format_hint(source: Source) -> str:
    if source.date_format:
        return f" written as {source.date_format}"
    return " that begins with the year (date_format says how others are written)"


def _latest_text(latest: int) -> str:
    return "" if latest == _FAR_FUTURE else f"{date_of(latest):%Y-%m-%d}, the day of loading"


def _keyed(raw: RawTable, source: Source, latest: int) -> _Step:
    """Give each row its identity, and find those that repeat another."""
    del latest
    present = raw.rows.schema.names
    has_line_key = "line_id" in present
    # Many systems count lines within the order.
    line_key = "order_id, line_id" if "order_id" in present else "line_id"
    identity = f"'key', {line_key}" if has_line_key else "'content', content, nth_of_content"
    content = ", ".join(
        f"COALESCE(CAST({name} AS VARCHAR), chr(30))"
        for name in TABLES["order_lines"].names
        if name != KEY_COLUMN
    )
    same_key = f"PARTITION BY reason, {line_key} ORDER BY source_row DESC"
    if has_line_key:
        repeats = f"""
            WHEN line_id IS NULL THEN 'line_id is missing'
            WHEN ROW_NUMBER() OVER ({same_key}) = 1 THEN NULL
            WHEN source_content = FIRST_VALUE(source_content) OVER ({same_key})
                THEN 'exact duplicate'
            ELSE 'replaced by a later row of the same line_id'"""
    elif source.duplicates == "reject":
        repeats = "WHEN nth > 1 THEN 'exact duplicate'"
    else:
        repeats = ""
    return (
        f"""
        CREATE TEMP TABLE keyed AS
        WITH told_apart AS (
            SELECT *, concat_ws(chr(31), {content}) AS content FROM judged
        ), counted AS (
            SELECT *,
                ROW_NUMBER() OVER (PARTITION BY source_content ORDER BY source_row) AS nth,
                ROW_NUMBER() OVER (
                    PARTITION BY content, reason ORDER BY source_row
                ) AS nth_of_content
            FROM told_apart
        )
        SELECT * REPLACE (CASE WHEN reason IS NOT NULL THEN reason {repeats} END AS reason),
            $source_mark || unhex(md5(concat_ws(chr(31), {identity})))[1:12] AS {KEY_COLUMN}
        FROM counted
    """,
        {"source_mark": source_mark(raw.source)},
    )


def _as_json(raw: RawTable) -> str:
    fields = [name for name in raw.rows.schema.names if name in FIELDS["order_lines"]]
    pairs = ", ".join(f"'{name}', raw.{name}" for name in fields)
    return f"CAST(json_object({pairs}) AS VARCHAR)"


def _fetch(connection: duckdb.DuckDBPyConnection, statement: str) -> pa.Table:
    return connection.sql(statement).to_arrow_table()


def _warnings(present: set[str], *, n_twins: int) -> tuple[str, ...]:
    warnings = []
    if n_twins and "line_id" not in present:
        warnings.append(
            f"Exact duplicates kept: {n_twins:,}. Rows without a line key may be real twins; map "
            'line_id, or set duplicates = "reject", to leave them out.'
        )
    if "order_id" not in present:
        warnings.append("There is no order_id: a customer's lines of one day count as one order.")
    return tuple(warnings)
