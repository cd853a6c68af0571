"""The model registry: which versions there are, how they differ, and which of them scores."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import nan
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.ledger import EmptyLedgerError, date_of
from worth import models_report, reports
from worth.commands.options import ConfigOption, open_store, out
from worth.settings import Settings, load_settings

if TYPE_CHECKING:  # Importing it takes seconds, which other commands save.
    import pandas as pd

    from training.promote import Loaded
    from training.tracking import Tracking
    from training.versions import Promotion, Version

__all__ = ["models_app"]

# The figure by which a tournament is decided.
_LOSS = "value_tweedie"
# What two tests must have in common, before their figures say which model is better.
_TEST_FACTS = ("as_of", "horizon_days", "value_basis", "ledger_fingerprint")

models_app = typer.Typer(help="The model registry.", no_args_is_help=True)

_VersionArgument = Annotated[
    str, typer.Argument(metavar="VERSION", help="A number, or champion, or challenger.")
]
_JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


@models_app.command("list")
def list_models(config: ConfigOption = None, as_json: _JsonOption = False) -> None:
    """List the versions, the newest first."""
    tracking = _tracking(load_settings(config))
    rows = [_row_of(tracking, version) for version in tracking.versions()]
    if as_json:
        _print_json(rows)
        return
    if not rows:
        out.print("No model was registered yet. Next: worth train")
        return
    out.print(models_report.versions_table(rows))
    _print_notes([row["problem"] for row in rows if row["problem"]])


@models_app.command("show")
def show_model(
    version: _VersionArgument, config: ConfigOption = None, as_json: _JsonOption = False
) -> None:
    """Show all that is known of a version: facts, figures, files, and when it was champion."""
    from training.versions import promotions_of

    tracking = _tracking(load_settings(config))
    versions = tracking.versions()
    (loaded,) = _load(tracking, versions, version)
    figures = tracking.figures(loaded.version.run_id)
    events = (_event(one, loaded.version.number) for one in promotions_of(versions))
    shown = {
        **_row(loaded.version, loaded.manifest, figures),
        "facts": loaded.bundle.facts,
        "figures": figures,
        "files": loaded.manifest["files"],
        "history": [event for event in events if event],
    }
    if as_json:
        _print_json(shown)
        return
    out.print(models_report.model_table(shown))
    _print_figures("Figures by candidate", figures)
    out.print(models_report.files_table(shown["files"]))
    if shown["history"]:
        out.print(models_report.events_table(shown["history"]))


@models_app.command("compare")
def compare_models(
    first: _VersionArgument,
    second: _VersionArgument,
    config: ConfigOption = None,
    as_json: _JsonOption = False,
) -> None:
    """Compare two versions: their figures, and their scores of the store's customers."""
    settings = load_settings(config)
    tracking = _tracking(settings)
    pair = _load(tracking, tracking.versions(), first, second)
    figures = {
        one.version.number: tracking.figures(one.version.run_id).get(one.bundle.name, {})
        for one in pair
    }
    scores, notes = _compared(settings, pair)
    if as_json:
        numbers = [one.version.number for one in pair]
        _print_json({"versions": numbers, "figures": figures, "scores": scores, "notes": notes})
        return
    titles = [f"version {one.version.number} ({one.bundle.name})" for one in pair]
    _print_figures("Figures", dict(zip(titles, figures.values(), strict=True)))
    if scores:
        out.print(models_report.comparison_table(scores, titles))
    _print_notes(notes)


@models_app.command("promote")
def promote_model(
    version: _VersionArgument,
    reason: Annotated[str, typer.Option(help="Why; it is kept for good.")],
    config: ConfigOption = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Even if it does not beat the baseline.")
    ] = False,
) -> None:
    """Make a version champion, after it was loaded and tried."""
    from training.promote import promote

    promoted = promote(_tracking(load_settings(config)), version, reason, anyway=anyway)
    out.print(f"Version {promoted.number} is champion now. Next: worth score")


@models_app.command("rollback")
def roll_back_model(
    reason: Annotated[str | None, typer.Option(help="Why; it is kept for good.")] = None,
    config: ConfigOption = None,
) -> None:
    """Make the version champion again that was so before."""
    from training.promote import roll_back

    until_now, from_now = roll_back(_tracking(load_settings(config)), reason)
    out.print(
        f"Version {from_now.number} is champion again, in place of version {until_now.number}. "
        "Next: worth score"
    )


def _tracking(settings: Settings) -> "Tracking":
    from training.tracking import Tracking

    return Tracking(settings.mlflow_uri, settings.artifacts)


