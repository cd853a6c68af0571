"""What commands have in common: their options, the consoles they print on, the company's store."""

import getpass
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from features.cleaning import Cleaned, Company, read_aliases
from features.schema import TABLES
from features.sources import Source, SourceError
from worth import reports
from worth.settings import Settings

if TYPE_CHECKING:  # Importing it takes seconds, which commands that do without it save.
    from serving.store import Store

__all__ = [
    "ConfigOption",
    "CustomersOption",
    "DayOption",
    "HorizonOption",
    "InteractionsOption",
    "InvoicesOption",
    "MapOption",
    "OrdersOption",
    "PaymentsOption",
    "acting_user",
    "company_of",
    "date_given",
    "err",
    "given",
    "mapping_of",
    "open_store",
    "out",
    "print_cleaned",
    "sources_of",
    "write_at_once",
]

out = Console()
err = Console(stderr=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings file; ./worth.toml if there is one.")
]
DayOption = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="Last day known; the ledger's last day."),
]
HorizonOption = Annotated[int | None, typer.Option("--horizon", min=1, help="Days to look ahead.")]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        help="A field and its column: --map customer_id=Client, or --map invoices.amount=Total. "
        "Repeatable.",
    ),
]
OrdersOption = Annotated[
    Path | None, typer.Option(help="A file of order lines, instead of worth.toml's sources.")
]
InvoicesOption = Annotated[Path | None, typer.Option(help="A file of invoices.")]
PaymentsOption = Annotated[Path | None, typer.Option(help="A file of payments.")]
InteractionsOption = Annotated[Path | None, typer.Option(help="A file of contacts.")]
CustomersOption = Annotated[Path | None, typer.Option(help="A file of customers.")]


def open_store(settings: Settings, *, is_pooled: bool = False) -> "Store":
    """Open the company's store.

    Parameters
    ----------
    settings : Settings
        The company's.
    is_pooled : bool
        Whether connections stay open between statements.

    Returns
    -------
    Store
        Ready for use.
    """
    from serving import store

    return store.open_store(settings.store_place, is_pooled=is_pooled)


def acting_user() -> str:
    """Name who runs the command, for the audit log.

    Returns
    -------
    str
        "user:" and the name by which the machine knows them.
    """
    return f"user:{getpass.getuser()}"


def company_of(settings: Settings) -> Company:
    """Gather what cleaning must know of the company.

    Parameters
    ----------
    settings : Settings
        The company's.

    Returns
    -------
    Company
        Its currency, rates and aliases.
    """
    aliases = read_aliases(settings.aliases) if settings.aliases is not None else {}
    return Company(settings.currency, settings.rates, aliases)


def date_given(moment: datetime | None) -> date | None:
    """Take the day of an option.

    Parameters
    ----------
    moment : datetime, optional
        As typer read it.

    Returns
    -------
    date or None
        Its day.
    """
    return moment.date() if moment else None


def given(**options: Any) -> dict[str, Any]:
    """Keep the options that the command line names.

    Parameters
    ----------
    **options : object
        By name; None was not given.

    Returns
    -------
    dict of str to object
        The others.
    """
    return {name: value for name, value in options.items() if value is not None}


def mapping_of(pairs: list[str] | None) -> dict[str, dict[str, str]]:
    """Read --map.

    Parameters
    ----------
    pairs : list of str, optional
        Each field=column, or table.field=column.

    Returns
    -------
    dict of str to dict of str to str
        By table, from field to column.

    Raises
    ------
    typer.BadParameter
        If one is not written so, or names no table.
    """
    mapping: dict[str, dict[str, str]] = {}
    for pair in pairs or []:
        place, separator, column = pair.partition("=")
        table, _, field = place.strip().rpartition(".")
        if not (separator and field and column.strip()):
            raise typer.BadParameter(
                f"--map takes field=column, such as revenue=Amount. Got {pair}."
            )
        if (table or "order_lines") not in TABLES:
            raise typer.BadParameter(
                f"--map names the table {table!r}; it is one of {', '.join(TABLES)}."
            )
        mapping.setdefault(table or "order_lines", {})[field] = column.strip()
    return mapping


def sources_of(pairs: list[str] | None, **files: Path | None) -> dict[str, Source]:
    """Make sources of files that the command line names.

    Parameters
    ----------
    pairs : list of str, optional
        Of --map.
    **files : Path
        By table; None was not given.

    Returns
    -------
    dict of str to Source
        By the name of the file and, but for order lines, the table.

    Raises
    ------
    typer.BadParameter
        If --map names a table without a file.
    """
    mapping = mapping_of(pairs)
    named = given(**files)
    for table in mapping.keys() - named.keys():
        raise typer.BadParameter(
            f"--map names {table}, but no file of that table is given; worth.toml maps its own "
            "sources."
        )
    # The table is part of the name, for one file may hold both invoices and orders.
    return {
        path.name if table == "order_lines" else f"{path.name} ({table})": Source(
            table=table, path=path, columns=mapping.get(table, {})
        )
        for table, path in named.items()
    }


def write_at_once(path: Path, write: Any) -> None:
    """Write a file beside its place and move it there, so that it is never half-written.

    Parameters
    ----------
    path : Path
        The file.
    write : callable
        Takes the path to write to.

    Raises
    ------
    SourceError
        If it cannot be written.
    """
    if not path.parent.is_dir():
        raise SourceError(f"{path} cannot be written: there is no folder {path.parent}.")
    partial = path.with_name(f".{path.name}.partial")
    try:
        write(partial)
        partial.replace(path)
    except OSError as error:
        raise SourceError(
            f"{path} cannot be written: {error.strerror}. Choose another place."
        ) from None
    finally:
        partial.unlink(missing_ok=True)


def print_cleaned(name: str, cleaned: Cleaned, more: Mapping[str, int]) -> None:
    """Print what cleaning made of a source.

    Parameters
    ----------
    name : str
        The source's.
    cleaned : Cleaned
        Its rows, clean and rejected.
    more : mapping of str to int
        Further counts.
    """
    counts = {
        "rows read": cleaned.n_read,
        "clean": len(cleaned.rows),
        "rejected": len(cleaned.rejected),
    }
    if cleaned.payments is not None:
        counts["payments found in it"] = len(cleaned.payments)
    out.print(reports.facts_table(f"Source {name}", counts | dict(more)))
    if len(cleaned.rejected):
        out.print(reports.reasons_table(cleaned.counts_by_reason()))
    for warning in cleaned.warnings:
        out.print(f"Note: {warning}", highlight=False)
