"""The commands. Each reads its settings, calls one job and prints what came of it."""

import json
import sys
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console

from features.cleaning import FIELDS, Cleaned, clean_order_lines
from features.ledger import Ledger, date_of, day_of
from features.pipeline import Dialect, signals_statement
from features.sources import Source, SourceError, read
from worth import reports
from worth.settings import Settings, load_settings

if TYPE_CHECKING:  # Importing these takes seconds, which commands that need none of them save.
    from serving.store import Store
    from training.backtest import Backtest

__all__ = ["app", "main"]

# Refused: an input or a setting is wrong, and the sentence on stderr says which.
_EXIT_REFUSED = 1
# Trained, but the champion stays: the new model does not beat the baseline.
_EXIT_NOT_PROMOTED = 3

_OUR_PACKAGES = {"features", "models", "training", "serving", "worth"}

app = typer.Typer(
    help="What is each customer worth from today on?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys_app = typer.Typer(help="API keys of the service.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")

_out = Console()
_err = Console(stderr=True)

_Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file; ./worth.toml if there is one.")
]
_Day = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="Last day known; the ledger's last day."),
]
_Horizon = Annotated[int | None, typer.Option("--horizon", min=1, help="Days to look ahead.")]
_Map = Annotated[
    list[str] | None,
    typer.Option("--map", help="A field and its column: --map customer_id=Client. Repeatable."),
]


# Spelt out here, because asking the service for them would import it for every command.
class _Scope(StrEnum):
    scores = "scores:read"
    lists = "lists:read"


@app.command()
def demo(config: _Config = None) -> None:
    """Run the whole road on a real ledger: from 6,919 purchases to a served score."""
    from worth.demo import demo_settings, run_demo

    settings = demo_settings(load_settings(config))
    run_demo(settings, out=_out, report=reports.progress_on(_err), train=run_train)


@app.command()
def ingest(
    config: _Config = None,
    orders: Annotated[
        Path | None, typer.Option(help="A file of order lines, instead of worth.toml's sources.")
    ] = None,
    mapping: _Map = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take out first what the sources brought so far.")
    ] = False,
) -> None:
    """Load the sources of worth.toml, or one file, into the ledger."""
    from serving.ingest import ingest as load

    if mapping and orders is None:
        raise typer.BadParameter("--map goes with --orders; worth.toml maps its own sources.")
    settings = load_settings(config)
    sources = dict(settings.sources)
    if orders is not None:
        sources = {orders.name: Source(path=orders, columns=_mapping(mapping))}
    if not sources:
        raise SourceError(
            "There is nothing to load: worth.toml names no source. Add [sources.order_lines] with "
            "a path, or give a file with --orders."
        )
    for loaded in load(
        _store(settings),
        sources,
        time_zone=settings.time_zone,
        replace=replace,
        report=reports.progress_on(_err),
    ):
        _print_cleaned(loaded.source, loaded.cleaned, {"new in the ledger": loaded.n_new})


@app.command()
def train(config: _Config = None, as_of: _Day = None, horizon: _Horizon = None) -> None:
    """Let models compete on the past, register the best, and promote it if it earns it."""
    settings = load_settings(config, **_given(horizon_days=horizon))
    exit_code = run_train(settings, as_of=_date(as_of))
    if exit_code == 0:
        _out.print("Next: worth score")
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
    report = reports.progress_on(_err)
    report("reading the ledger")
    ledger = _store(settings).read_ledger()
    day = day_of(as_of) if as_of else ledger.last_day

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
    figures = {entry.name: entry.metrics for entry in tournament.entries}
    title = f"Backtest: from {date_of(plan.test_origin)}, {plan.test_days} days ahead"
    _out.print(reports.figures_table(title, figures))
    for remark in tournament.remarks:
        _out.print(f"Note: {remark}", highlight=False)
    name = f"Version {trained.version} ({tournament.winner.name}) of model 'worth'"
    if trained.is_champion:
        _out.print(f"{name} beats the baseline and is champion now.")
        return 0
    _out.print(
        f"{name} does not beat the baseline '{tournament.baseline.name}' and stays challenger; "
        "the champion, if there is one, is unchanged. More history or a shorter horizon may help."
    )
    return _EXIT_NOT_PROMOTED


