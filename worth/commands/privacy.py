"""People's rights: erase a person, or tell everything that is held about them."""

from pathlib import Path
from typing import Annotated

import typer

from worth.commands.options import ConfigOption, acting_user, open_store, out, write_at_once
from worth.reports import facts_table
from worth.settings import load_settings

__all__ = ["erase", "record"]

_CustomerArgument = Annotated[str, typer.Argument(help="The customer's id, letter by letter.")]


def erase(
    customer: _CustomerArgument,
    reason: Annotated[
        str, typer.Option(help="Why, for the audit log; without personal data.")
    ] = "asked for by the person",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    config: ConfigOption = None,
) -> None:
    """Remove a person from ledger, scores, history and events, for good; they stay out."""
    from serving.privacy.erasure import erase as erase_customer
    from serving.privacy.suppression import pseudonyms_of

    settings = load_settings(config)
    if not yes:
        typer.confirm(f"Remove everything about customer {customer!r}, for good?", abort=True)
    store = open_store(settings)
    receipt = erase_customer(
        store,
        pseudonyms_of(store, settings.home),
        customer,
        reason=reason,
        actor=acting_user(),
    )
    out.print(facts_table("Receipt: rows removed by table", dict(receipt.removed) or {"none": 0}))
    out.print(f"Kept out from now on as {receipt.subject}.", highlight=False, soft_wrap=True)
    if receipt.models_trained_with:
        out.print(
            f"Versions trained while they were in the ledger: "
            f"{', '.join(receipt.models_trained_with)}. A model holds no customer's rows; 'worth "
            "train' makes one without them.",
            highlight=False,
        )
    if not receipt.is_purged:
        out.print(
            "The store's files still hold what was freed, because a reader is using them. Run the "
            "same command again later."
        )


def record(
    customer: _CustomerArgument,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="A JSON file; printed where not given.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Tell everything that is held about a person, with a plain account of their score."""
    from serving.privacy.record import record_of
    from serving.state import Service

    settings = load_settings(config)
    service = Service(open_store(settings), settings.company, settings.service)
    text = record_of(service, customer, actor=acting_user()).model_dump_json(indent=2)
    if out_file is None:
        typer.echo(text)
        return
    write_at_once(out_file, lambda path: path.write_text(text + "\n", encoding="utf-8"))
    out.print(f"Everything held about the customer is in {out_file}.")
