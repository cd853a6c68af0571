"""The models: let them compete on the company's past, or on one file."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from features.ledger import date_of, day_of
from features.loading import load_ledger
from features.sources import SourceError
from worth import reports
from worth.commands.options import (
    ConfigOption,
    DayOption,
    HorizonOption,
    MapOption,
    date_given,
    err,
    given,
    open_store,
    out,
    print_cleaned,
    sources_of,
    write_at_once,
)
from worth.settings import Settings, load_settings

if TYPE_CHECKING:  # Importing it takes seconds, which other commands save.
    from training.backtest import Backtest

__all__ = ["backtest", "run_train", "train"]

# Trained, but the champion stays: the new model does not beat the baseline.
_EXIT_NOT_PROMOTED = 3


def train(
    config: ConfigOption = None, as_of: DayOption = None, horizon: HorizonOption = None
) -> None:
    """Let models compete on the past, register the best, and promote it if it earns it."""
    settings = load_settings(config, **given(horizon_days=horizon))
    exit_code = run_train(settings, as_of=date_given(as_of))
    if exit_code == 0:
        out.print("Next: worth score")
    raise typer.Exit(exit_code)


def run_train(settings: Settings, *, as_of: date | None = None) -> int:
    """Train on the store's ledger and print how it went.

    Parameters
    ----------
    settings : Settings
        The company's.
    as_of : date, optional
        The last day known; the ledger's last day where it is not given.

    Returns
    -------
    int
        The exit code: 0 where the model was promoted.
    """
    report = reports.progress_on(err)
    report("reading the ledger")
    ledger = open_store(settings).read_ledger()
    day = day_of(as_of) if as_of else ledger.last_day

    from training.tournament import LOSSES
    from training.tracking import Tracking
    from training.train import train as run

    trained = run(
        ledger,
        Tracking(settings.mlflow_uri, settings.artifacts),
        as_of=day,
        horizon_days=settings.horizon_days,
        currency=settings.currency,
        report=report,
    )
    tournament = trained.fitted.tournament
    plan = tournament.plan
    if tournament.trials:
        shown = [tournament.baseline, *map(tournament.winner_of, LOSSES)]
        figures = {entry.name: entry.metrics for entry in shown}
        days = ", ".join(str(date_of(origin)) for origin in plan.test_origins)
        title = f"Backtest: {plan.window_days} days from {days} (means)"
        out.print(reports.figures_table(title, figures))
    facts, grade = trained.fitted.bundle.facts, trained.fitted.grade
    for remark in facts["remarks"]:
        out.print(f"Note: {remark}", highlight=False)
    total = facts["total"]
    out.print(
        f"Expected of all customers in {plan.horizon_days} days: {total['expected']:,.0f} "
        f"{settings.currency}, four times in five between {total['lower']:,.0f} and "
        f"{total['upper']:,.0f}.",
        highlight=False,
    )
    out.print(f"Grade {grade.letter}. {grade.reason}", highlight=False)
    name = f"Version {trained.version} ({tournament.winner.name}) of model 'worth'"
    if trained.is_champion:
        out.print(f"{name} is champion now.")
        return 0
    out.print(
        f"{name} stays challenger; the champion, if there is one, is unchanged. "
        "More history or a shorter horizon may help."
    )
    return _EXIT_NOT_PROMOTED


def backtest(
    orders: Annotated[Path, typer.Option(help="A file of order lines, CSV or Parquet.")],
    as_of: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day known to the models.")
    ],
    horizon: Annotated[int, typer.Option(min=1, help="Days to look ahead.")],
    mapping: MapOption = None,
    value: Annotated[
        Literal["revenue", "margin"] | None,
        typer.Option(help="What value counts; margin where costs are known."),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write one row a customer to this Parquet file.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this JSON file.")
    ] = None,
    date_format: Annotated[
        str | None, typer.Option(help="How the file writes days, e.g. %d.%m.%Y.")
    ] = None,
) -> None:
    """Forecast from a past day of one file, and look what came. Needs and leaves no state."""
    for place in (predictions, json_file):
        if place is not None and not place.parent.is_dir():
            raise SourceError(f"{place} cannot be written: there is no folder {place.parent}.")
    report = reports.progress_on(err)
    ((name, source),) = sources_of(mapping, order_lines=orders).items()
    source = source.model_copy(update={"date_format": date_format})
    ledger, cleaned = load_ledger({name: source}, report=report)
    print_cleaned(name, cleaned[name], {})

    from training.backtest import backtest as run

    result = run(
        ledger,
        as_of=day_of(as_of.date()),
        horizon_days=horizon,
        basis="gross_margin" if value == "margin" else value,
        report=report,
    )
    if predictions is not None:
        write_at_once(predictions, result.write_predictions)
    if json_file is not None:
        summary = json.dumps(result.summary(), indent=2, allow_nan=False) + "\n"
        write_at_once(json_file, lambda path: path.write_text(summary, encoding="utf-8"))
    _print_backtest(result, as_of.date(), horizon)


def _print_backtest(result: "Backtest", as_of: date, horizon: int) -> None:
    name = result.fitted.bundle.name
    out.print(f"{len(result.predictions):,} customers forecast by the {name} model.")
    for remark in result.fitted.bundle.facts["remarks"]:
        out.print(f"Note: {remark}", highlight=False)
    grade = result.fitted.grade
    out.print(f"Grade {grade.letter}. {grade.reason}", highlight=False)
    if result.metrics is None or result.baseline_metrics is None:
        out.print("The file holds nothing after as_of, so there is nothing to measure.")
        return
    if result.days_seen < horizon:
        out.print(
            f"Note: the file ends {horizon - result.days_seen} days before the horizon does, so "
            "the figures compare a whole forecast with a part of what comes.",
            highlight=False,
        )
    figures = {name: result.metrics, "naive": result.baseline_metrics}
    out.print(reports.figures_table(f"From {as_of}, {horizon} days ahead", figures))
