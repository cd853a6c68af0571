"""From raw rows to clean rows and rejected rows with a reason: none is lost, none is guessed."""

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from features.cleaning.cleaned import Cleaned
from features.cleaning.currencies import check_currency, rates_table
from features.cleaning.customers import CUSTOMERS
from features.cleaning.interactions import INTERACTIONS
from features.cleaning.invoices import INVOICES, SETTLED
from features.cleaning.order_lines import ORDER_LINES
from features.cleaning.payments import PAYMENTS
from features.cleaning.rules import LAST_DAY, Company, Reading, Rules
from features.cleaning.steps import is_keyed, judge, key, published, type_columns
from features.schema import KEY_COLUMN, TABLES
from features.sources import RawTable, Source, SourceError
from features.sources.scratch import scratch
from features.sources.source import listed

__all__ = ["clean"]

_RULES: Mapping[str, Rules] = {
    "order_lines": ORDER_LINES,
    "invoices": INVOICES,
    "payments": PAYMENTS,
    "interactions": INTERACTIONS,
    "customers": CUSTOMERS,
}
_INVOICES = pa.schema(
    [TABLES["invoices"].arrow_schema.field(name) for name in ("invoice_id", "customer_id", "day")]
)
_ALIASES = pa.schema([("alias", pa.string()), ("unified", pa.string())])
_NOBODY = Company()


def clean(
    raw: RawTable,
    source: Source,
    *,
    time_zone: str = "UTC",
    latest_day: int | None = None,
    company: Company = _NOBODY,
    invoices: pa.Table | None = None,
) -> Cleaned:
    """Turn the raw rows of a source into rows of its table.

    Of rows with the same key the last one counts, the others are rejected. Where a source has no
    key, exact duplicates may well be real, and are kept unless it says otherwise.

    Parameters
    ----------
    raw : RawTable
        The rows, named after the fields of the table.
    source : Source
        What table it fills, and how it writes dates and numbers.
    time_zone : str, default "UTC"
        The company's; moments that name their own zone are moved to it before the day is taken.
    latest_day : int, optional
        The last day something can have happened on, in days since 1970-01-01.
    company : Company, optional
        Its currency, rates and aliases of customers.
    invoices : pyarrow.Table, optional
        For a source of payments: `invoice_id`, `customer_id` and `day` of the invoices known.

    Returns
    -------
    Cleaned
        Clean rows, rejected rows and warnings.

    Raises
    ------
    SourceError
        If the source lacks a field that no row can do without, its date_format is none, or it
        names currencies and the company has none.
    """
    rules = _RULES[source.table]
    latest = LAST_DAY if latest_day is None else min(latest_day, LAST_DAY)
    reading = Reading(raw, source, company, latest, invoices)
    _check_fields(reading, rules)
    check_currency(reading)
    with scratch(f"Source '{raw.source}'") as connection:
        connection.execute("SET TimeZone = $zone", {"zone": time_zone})
        _check_date_formats(connection, reading)
        _register(connection, reading)
        for step in (type_columns, judge, key):
            statement, parameters = step(connection, reading, rules)
            # DuckDB refuses parameters that a statement does not use.
            used = {name: value for name, value in parameters.items() if f"${name}" in statement}
            connection.execute(statement, used)
        return _cleaned(connection, reading, rules)


def _check_fields(reading: Reading, rules: Rules) -> None:
    present = set(reading.present)
    for what, sets in rules.required.items():
        if any(present.issuperset(fields) for fields in sets):
            continue
        field = what.split()[0]
        if not present:
            raise SourceError(
                f"Source '{reading.raw.source}' has no column for {what}, nor for any other field "
                f"of {reading.source.table}: its first row ({listed(reading.raw.columns)}) may "
                "not be a header, or another sign may part its columns. header = [...] names the "
                "columns of a file without one, delimiter the sign, columns what is called "
                "otherwise."
            )
        raise SourceError(
            f"Source '{reading.raw.source}' has no column for {what}. "
            f'Map it, for example {field} = "<its column>" under the source\'s columns in '
            f"worth.toml, or --map {field}=<its column>."
        )


def _check_date_formats(connection: duckdb.DuckDBPyConnection, reading: Reading) -> None:
    for date_format in reading.source.date_formats:
        try:
            connection.execute(
                "SELECT try_strptime('', $format)", {"format": date_format}
            ).fetchall()
        except duckdb.InvalidInputException as error:
            raise SourceError(
                f"The date_format of source '{reading.raw.source}' must be written like "
                f"%d.%m.%Y %H:%M. Got {date_format!r}."
            ) from error


def _register(connection: duckdb.DuckDBPyConnection, reading: Reading) -> None:
    invoices = _INVOICES.empty_table() if reading.invoices is None else reading.invoices
    aliases = [list(reading.company.aliases), list(reading.company.aliases.values())]
    connection.register("raw", reading.raw.rows)
    connection.register("rates", rates_table(reading.company))
    connection.register("aliases", pa.table(aliases, schema=_ALIASES))
    connection.register("invoices", invoices.select(_INVOICES.names).cast(_INVOICES))


def _cleaned(connection: duckdb.DuckDBPyConnection, reading: Reading, rules: Rules) -> Cleaned:
    raw = reading.raw
    columns = published(reading, rules)
    rows = _fetch(connection, f"SELECT {columns} FROM keyed WHERE reason IS NULL")
    rejected = _fetch(
        connection,
        f"SELECT keyed.source_row, reason, {_as_json(reading)} AS content, {KEY_COLUMN} "
        "FROM keyed JOIN raw USING (source_row) WHERE reason IS NOT NULL ORDER BY source_row",
    )
    no_key = pa.nulls(len(raw.malformed), pa.binary())
    return Cleaned(
        rows.cast(TABLES[reading.source.table].arrow_schema),
        pa.concat_tables([rejected, raw.malformed.append_column(KEY_COLUMN, no_key)]),
        raw.n_read,
        _warnings(connection, reading, rules),
        reading.present,
        _payments(connection, reading),
    )


def _payments(connection: duckdb.DuckDBPyConnection, reading: Reading) -> pa.Table | None:
    if reading.source.table != "invoices" or "settled_at" not in reading.present:
        return None
    table = TABLES["payments"]
    return _fetch(connection, SETTLED).select(table.names).cast(table.arrow_schema)


def _as_json(reading: Reading) -> str:
    pairs = ", ".join(f"'{name}', raw.{name}" for name in reading.present)
    return f"CAST(json_object({pairs}) AS VARCHAR)"


def _fetch(connection: duckdb.DuckDBPyConnection, statement: str) -> pa.Table:
    return connection.sql(statement).to_arrow_table()


def _warnings(
    connection: duckdb.DuckDBPyConnection, reading: Reading, rules: Rules
) -> tuple[str, ...]:
    warnings = []
    n_twins = 0 if is_keyed(reading, rules) else _count(connection, "nth > 1")
    if n_twins:
        warnings.append(
            f"Exact duplicates kept: {n_twins:,}. Rows without a key may be real twins; map "
            f'{rules.named_by}, or set duplicates = "reject", to leave them out.'
        )
    for condition, note in rules.notes.items():
        if count := _count(connection, condition):
            warnings.append(note.format(count=count))
    if reading.source.table == "order_lines" and "order_id" not in reading.present:
        warnings.append("There is no order_id: a customer's lines of one day count as one order.")
    return tuple(warnings)


def _count(connection: duckdb.DuckDBPyConnection, condition: str) -> int:
    statement = f"SELECT COUNT(*) FROM keyed WHERE reason IS NULL AND {condition}"
    return int(connection.execute(statement).fetchall()[0][0])
