"""The signals: of one customer, of all on any engine, or the SQL that says what they are."""

import os
import sqlite3
import sys
import tempfile
from contextlib import closing
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer

from features.ledger import Ledger, date_of, day_of
from features.loading import load_ledger
from features.pipeline import Dialect, signals_statement
from features.signals.catalogue import CATALOGUE, as_typed
from features.sources import Source, SourceError
from worth import reports
from worth.commands.options import (
    ConfigOption,
    CustomersOption,
    DayOption,
    InteractionsOption,
    InvoicesOption,
    MapOption,
    OrdersOption,
    PaymentsOption,
    company_of,
    err,
    open_store,
    out,
    print_cleaned,
    sources_of,
    write_at_once,
)
from worth.settings import Settings, load_settings

if TYPE_CHECKING:  # Importing it takes long, which other commands save.
    import sqlalchemy as sa

__all__ = ["signals"]


class _Engine(StrEnum):
    duckdb = "duckdb"
    sqlite = "sqlite"
    postgres = "postgres"
    spark = "spark"


def signals(
    config: ConfigOption = None,
    customer: Annotated[str | None, typer.Option(help="Show this customer's signals.")] = None,
    orders: OrdersOption = None,
    invoices: InvoicesOption = None,
    payments: PaymentsOption = None,
    interactions: InteractionsOption = None,
    customers: CustomersOption = None,
    mapping: MapOption = None,
    ledger_folder: Annotated[
        Path | None,
        typer.Option("--ledger", help="A folder of canonical tables as Parquet, of any size."),
    ] = None,
    as_of: DayOption = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--signal", help="Only this signal; may be given several times."),
    ] = None,
    engine: Annotated[_Engine, typer.Option(help="What computes them.")] = _Engine.duckdb,
    url: Annotated[
        str | None, typer.Option(help="Of the PostgreSQL server: postgresql://user@host/database.")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Add shares of the company and the scorecard.")
    ] = False,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Write one row a customer to this CSV or Parquet.")
    ] = None,
    sql: Annotated[bool, typer.Option("--sql", help="Print the statement instead.")] = False,
    dialect: Annotated[
        Dialect,
        typer.Option(help="Whose SQL; snowflake and bigquery are only parsed in our tests."),
    ] = "duckdb",
) -> None:
    """Compute what the ledger says of customers: of one, or of all into a file."""
    chosen = _chosen(names)
    if sql:
        _print_sql(dialect, chosen)
        return
    settings = load_settings(config)
    day = day_of(as_of.date()) if as_of else None
    if customer is not None:
        _print_signals(settings, customer, day, chosen)
        return
    if out_file is None:
        raise typer.BadParameter("give --customer ID, --out FILE, or --sql")
    if out_file.suffix not in {".csv", ".parquet"}:
        raise typer.BadParameter(f"--out ends in .csv or .parquet. Got {out_file.name}")
    if chosen and compare:
        raise typer.BadParameter("--compare needs all signals: leave out --signal")
    if ledger_folder is not None:
        _write_from_folder(ledger_folder, out_file, day, engine, chosen)
        return
    sources = sources_of(
        mapping,
        order_lines=orders,
        invoices=invoices,
        payments=payments,
        interactions=interactions,
        customers=customers,
    )
    ledger = _ledger(settings, sources)
    day = ledger.last_day if day is None else day
    found = _COMPUTE[engine](ledger, day, url)
    found = found[list(chosen)] if chosen else found
    rows = (_compared(found) if compare else found).reset_index()
    write_at_once(out_file, lambda path: reports.write_frame(rows, path, out_file.suffix))
    _say_where(len(found), day, out_file, chosen)


def _chosen(names: list[str] | None) -> tuple[str, ...] | None:
    """Put the signals asked for into the order of the catalogue; None stands for all."""
    if not names:
        return None
    for name in names:
        if name not in CATALOGUE:
            near = get_close_matches(name, CATALOGUE, n=1)
            hint = f" Did you mean {near[0]}?" if near else " GET /v1/signals lists them."
            raise typer.BadParameter(f"There is no signal {name!r}.{hint}")
    return tuple(name for name in CATALOGUE if name in names)


def _print_sql(dialect: Dialect, names: tuple[str, ...] | None) -> None:
    if dialect in {"snowflake", "bigquery"}:
        err.print(
            f"Note: for {dialect} this text is compiled and parsed, but never run in our tests."
        )
    print(signals_statement(dialect, names=names, pretty=True), file=sys.stdout)  # noqa: T201


def _ledger(settings: Settings, sources: dict[str, Source]) -> Ledger:
    if not sources:
        return open_store(settings).read_ledger()
    ledger, cleaned = load_ledger(
        sources,
        time_zone=settings.time_zone,
        company=company_of(settings),
        report=reports.progress_on(err),
    )
    for name, what in cleaned.items():
        print_cleaned(name, what, {})
    return ledger


def _say_where(n_customers: int, day: int, file: Path, names: tuple[str, ...] | None) -> None:
    what = f"{len(names or CATALOGUE)} signals of {n_customers:,} customers as of {date_of(day)}"
    out.print(f"{what} are in {file}.", highlight=False)