@app.command()
def backtest(
    orders: Annotated[Path, typer.Option(help="A file of order lines, CSV or Parquet.")],
    as_of: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day known to the models.")
    ],
    horizon: Annotated[int, typer.Option(min=1, help="Days to look ahead.")],
    mapping: _Map = None,
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
    report = reports.progress_on(_err)
    source = Source(path=orders, columns=_mapping(mapping), date_format=date_format)
    report(f"reading {orders}")
    raw = read(source, name=orders.name, fields=list(FIELDS["order_lines"]))
    cleaned = clean_order_lines(raw, source)
    _print_cleaned(orders.name, cleaned, {})

    from training.backtest import backtest as run

    result = run(
        Ledger({"order_lines": cleaned.rows}),
        as_of=day_of(as_of.date()),
        horizon_days=horizon,
        basis="gross_margin" if value == "margin" else value,
        report=report,
    )
    if predictions is not None:
        _write_at_once(predictions, result.write_predictions)
    if json_file is not None:
        summary = json.dumps(result.summary(), indent=2, allow_nan=False) + "\n"
        _write_at_once(json_file, lambda path: path.write_text(summary, encoding="utf-8"))
    _print_backtest(result, as_of.date(), horizon)


@app.command()
def score(config: _Config = None, as_of: _Day = None) -> None:
    """Score every customer with the champion, and publish the scores at once."""
    from serving.publish import publish
    from serving.registry import load_champion

    settings = load_settings(config)
    report = reports.progress_on(_err)
    report("loading the champion")
    publication = publish(
        _store(settings),
        load_champion(settings.mlflow_uri),
        currency=settings.currency,
        discount_rate=settings.discount_rate,
        policy=settings.tier_policy,
        as_of=day_of(as_of.date()) if as_of else None,
        report=report,
    )
    _out.print(reports.tiers_table(publication.scores, settings.currency))
    _out.print(
        f"Published {len(publication.scores):,} scores as of {date_of(publication.as_of)} as set "
        f"{publication.set_id}. Next: worth serve"
    )


@app.command()
def serve(
    config: _Config = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
) -> None:
    """Serve scores and target lists over HTTP."""
    from serving.server import run_server

    settings = load_settings(config, **_given(host=host, port=port))
    run_server(_store(settings, is_pooled=True), host=settings.host, port=settings.port)


@app.command()
def signals(
    config: _Config = None,
    customer: Annotated[str | None, typer.Option(help="Show this customer's signals.")] = None,
    as_of: _Day = None,
    sql: Annotated[bool, typer.Option("--sql", help="Print the statement instead.")] = False,
    dialect: Annotated[
        Dialect, typer.Option(help="Whose SQL; snowflake and bigquery are not run in our tests.")
    ] = "duckdb",
) -> None:
    """Show what the ledger says of one customer, or the SQL that says it."""
    if sql:
        print(signals_statement(dialect, pretty=True), file=sys.stdout)  # noqa: T201
        return
    if customer is None:
        raise typer.BadParameter("give --customer ID, or --sql")
    _print_signals(load_settings(config), customer, _date(as_of))


@keys_app.command("create")
def create_api_key(
    scope: Annotated[list[_Scope], typer.Option(help="What the key may do. Repeatable.")],
    config: _Config = None,
) -> None:
    """Make an API key and show it this once."""
    from serving.auth import create_key

    key = create_key(_store(load_settings(config)), [s.value for s in scope])
    _err.print("Keep this key; it is not shown again:", highlight=False)
    print(key)  # noqa: T201 - alone on stdout, so that a script can take it