def _load(tracking: "Tracking", versions: Sequence["Version"], *names: str) -> list["Loaded"]:
    """Load versions, once all of them are found; the first two must not be the same."""
    from training.promote import find_version, load_version

    found = [find_version(versions, name) for name in names]
    if len({version.number for version in found}) < len(found):
        raise typer.BadParameter(f"{' and '.join(names)} are the same version; name two")
    return [load_version(tracking, version) for version in found]


def _row_of(tracking: "Tracking", version: "Version") -> dict[str, Any]:
    """Describe a version; one that cannot be read must not hide the others."""
    from training.promote import VersionError, read_manifest
    from training.tracking import TrackingError

    try:
        manifest = read_manifest(tracking, version)
    except (VersionError, TrackingError) as error:
        return _row(version, {}, {}) | {"problem": str(error)}
    return _row(version, manifest, tracking.figures(version.run_id))


def _row(
    version: "Version", manifest: Mapping[str, Any], figures: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    facts = manifest.get("facts", {})
    return {
        "version": version.number,
        "trained_at": version.trained_at.isoformat(timespec="seconds"),
        "as_of": facts.get("as_of"),
        "horizon_days": facts.get("horizon_days"),
        "model": manifest.get("name"),
        "grade": facts.get("grade"),
        "loss": figures.get(manifest.get("name", ""), {}).get(_LOSS),
        "size_bytes": manifest.get("size"),
        "digest": manifest.get("digest"),
        "aliases": list(version.aliases),
        "run_id": version.run_id,
        "problem": None,
    }


def _event(promotion: "Promotion", number: str) -> dict[str, Any] | None:
    """Say what a promotion was to a version: to the one it came to, and to the one it left."""
    if promotion.version == number:
        event = "champion again, by rollback" if promotion.is_rollback else "champion"
        event += f", after version {promotion.before}" if promotion.before else ""
    elif promotion.before == number:
        by = "rolled back to" if promotion.is_rollback else "gave way to"
        event = f"{by} version {promotion.version}"
    else:
        return None
    return {"event": event, "at": promotion.at, "reason": promotion.reason} | {
        "version": promotion.version,
        "before": promotion.before,
        "is_rollback": promotion.is_rollback,
    }


def _compared(
    settings: Settings, pair: Sequence["Loaded"]
) -> tuple[dict[str, Any] | None, list[str]]:
    """Compare scores where both models can score; say what stands against a comparison."""
    from features.pipeline import signals_digest

    first, second = (one.bundle.facts for one in pair)
    notes = [
        f"The versions differ in {fact}, so their figures do not say which is better."
        for fact in _TEST_FACTS
        if first.get(fact) != second.get(fact)
    ][:1]
    for one in pair:
        if one.bundle.facts.get("signals_digest") != signals_digest():
            return None, [
                *notes,
                f"Scores are not compared, because version {one.version.number} learned from other "
                "definitions of the signals than this program computes.",
            ]
    try:
        return _scores(settings, pair), notes
    except EmptyLedgerError:
        return None, [*notes, "Scores are not compared, because the store's ledger is empty."]


def _scores(settings: Settings, pair: Sequence["Loaded"]) -> dict[str, Any]:
    from features.engines.duckdb import compute_signals
    from models.tier import POLICIES
    from serving.champion import Champion
    from serving.scoring import score_customers

    ledger = open_store(settings).read_ledger()
    day = ledger.last_day
    signals = compute_signals(ledger, day)
    signals = signals[~signals.index.isin(ledger.opted_out)]
    first, second = (
        score_customers(
            signals,
            Champion("worth", one.version.number, one.bundle),
            discount_rate=settings.discount_rate,
            policy=POLICIES[settings.tier_policy],
        )
        for one in pair
    )
    values = [scores["clv_expected"] for scores in (first, second)]
    numbers = [one.version.number for one in pair]
    return {
        "as_of": date_of(day).isoformat(),
        "n_customers": len(signals),
        "currency": settings.currency,
        "policy": settings.tier_policy,
        "total_value": {n: float(v.sum()) for n, v in zip(numbers, values, strict=True)},
        "rank_correlation": _rank_correlation(*values),
        "tier_changed_share": float((first["tier"] != second["tier"]).mean()),
    }


def _rank_correlation(first: "pd.Series", second: "pd.Series") -> float | None:
    """Give Spearman's; none where all values of a version are the same."""
    if first.nunique() < 2 or second.nunique() < 2:
        return None
    return float(first.corr(second, method="spearman"))


def _print_figures(title: str, figures: Mapping[str, Mapping[str, float]]) -> None:
    if figures:
        full = {name: defaultdict(lambda: nan, metrics) for name, metrics in figures.items()}
        out.print(reports.figures_table(title, full))


def _print_notes(notes: Sequence[str]) -> None:
    for note in notes:
        out.print(f"Note: {note}", highlight=False, markup=False)


def _print_json(content: object) -> None:
    typer.echo(json.dumps(content, indent=2, allow_nan=False))
