"""Signals in bulk: DuckDB over a ledger in memory, or over Parquet files of any size."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.ledger import EmptyLedgerError, Ledger
from features.pipeline import mix_statement, outcomes_statement, signals_statement
from features.schema import TABLES
from features.signals.catalogue import CATALOGUE, as_typed

__all__ = ["LedgerFileError", "compute_mix", "compute_outcomes", "compute_signals", "write_signals"]

# So many lines need about 1.4 GB on each core; the signals of a customer need no one else's rows.
_LINES_AT_A_TIME = 2_500_000
# Enough to cut a hundred ranges to within a tenth of their size.
_SAMPLED_LINES = 100_000
# Long texts of which nothing counts but whether two of one customer are the same. 64 bits of hash
# tell that in less time, and would mistake one pair in 10^19.
_HASHED = {"order_id", "invoice_id", "interaction_id"}


class LedgerFileError(ValueError):
    """Raised where a file of a ledger is not what it has to be."""


def compute_signals(ledger: Ledger, as_of: int) -> pd.DataFrame:
    """Compute every signal of every customer, as known on `as_of`.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are ignored.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.

    Returns
    -------
    DataFrame of shape (n_customers, n_signals), indexed by customer_id
        One column a signal of the catalogue, customers in the order of their ids.

    Examples
    --------
    >>> import pyarrow as pa
    >>> line = {"customer_id": "C1", "order_id": "1", "row_key": b"1", "day": 10, "revenue": 5.0}
    >>> lines = pa.Table.from_pylist([line, line | {"day": 17, "row_key": b"2", "revenue": 9.0}])
    >>> for name in ("product_id", "category", "quantity", "cost", "discount", "channel"):
    ...     lines = lines.append_column(name, pa.nulls(2))
    >>> signals = compute_signals(Ledger({"order_lines": lines}), as_of=20)
    >>> signals.loc["C1", ["frequency", "recency", "T"]].tolist()
    [1.0, 7.0, 10.0]
    """
    return as_typed(_run(signals_statement("duckdb"), ledger, as_of=as_of))


def compute_outcomes(ledger: Ledger, origin: int, horizon_days: int) -> pd.DataFrame:
    """Sum up what each customer did in the `horizon_days` after `origin`.

    Parameters
    ----------
    ledger : Ledger
        The clean tables.
    origin : int
        The last day before the window, in days since 1970-01-01.
    horizon_days : int
        Length of the window.

    Returns
    -------
    DataFrame of shape (n_customers_seen, 3), indexed by customer_id
        Columns purchases (days with a purchase), revenue (net of returns) and gross_margin (over
        the lines whose cost is known; NaN where none is).
    """
    end = origin + horizon_days
    rows = _run(outcomes_statement("duckdb"), ledger, as_of=end, origin=origin)
    outcomes = rows.set_index("customer_id").astype("float64")
    return outcomes.fillna({"purchases": 0.0})


def compute_mix(ledger: Ledger, as_of: int) -> pd.DataFrame:
    """Compute each category's share in each customer's purchases, as known on `as_of`.

    Parameters
    ----------
    ledger : Ledger
        The clean tables. Rows after `as_of` are ignored.
    as_of : int
        The last day known, inclusive, in days since 1970-01-01.

    Returns
    -------
    DataFrame of shape (n_pairs, 5)
        One row per customer and category bought from: customer_id, category, n_lines, revenue
        (before returns) and revenue_share (0 to 1; NaN where all was free).
    """
    rows = _run(mix_statement("duckdb"), ledger, as_of=as_of)
    numbers = dict.fromkeys(["n_lines", "revenue", "revenue_share"], "float64")
    rows = rows.astype({"customer_id": "str", "category": "str"} | numbers)
    return rows.sort_values(["customer_id", "category"], ignore_index=True)


def write_signals(
    folder: Path,
    file: Path,
    *,
    as_of: int | None = None,
    names: Iterable[str] | None = None,
    lines_at_a_time: int = _LINES_AT_A_TIME,
    report: Callable[[str], None] = lambda _: None,
) -> tuple[int, int]:
    """Compute the signals of every customer of a ledger in Parquet files, whatever its size.

    Customers are taken range by range, one on each core, so memory does not grow with their number;
    it goes fastest where the files are sorted by customer.

    Parameters
    ----------
    folder : Path
        With order_lines.parquet, and as far as there are invoices.parquet, payments.parquet,
        interactions.parquet and customers.parquet, in the columns of `features.schema`.
    file : Path
        The Parquet file to write: one row a customer, in no special order.
    as_of : int, optional
        The last day known, inclusive, in days since 1970-01-01; the last order's where it is not
        given.
    names : iterable of str, optional
        The signals to compute; all where not given.
    lines_at_a_time : int
        Order lines of a range, about; at least 1.
    report : callable, optional
        Told what is being done.

    Returns
    -------
    tuple of (int, int)
        How many customers there are, and the last day known.

    Raises
    ------
    LedgerFileError
        If a table is missing that must be there, or is not what it has to be.
    EmptyLedgerError
        If there is not one order line.
    KeyError
        If there is no signal of a name.
    """
    chosen = None if names is None else tuple(names)
    statement, schema = signals_statement("duckdb", names=chosen), _schema(chosen)
    partial = file.with_name(f".{file.name}.partial")
    with duckdb.connect() as connection:
        _name_files(connection, folder)
        n_lines, last = _extent(connection)
        ranges = _ranges(connection, n_lines, max(1, round(n_lines / lines_at_a_time)))
    day = last if as_of is None else as_of

    def compute(n: int) -> pa.Table:
        report(f"signals of customers, part {n + 1} of {len(ranges)}")
        return _signals_in_range(folder, statement, schema, day, *ranges[n])

    try:
        with ThreadPoolExecutor(os.cpu_count() or 1) as workers:
            n_customers = _write(partial, schema, workers.map(compute, range(len(ranges))))
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return n_customers, day


def _extent(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    n_lines, last = connection.sql("SELECT COUNT(*), MAX(day) FROM file_order_lines").fetchall()[0]
    if not n_lines:
        raise EmptyLedgerError
    return int(n_lines), int(last)


def _name_files(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    for name, table in TABLES.items():
        file = folder / f"{name}.parquet"
        if not file.exists() and name == "order_lines":
            raise LedgerFileError(
                f"There is no {file}. A ledger is a folder with at least order_lines.parquet."
            )
        if not file.exists():
            connection.register(f"file_{name}", table.arrow_schema.empty_table())
            continue
        try:
            found = pq.read_schema(file)
        except (pa.ArrowException, OSError) as error:
            raise LedgerFileError(f"{file} is not a Parquet file, or is cut off.") from error
        missing = [column for column in table.names if column not in found.names]
        if missing:
            raise LedgerFileError(
                f"{file} lacks the column {missing[0]!r} of a ledger. It has: "
                f"{', '.join(found.names)}. Files of other columns go in with --orders and --map."
            )
        connection.read_parquet(str(file), file_row_number=True).create_view(f"file_{name}")


def _ranges(
    connection: duckdb.DuckDBPyConnection, n_lines: int, n_ranges: int
) -> list[tuple[str, str | None]]:
    """Cut the customers into ranges of about as many order lines each."""
    shares = [k / n_ranges for k in range(1, n_ranges)]
    cuts: list[str] = []
    if shares:
        (found,) = connection.execute(
            "SELECT quantile_disc(customer_id, $shares) FROM file_order_lines "
            "WHERE hash(file_row_number) <= CAST($highest AS UBIGINT)",
            {"shares": shares, "highest": (2**64 - 1) * min(n_lines, _SAMPLED_LINES) // n_lines},
        ).fetchall()[0]
        cuts = sorted(set(found))
    return list(zip(["", *cuts], [*cuts, None], strict=True))


def _name_range(connection: duckdb.DuckDBPyConnection, lowest: str, highest: str | None) -> None:
    """Name the rows of a range of customers, with numbers for ids: they are grouped faster."""
    connection.execute("SET VARIABLE lowest = $1", [lowest])
    connection.execute("SET VARIABLE highest = $1", [highest])
    within = (
        "customer_id > getvariable('lowest') AND "
        "(getvariable('highest') IS NULL OR customer_id <= getvariable('highest'))"
    )
    connection.execute(
        "CREATE TABLE numbered AS SELECT id, CAST(ROW_NUMBER() OVER () AS INTEGER) AS number "
        f"FROM (SELECT DISTINCT customer_id AS id FROM file_order_lines WHERE {within})"
    )
    for name, table in TABLES.items():
        columns = ", ".join(
            f"hash(file.{column}) AS {column}" if column in _HASHED else f"file.{column}"
            for column in table.names
            if column != "customer_id"
        )
        connection.execute(
            f"CREATE VIEW {name} AS SELECT numbered.number AS customer_id, {columns} "
            f"FROM file_{name} AS file JOIN numbered ON file.customer_id = numbered.id "
            f"WHERE {within}"
        )


def _schema(names: tuple[str, ...] | None) -> pa.Schema:
    chosen = [signal for name, signal in CATALOGUE.items() if names is None or name in names]
    columns = [(s.name, pa.string() if s.unit == "class" else pa.float64()) for s in chosen]
    return pa.schema([("customer_id", pa.string()), *columns])


def _signals_in_range(
    folder: Path, statement: str, schema: pa.Schema, as_of: int, lowest: str, highest: str | None
) -> pa.Table:
    """Compute the signals of the customers above `lowest` and up to `highest`, on one thread."""
    typed = ", ".join(
        f'CAST("{field.name}" AS DOUBLE) AS "{field.name}"'
        if field.type == pa.float64()
        else f'"{field.name}"'
        for field in [*schema][1:]
    )
    with duckdb.connect(config={"threads": 1}) as connection:
        _name_files(connection, folder)
        _name_range(connection, lowest, highest)
        found = connection.sql(
            f"SELECT numbered.id AS customer_id, {typed} FROM ({statement}) AS found "
            "JOIN numbered ON found.customer_id = numbered.number",
            params={"as_of": as_of},
        )
        return found.to_arrow_table().cast(schema)


def _write(file: Path, schema: pa.Schema, parts: Iterator[pa.Table]) -> int:
    classes = [field.name for field in schema if field.type == pa.string()][1:]
    n_rows = 0
    # Looking for repeated numbers, and for the extremes of a hundred columns, takes as long as
    # writing them.
    with pq.ParquetWriter(
        file, schema, use_dictionary=classes, write_statistics=["customer_id"]
    ) as writer:
        for part in parts:
            writer.write_table(part)
            n_rows += len(part)
    return n_rows


def _run(statement: str, ledger: Ledger, **days: int) -> pd.DataFrame:
    # On one thread sums of money come out the same to the last bit, so that a model can be made
    # again; past days are computed side by side in any case.
    with duckdb.connect(config={"threads": 1}) as connection:
        for name, table in ledger.tables.items():
            connection.register(name, table)
        parameters = {name: int(day) for name, day in days.items()}
        return connection.execute(f"{statement} ORDER BY customer_id", parameters).df()
