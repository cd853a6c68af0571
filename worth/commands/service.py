"""The service: publish scores, serve them, and let programs in."""

from enum import StrEnum
from typing import Annotated

import typer

from features.ledger import date_of, day_of
from worth import reports
from worth.commands.options import ConfigOption, DayOption, err, given, open_store, out
from worth.settings import load_settings

__all__ = ["keys_app", "score", "serve"]

keys_app = typer.Typer(help="API keys of the service.", no_args_is_help=True)


# Spelt out here, because asking the service for them would import it for every command.
class _Scope(StrEnum):
    scores = "scores:read"
    lists = "lists:read"


def score(config: ConfigOption = None, as_of: DayOption = None) -> None:
    """Score every customer with the champion, and publish the scores at once."""
    from serving.publish import publish
    from serving.registry import load_champion

    settings = load_settings(config)
    report = reports.progress_on(err)
    report("loading the champion")
    publication = publish(
        open_store(settings),
        load_champion(settings.mlflow_uri),
        currency=settings.currency,
        discount_rate=settings.discount_rate,
        policy=settings.tier_policy,
        as_of=day_of(as_of.date()) if as_of else None,
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
) -> None:
    """Serve scores and target lists over HTTP."""
    from serving.server import run_server

    settings = load_settings(config, **given(host=host, port=port))
    run_server(open_store(settings, is_pooled=True), host=settings.host, port=settings.port)


@keys_app.command("create")
def create_api_key(
    scope: Annotated[list[_Scope], typer.Option(help="What the key may do. Repeatable.")],
    config: ConfigOption = None,
) -> None:
    """Make an API key and show it this once."""
    from serving.auth import create_key

    key = create_key(open_store(load_settings(config)), [s.value for s in scope])
    err.print("Keep this key; it is not shown again:", highlight=False)
    print(key)  # noqa: T201 - alone on stdout, so that a script can take it


@keys_app.command("list")
def list_api_keys(config: ConfigOption = None) -> None:
    """List the API keys by prefix, with their scopes."""
    from serving.auth import list_keys

    for key in list_keys(open_store(load_settings(config))):
        state = f"revoked {key['revoked_at']}" if key["revoked_at"] else "in force"
        out.print(
            f"{key['prefix']}  {key['scopes']}  made {key['created_at']}  {state}", highlight=False
        )


@keys_app.command("revoke")
def revoke_api_key(
    prefix: Annotated[str, typer.Argument(help="The eight signs between wk_ and the secret.")],
    config: ConfigOption = None,
) -> None:
    """Take an API key out of force, for good."""
    from serving.auth import revoke_key

    if not revoke_key(open_store(load_settings(config)), prefix):
        raise typer.BadParameter(f"there is no key {prefix!r} in force; worth keys list shows all")
    out.print(f"Key {prefix} is revoked.")