def _write_from_folder(
    folder: Path,
    out_file: Path,
    day: int | None,
    engine: _Engine,
    names: tuple[str, ...] | None,
) -> None:
    from features.engines.duckdb import write_signals

    if engine is not _Engine.duckdb or out_file.suffix != ".parquet":
        raise typer.BadParameter("--ledger goes with --engine duckdb and an --out of .parquet")
    n_customers, last = write_signals(
        folder, out_file, as_of=day, names=names, report=reports.progress_on(err)
    )
    _say_where(n_customers, last, out_file, names)


def _compared(signals: pd.DataFrame) -> pd.DataFrame:
    from features.totals import shares_of_company, totals_of
    from models.tier.scorecard import Scorecard

    shares = shares_of_company(signals, totals_of(signals))
    card = Scorecard().fit(signals).rate(signals).add_prefix("scorecard_")
    return signals.join(shares).join(card)


def _by_duckdb(ledger: Ledger, day: int, url: str | None) -> pd.DataFrame:
    del url
    from features.engines.duckdb import compute_signals

    return compute_signals(ledger, day)


def _by_sqlite(ledger: Ledger, day: int, url: str | None) -> pd.DataFrame:
    del url
    from features.engines.sqlite import compute_signals, lay_ledger

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.db"
        lay_ledger(ledger, file)
        with closing(sqlite3.connect(file)) as connection:
            return compute_signals(connection, day)


def _by_postgres(ledger: Ledger, day: int, url: str | None) -> pd.DataFrame:
    from features.engines.postgres import compute_signals, lay_ledger

    if url is None:
        raise typer.BadParameter("--engine postgres needs --url; only temporary tables are made")
    try:
        import psycopg
    except ImportError as error:
        raise _missing("psycopg", "postgres", error) from None
    try:
        with psycopg.connect(url) as connection:
            lay_ledger(ledger, connection)
            return compute_signals(connection, day)
    except psycopg.Error as error:
        # What the driver says of an address never holds its password.
        raise SourceError(
            f"PostgreSQL did not do it: {str(error).splitlines()[0]}. Check --url."
        ) from None


def _by_spark(ledger: Ledger, day: int, url: str | None) -> pd.DataFrame:
    del url
    from features.engines.spark import compute_signals, lay_ledger

    try:
        from pyspark.errors import PySparkRuntimeError
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise _missing("pyspark", "spark", error) from None
    try:
        session = (
            SparkSession.builder.config("spark.ui.enabled", "false")
            # The ledger comes out of this process, so it is no more than a machine's; a partition
            # a core is enough, and compiling a plan this wide takes longer than running it.
            .config("spark.sql.shuffle.partitions", str(os.cpu_count() or 1))
            .config("spark.sql.codegen.wholeStage", "false")
            .getOrCreate()
        )
    except PySparkRuntimeError as error:
        raise SourceError(
            f"Spark did not start: {str(error).splitlines()[0]}. It needs Java 17."
        ) from None
    session.sparkContext.setLogLevel("ERROR")
    lay_ledger(ledger, session)
    found = as_typed(compute_signals(session, day).toArrow().to_pandas()).sort_index()
    session.stop()
    return found


def _missing(package: str, group: str, error: ImportError) -> SourceError:
    return SourceError(
        f"--engine {group} needs the package {package} ({error}). It is in the optional group "
        f"{group}: pip install 'worth[{group}]'."
    )


_COMPUTE = {
    _Engine.duckdb: _by_duckdb,
    _Engine.sqlite: _by_sqlite,
    _Engine.postgres: _by_postgres,
    _Engine.spark: _by_spark,
}


def _print_signals(
    settings: Settings, customer: str, day: int | None, names: tuple[str, ...] | None
) -> None:
    from serving.signals.computing import signals_in_store

    store = open_store(settings)
    day = store.last_day() if day is None else day
    with store.reading() as connection:
        values = signals_in_store(store, connection, customer, day)
        compared = None if values is None else _against_company(connection, customer, values)
    if values is None:
        raise SourceError(
            f"The ledger holds no purchase of customer {customer!r} by {date_of(day)}."
        )
    rows = [
        (name, _shown(values[name], signal.unit), signal.meaning)
        for name, signal in CATALOGUE.items()
        if names is None or name in names
    ]
    out.print(reports.signals_table(f"Customer {customer} as of {date_of(day)}", rows))
    if compared:
        facts = {
            name: "-" if value is None else f"{value:.2%}" if "_share" in name else f"{value:.0f}"
            for name, value in compared.items()
        }
        title = "Against the company as published: shares, and the scorecard from 0 to 100"
        out.print(reports.facts_table(title, facts))


def _against_company(
    connection: "sa.Connection", customer: str, values: dict[str, float | str | None]
) -> dict[str, float | None] | None:
    """Compare with the company as published; None before anything is."""
    import sqlalchemy as sa

    from serving.comparison import compare, published_company
    from serving.published import current_scores

    company = published_company(connection)
    if company is None:
        return None
    score = current_scores(lambda column: column == customer)
    expected = connection.execute(sa.select(score.c.clv_expected)).scalar()
    return compare(company, values, expected)


def _shown(value: float | str | None, unit: str) -> object:
    if value is None:
        return "-"
    return date_of(int(value)) if unit == "day number" else value
