"""The three steps of cleaning in SQL, the same for every table: typed, judged, keyed."""

from collections.abc import Mapping

import duckdb

from features.cleaning.attributes import attributes_column
from features.cleaning.cleaned import source_mark
from features.cleaning.currencies import currency_faults, is_converted, with_rate
from features.cleaning.readers import as_text, date_hint, reader, reader_parameters
from features.cleaning.rules import EARLIEST, LAST_DAY, Fault, Reading, Rules, day_number
from features.schema import KEY_COLUMN, TABLES

__all__ = ["Step", "is_keyed", "judge", "key", "published", "type_columns"]

Step = tuple[str, Mapping[str, object]]


def is_keyed(reading: Reading, rules: Rules) -> bool:
    """Tell whether the rows of a source have names of their own.

    Parameters
    ----------
    reading : Reading
        The source.
    rules : Rules
        Those of its table.

    Returns
    -------
    bool
        If not, their content names them.
    """
    return rules.named_by in reading.present


def type_columns(connection: duckdb.DuckDBPyConnection, reading: Reading, rules: Rules) -> Step:
    """Read each field as what it is; what cannot be read becomes null.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the source's rows as `raw`.
    reading : Reading
        The source.
    rules : Rules
        Those of its table.

    Returns
    -------
    tuple of (str, mapping of str to object)
        The statement that makes the table `typed`, and its parameters.
    """
    del rules
    types = {field.name: field.type for field in reading.raw.rows.schema}
    read = [
        f"{reader(kind, field, types.get(field), reading.source)} AS read_{field}"
        for field, kind in reading.fields.items()
    ]
    has = [
        f"({field} IS NOT NULL AND {as_text(field)} <> '') AS has_{field}"
        for field in reading.present
    ]
    attributes, names = attributes_column(connection, reading)
    columns = ", ".join(
        ["source_row", "source_content", *read, *has, f"{attributes} AS read_attributes"]
    )
    statement = f"CREATE TEMP TABLE typed AS SELECT {columns} FROM raw"
    return statement, names | reader_parameters(reading.source)


def judge(connection: duckdb.DuckDBPyConnection, reading: Reading, rules: Rules) -> Step:
    """Derive the ledger's columns and give each row that cannot be believed its reason.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the tables `typed`, `rates`, `aliases` and `invoices`.
    reading : Reading
        The source.
    rules : Rules
        Those of its table.

    Returns
    -------
    tuple of (str, mapping of str to object)
        The statement that makes the table `judged`, and its parameters.
    """
    del connection
    faults = [*_read_faults(reading, rules), *currency_faults(reading)]
    faults += [*rules.faults(reading), *_money_faults(rules)]
    reasons = " ".join(
        f"WHEN {fault.condition} THEN {_reason(n, fault)}" for n, fault in enumerate(faults)
    )
    columns = ", ".join(f"{sql} AS {name}" for name, sql in _columns(reading, rules).items())
    rated_day = rules.day_fields.get("day")
    rate, with_rates = with_rate(
        reading, day_number(f"read_{rated_day}") if rated_day else "$latest"
    )
    statement = f"""
        CREATE TEMP TABLE judged AS
        WITH rated AS (
            SELECT typed.*, {rate} FROM typed {with_rates}
        ), given AS (
            SELECT rated.*, COALESCE(aliases.unified, read_customer_id) AS unified_id
            FROM rated LEFT JOIN aliases ON aliases.alias = read_customer_id
        ), derived AS (
            SELECT given.*, {columns} FROM given {rules.joins}
        )
        SELECT *, CASE {reasons} END AS reason FROM derived
    """
    least, full = reading.source.satisfaction_scale
    return statement, {
        **{f"reason_{n}": fault.reason for n, fault in enumerate(faults)},
        "latest": reading.latest,
        "currency": reading.company.currency,
        # No order id starts with a line break, so without a prefix nothing is cancelled by it.
        "cancelled_prefix": reading.source.cancelled_prefix or "\n",
        "least_satisfaction": least,
        "full_satisfaction": full,
    }


def _columns(reading: Reading, rules: Rules) -> dict[str, str]:
    """Give the SQL of every column, those that others build on first."""
    days = {name: day_number(f"read_{field}") for name, field in rules.day_fields.items()}
    names = TABLES[reading.source.table].names
    as_read = {name: f"read_{name}" for name in names if name in reading.fields}
    made = days | dict(rules.columns)
    return made | {name: sql for name, sql in as_read.items() if name not in made}


def _reason(n: int, fault: Fault) -> str:
    if not fault.arguments:
        return f"$reason_{n}"
    return f"format($reason_{n}, {', '.join(fault.arguments)})"


def _read_faults(reading: Reading, rules: Rules) -> list[Fault]:
    """List what may be wrong with what is written, whatever the table."""
    present, needed = reading.present, {f for s in rules.required.values() for f in s[0]}
    of_kind = {
        kind: [name for name in present if reading.fields[name] == kind]
        for kind in ("text", "number", "day", "flag")
    }
    faults = []
    if "customer_id" in needed:
        faults.append(Fault("read_customer_id IS NULL", "customer_id is missing"))
    for name in of_kind["day"]:
        if name in needed and len(_alternatives(rules, name)) == 1:
            faults.append(Fault(f"NOT has_{name}", f"{name} is missing"))
        faults += _day_faults(reading, name, may_lie_ahead=name in rules.may_lie_ahead)
    faults += [
        Fault(f"has_{f} AND read_{f} IS NULL", f"{f} is not a number") for f in of_kind["number"]
    ]
    faults += [Fault(f"NOT isfinite(read_{f})", f"{f} is not finite") for f in of_kind["number"]]
    faults += [
        Fault(f"has_{f} AND read_{f} IS NULL", f"{f} is neither yes nor no (1 or 0)")
        for f in of_kind["flag"]
    ]
    faults += [
        Fault(f"contains(read_{f}, chr(0))", f"{f} holds a NUL sign, which no text has")
        for f in of_kind["text"]
    ]
    return faults


