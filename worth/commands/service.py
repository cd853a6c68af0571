"""The service: publish scores, and serve them."""

from typing import Annotated

import typer

from features.ledger import date_of, day_of
from worth import reports
from worth.commands.options import (
    ConfigOption,
    DayOption,
    acting_user,
    err,
    given,
    open_store,
    out,
)
from worth.settings import load_settings

__all__ = ["score", "serve"]


def score(config: ConfigOption = None, as_of: DayOption = None) -> None:
    """Score every customer with the champion, or the pinned version, and publish at once."""
    from serving.publish import publish
    from serving.versions.scorer import scorer

    settings = load_settings(config)
    report = reports.progress_on(err)
    report("loading the champion")
    store = open_store(settings)
    chosen = scorer(store, settings.company.home, settings.mlflow_uri)
    if chosen.is_pinned:
        out.print(f"Version {chosen.champion.version} scores, because it is pinned: {chosen.why}")
    publication = publish(
        store,
        chosen.champion,
        currency=settings.currency,
        discount_rate=settings.discount_rate,
        policy=settings.tier_policy,
        as_of=day_of(as_of.date()) if as_of else None,
        actor=acting_user(),
        report=report,
    )
    out.print(reports.tiers_table(publication.scores, settings.currency))
    out.print(
        f"Published {len(publication.scores):,} scores as of {date_of(publication.as_of)} as set "
        f"{publication.set_id}. Next: worth serve"
    )


def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    workers: Annotated[
        int, typer.Option(help="Processes that answer; one a core.", min=1, max=64)
    ] = 1,
) -> None:
    """Serve scores, events, models and target lists over HTTP, until told to stop."""
    from serving.assignment import Assignment
    from serving.server import run_server

    settings = load_settings(config, **given(host=host, port=port))
    assignment = Assignment.of(
        settings.store_place,
        tracking_uri=settings.mlflow_uri,
        company=settings.company,
        options=settings.service,
    )
    run_server(assignment, host=settings.host, port=settings.port, workers=workers)