@keys_app.command("list")
def list_api_keys(config: _Config = None) -> None:
    """List the API keys by prefix, with their scopes."""
    from serving.auth import list_keys

    for key in list_keys(_store(load_settings(config))):
        state = f"revoked {key['revoked_at']}" if key["revoked_at"] else "in force"
        _out.print(
            f"{key['prefix']}  {key['scopes']}  made {key['created_at']}  {state}", highlight=False
        )


@keys_app.command("revoke")
def revoke_api_key(
    prefix: Annotated[str, typer.Argument(help="The eight signs between wk_ and the secret.")],
    config: _Config = None,
) -> None:
    """Take an API key out of force, for good."""
    from serving.auth import revoke_key

    if not revoke_key(_store(load_settings(config)), prefix):
        raise typer.BadParameter(f"there is no key {prefix!r} in force; worth keys list shows all")
    _out.print(f"Key {prefix} is revoked.")


def main() -> NoReturn:
    """Run the command line; say an expected refusal in one sentence."""
    try:
        app()
    except Exception as error:
        # A class of our own is raised where a caller can do something about it: its sentence is
        # enough. Anything else is a fault of the program and keeps its traceback.
        if type(error).__module__.split(".")[0] not in _OUR_PACKAGES:
            raise
        _err.print(f"worth: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(_EXIT_REFUSED)
    sys.exit(0)


def _store(settings: Settings, *, is_pooled: bool = False) -> "Store":
    from serving.store import SQLiteStore

    return SQLiteStore.open(settings.store_path, is_pooled=is_pooled)


def _date(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _mapping(pairs: list[str] | None) -> dict[str, str]:
    mapping = {}
    for pair in pairs or []:
        field, separator, column = pair.partition("=")
        if not (field and separator and column):
            raise typer.BadParameter(
                f"--map takes field=column, such as revenue=Amount. Got {pair}."
            )
        mapping[field.strip()] = column.strip()
    return mapping


def _write_at_once(path: Path, write: Any) -> None:
    """Write a file beside its place and move it there, so that it is never half-written."""
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


def _print_cleaned(name: str, cleaned: Cleaned, more: dict[str, int]) -> None:
    counts = {
        "rows read": cleaned.n_read,
        "clean": len(cleaned.rows),
        "rejected": len(cleaned.rejected),
    }
    _out.print(reports.facts_table(f"Source {name}", counts | more))
    if len(cleaned.rejected):
        _out.print(reports.reasons_table(cleaned.counts_by_reason()))
    for warning in cleaned.warnings:
        _out.print(f"Note: {warning}", highlight=False)


def _print_backtest(result: "Backtest", as_of: date, horizon: int) -> None:
    name = result.fitted.bundle.name
    _out.print(f"{len(result.predictions):,} customers forecast by the {name} model.")
    for remark in result.fitted.tournament.remarks:
        _out.print(f"Note: {remark}", highlight=False)
    if result.metrics is None or result.baseline_metrics is None:
        _out.print("The file holds nothing after as_of, so there is nothing to measure.")
        return
    if result.days_seen < horizon:
        _out.print(
            f"Note: the file ends {horizon - result.days_seen} days before the horizon does, so "
            "the figures compare a whole forecast with a part of what comes.",
            highlight=False,
        )
    figures = {name: result.metrics, "naive": result.baseline_metrics}
    _out.print(reports.figures_table(f"From {as_of}, {horizon} days ahead", figures))


def _print_signals(settings: Settings, customer: str, as_of: date | None) -> None:
    from features.engines.sqlite import compute_signals
    from features.signals.catalogue import CATALOGUE

    store = _store(settings)
    day = day_of(as_of) if as_of else store.last_day()
    with store.reading() as connection:
        rows = compute_signals(connection.connection.driver_connection, day, customer)  # type: ignore[arg-type]
    if rows.empty:
        raise SourceError(
            f"The ledger holds no purchase of customer {customer!r} by {date_of(day)}."
        )
    values = rows.iloc[0]
    _out.print(
        reports.signals_table(
            f"Customer {customer} as of {date_of(day)}",
            [(name, values[name], signal.meaning) for name, signal in CATALOGUE.items()],
        )
    )
