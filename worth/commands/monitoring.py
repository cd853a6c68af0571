"""The models in use: hold what they predicted against what came."""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.ledger import date_of, day_of
from features.sources import SourceError
from worth import reports
from worth.commands.options import ConfigOption, err, open_store, out, write_at_once
from worth.settings import load_settings

if TYPE_CHECKING:  # Importing them takes seconds, which other commands save.
    from matplotlib.figure import Figure

    from serving.predictions import KeptSet
    from training.monitoring import Monitoring
    from training.tracking import Tracking

__all__ = ["monitor"]


def monitor(
    config: ConfigOption = None,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="Day of the scores to judge."),
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Write the report to this HTML page.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False,
) -> None:
    """Hold what was predicted on an earlier day against what came since."""
    if out_file is not None and not out_file.parent.is_dir():
        raise SourceError(f"{out_file} cannot be written: there is no folder {out_file.parent}.")
    settings = load_settings(config)
    report = reports.progress_on(err)
    store = open_store(settings)

    from serving.predictions import choose_set, kept_sets, read_predictions

    day = day_of(as_of.date()) if as_of else None
    kept = choose_set(kept_sets(store), store.last_day(), day)
    report(f"reading the scores as of {date_of(kept.as_of)} and the ledger")
    scores, ledger = read_predictions(store, kept), store.read_ledger()

    from training.monitoring import Forecast
    from training.monitoring import monitor as run
    from training.tracking import Tracking
    from worth import monitor_report

    tracking = Tracking(settings.mlflow_uri, settings.artifacts)
    figures, note = _training_of(tracking, kept)
    found = run(
        ledger,
        Forecast(kept.as_of, kept.horizon_days, kept.value_basis, kept.discount_rate, scores),
        tournament=figures,
        notes=[note] if note else [],
        report=report,
    )
    model = f"{kept.model_name} version {kept.model_version}"
    pictures = monitor_report.pictures_of(found, kept.currency)
    page = monitor_report.report_html(found, model, kept.currency, pictures)
    if out_file is not None:
        write_at_once(out_file, lambda path: path.write_text(page, encoding="utf-8"))
    if as_json:
        typer.echo(monitor_report.report_json(found, model, kept.currency), nl=False)
    else:
        monitor_report.print_report(found, model, kept.currency, out)
    report("logging to MLflow")
    metrics = monitor_report.metrics_of(found)
    err.print(_log(tracking, kept, found, metrics, pictures, page), highlight=False, markup=False)


def _training_of(tracking: "Tracking", kept: "KeptSet") -> tuple[dict[str, float] | None, str]:
    """Find what the model achieved when it was trained; say what is to be known of that."""
    from training.promote import VersionError, find_version, read_manifest
    from training.tracking import TrackingError

    try:
        version = find_version(tracking.versions(), kept.model_version)
        manifest = read_manifest(tracking, version)
        figures = tracking.figures(version.run_id).get(manifest["name"])
    except (VersionError, TrackingError) as error:
        return None, f"What the model achieved in training is not known: {error}"
    trained = date.fromisoformat(manifest["facts"]["as_of"])
    if day_of(trained) <= kept.as_of:
        return figures, ""
    return figures, (
        f"The model learned from the days up to {trained}, after the day it was to forecast from: "
        "its figures flatter it."
    )


def _log(
    tracking: "Tracking",
    kept: "KeptSet",
    found: "Monitoring",
    metrics: Mapping[str, float],
    pictures: Mapping[str, "Figure"],
    page: str,
) -> str:
    """Keep the comparison as a run; say whether it was kept."""
    from training.tracking import TrackingError

    as_of = date_of(kept.as_of).isoformat()
    params: dict[str, Any] = {
        "as_of": as_of,
        "horizon_days": kept.horizon_days,
        "days_seen": found.days_seen,
        "set_id": kept.set_id,
        "model_version": kept.model_version,
        "value_basis": kept.value_basis,
        "currency": kept.currency,
        "verdict": found.verdict.action,
    }
    try:
        with tracking.run(f"monitor {as_of}", params) as run_id:
            tracking.log_result(metrics, pictures)
            tracking.log_page("report", page)
    except TrackingError as error:
        return f"The comparison was not logged: {error}"
    return f"The comparison is run {run_id} in MLflow."
