"""The data: load it, ask what it can carry, look at the company as a whole."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from features.ledger import Ledger, date_of, day_of
from features.loading import load_ledger
from features.sources import Source, SourceError
from worth import reports
from worth.commands.options import (
    ConfigOption,
    CustomersOption,
    DayOption,
    HorizonOption,
    InteractionsOption,
    InvoicesOption,
    MapOption,
    OrdersOption,
    PaymentsOption,
    acting_user,
    company_of,
    err,
    given,
    open_store,
    out,
    print_cleaned,
    sources_of,
    write_at_once,
)
from worth.settings import Settings, load_settings

if TYPE_CHECKING:
    from features.usability import RejectedReason

__all__ = ["check", "ingest", "view"]

# Checked, and the data cannot carry a step.
_EXIT_UNFIT = 4
# A screen; all of them go into a file.
_ROWS_SHOWN = 40


def ingest(
    config: ConfigOption = None,
    orders: OrdersOption = None,
    invoices: InvoicesOption = None,
    payments: PaymentsOption = None,
    interactions: InteractionsOption = None,
    customers: CustomersOption = None,
    mapping: MapOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take out first what the sources brought so far.")
    ] = False,
) -> None:
    """Load the sources of worth.toml, or files named here, into the ledger."""
    from serving.ingest import ingest as load

    settings = load_settings(config)
    sources = sources_of(
        mapping,
        order_lines=orders,
        invoices=invoices,
        payments=payments,
        interactions=interactions,
        customers=customers,
    )
    if not (sources or settings.sources):
        raise SourceError(
            "There is nothing to load: worth.toml names no source. Add [sources.order_lines] with "
            "a path, or give a file with --orders."
        )
    for loaded in load(
        open_store(settings),
        sources or settings.sources,
        time_zone=settings.time_zone,
        company=company_of(settings),
        replace=replace,
        home=settings.home,
        actor=acting_user(),
        report=reports.progress_on(err),
    ):
        counts = {"new in the ledger": loaded.n_new, "changed in it": loaded.n_changed}
        if loaded.n_suppressed:
            counts["of erased customers, left out"] = loaded.n_suppressed
        print_cleaned(loaded.source, loaded.cleaned, counts)
    out.print("Next: worth check")


def check(
    config: ConfigOption = None,
    orders: OrdersOption = None,
    invoices: InvoicesOption = None,
    payments: PaymentsOption = None,
    interactions: InteractionsOption = None,
    customers: CustomersOption = None,
    mapping: MapOption = None,
    horizon: HorizonOption = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the report to this JSON file.")
    ] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", help="Write the report to this HTML page.")
    ] = None,
) -> None:
    """Say what the data can carry: errors, warnings and recommendations, each with a way out."""
    from features.usability import check_ledger
    from worth.check_report import print_report, report_html, report_json

    settings = load_settings(config, **given(horizon_days=horizon))
    sources = sources_of(
        mapping,
        order_lines=orders,
        invoices=invoices,
        payments=payments,
        interactions=interactions,
        customers=customers,
    )
    ledger, rejected = _ledger_and_rejected(settings, sources)
    found = check_ledger(
        ledger,
        horizon_days=settings.horizon_days,
        today=_today(settings),
        rejected=rejected,
    )
    print_report(found, out)
    for place, text in ((json_file, report_json), (html_file, report_html)):
        if place is not None:
            content = text(found)
            write_at_once(place, lambda path: path.write_text(content, encoding="utf-8"))  # noqa: B023
    raise typer.Exit(_EXIT_UNFIT if found.has_errors else 0)


def view(
    name: Annotated[
        str | None, typer.Argument(help="Which view; without it they are listed.")
    ] = None,
    config: ConfigOption = None,
    as_of: DayOption = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="Length of the window, where the view has one.")
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Write all rows to this CSV or Parquet file.")
    ] = None,
) -> None:
    """Look at the company as a whole: composition, ABC, plan, products, movements, Pareto curve."""
    from features.views import VIEWS, compute_view

    if name is None:
        views = {view.name: view.meaning for view in VIEWS.values()}
        out.print(reports.facts_table("Views", views))
        return
    if name not in VIEWS:
        raise typer.BadParameter(f"there is no view {name!r}; it is one of {', '.join(VIEWS)}")
    settings = load_settings(config)
    ledger = open_store(settings).read_ledger()
    day = day_of(as_of.date()) if as_of else ledger.last_day
    rows = compute_view(name, ledger, day, days=days)
    if out_file is not None:
        write_at_once(out_file, lambda path: reports.write_frame(rows, path, out_file.suffix))
    shown = rows.head(_ROWS_SHOWN)
    out.print(reports.frame_table(f"{VIEWS[name].meaning} As of {date_of(day)}.", shown))
    if len(rows) > len(shown) and out_file is None:
        out.print(f"{len(rows) - len(shown):,} further rows; --out writes all of them to a file.")


def _ledger_and_rejected(
    settings: Settings, sources: dict[str, Source]
) -> tuple[Ledger, "list[RejectedReason]"]:
    if not sources:
        from serving.rejections import rejected_reasons

        store = open_store(settings)
        return store.read_ledger(), rejected_reasons(store)
    from features.usability import rejected_of

    ledger, cleaned = load_ledger(
        sources,
        time_zone=settings.time_zone,
        company=company_of(settings),
        report=reports.progress_on(err),
    )
    return ledger, [reason for name, c in cleaned.items() for reason in rejected_of(name, c)]


def _today(settings: Settings) -> int:
    return day_of(datetime.now(ZoneInfo(settings.time_zone)).date())