def _alternatives(rules: Rules, field: str) -> tuple[tuple[str, ...], ...]:
    return next(sets for sets in rules.required.values() if field in sets[0])


def _day_faults(reading: Reading, name: str, *, may_lie_ahead: bool) -> list[Fault]:
    day = day_number(f"read_{name}")
    latest, text = (
        (str(LAST_DAY), "9999-12-31") if may_lie_ahead else ("$latest", reading.latest_text)
    )
    return [
        Fault(
            f"has_{name} AND read_{name} IS NULL",
            f"{name} is not a date{date_hint(reading.source)}",
        ),
        Fault(f"read_{name} < DATE '{EARLIEST}'", f"{name} is before {EARLIEST}"),
        Fault(f"{day} > {latest}", f"{name} is after {text}"),
    ]


def _money_faults(rules: Rules) -> list[Fault]:
    """Find what is too large once derived or converted, though what was read was not."""
    return [Fault(f"NOT isfinite({name} * rate)", f"{name} is not finite") for name in rules.money]


def key(connection: duckdb.DuckDBPyConnection, reading: Reading, rules: Rules) -> Step:
    """Give each row its identity, and find those that repeat another.

    The identity is of what the source says, before ids are unified and money is converted: another
    alias or rate must not make another row.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the table `judged`.
    reading : Reading
        The source.
    rules : Rules
        Those of its table.

    Returns
    -------
    tuple of (str, mapping of str to object)
        The statement that makes the table `keyed`, and its parameters.
    """
    del connection
    own = ", ".join(f"read_{name}" for name in rules.key if name in reading.present)
    keyed = is_keyed(reading, rules)
    identity = f"'key', {own}" if keyed else "'content', content, nth_of_content"
    over_twins = rules.over_twins if keyed else {}
    counted = _counted(keyed, own if over_twins else None)
    statement = f"""
        CREATE TEMP TABLE keyed AS
        WITH told_apart AS (
            SELECT *, concat_ws(chr(31), {_content(reading, rules)}) AS content FROM judged
        ), counted AS (
            SELECT *, {counted} FROM told_apart
        )
        SELECT * REPLACE (
                CASE WHEN reason IS NOT NULL THEN reason {_repeats(reading, rules)} END AS reason
            ),
            {"".join(f"{sql} AS {name}, " for name, sql in over_twins.items())}
            $source_mark || unhex(md5(concat_ws(chr(31), {identity})))[1:12] AS {KEY_COLUMN}
        FROM counted
    """
    return statement, {"source_mark": source_mark(reading.raw.source)}


def _counted(keyed: bool, own: str | None) -> str:
    """Count a row among those like it; on many rows that takes long, so only where it is used."""
    if not keyed:
        return (
            f"{_nth('source_content', 'ASC')} AS nth, "
            f"{_nth('content, reason', 'ASC')} AS nth_of_content"
        )
    return f"{_nth(f'reason, {own}', 'DESC')} AS nth_of_key" if own else "1 AS nth_of_key"


def _nth(columns: str, direction: str) -> str:
    return f"ROW_NUMBER() OVER (PARTITION BY {columns} ORDER BY source_row {direction})"


def _content(reading: Reading, rules: Rules) -> str:
    made = _columns(reading, rules)
    names = [name for name in TABLES[reading.source.table].names if name in made]
    if is_converted(reading):
        names.append("code")
    return ", ".join(f"COALESCE(CAST({name} AS VARCHAR), chr(30))" for name in names)


def _repeats(reading: Reading, rules: Rules) -> str:
    if not is_keyed(reading, rules):
        return (
            "WHEN nth > 1 THEN 'exact duplicate'" if reading.source.duplicates == "reject" else ""
        )
    same = f"(PARTITION BY reason, {', '.join(rules.same_by)} ORDER BY source_row DESC)"
    return f"""
        WHEN ROW_NUMBER() OVER {same} = 1 THEN NULL
        WHEN source_content = FIRST_VALUE(source_content) OVER {same} THEN 'exact duplicate'
        ELSE 'replaced by a later row of the same {rules.named_by}'"""


def published(reading: Reading, rules: Rules) -> str:
    """Write the SQL of the ledger's columns from the table `keyed`.

    Parameters
    ----------
    reading : Reading
        The source.
    rules : Rules
        Those of its table.

    Returns
    -------
    str
        The list of a SELECT.
    """
    made = _columns(reading, rules) | {KEY_COLUMN: ""}
    last = {"customer_id": "unified_id"}
    if is_converted(reading):
        last |= {name: f"{name} * rate" for name in rules.money}
    last |= rules.published
    return ", ".join(
        f"{last[name]} AS {name}" if name in last else name if name in made else f"NULL AS {name}"
        for name in TABLES[reading.source.table].names
    )
