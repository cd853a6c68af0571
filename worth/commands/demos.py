"""The demos: one on a real ledger, one on a simulated company with everything."""

from pathlib import Path
from typing import Annotated

import typer

from worth import reports
from worth.commands.options import ConfigOption, err, out
from worth.commands.training import run_train
from worth.settings import load_settings

__all__ = ["demo_app"]

demo_app = typer.Typer(help="See the whole road work.", invoke_without_command=True)


@demo_app.callback()
def demo(context: typer.Context, config: ConfigOption = None) -> None:
    """Run the whole road on a real ledger: from 6,919 purchases to a served score."""
    if context.invoked_subcommand is not None:
        return
    from worth.demo import demo_settings, run_demo

    settings = demo_settings(load_settings(config))
    run_demo(settings, out=out, report=reports.progress_on(err), train=run_train)


@demo_app.command("wholesale")
def demo_wholesale(
    config: ConfigOption = None,
    customers: Annotated[
        int, typer.Option(min=100, max=10_000_000, help="How many customers it has.")
    ] = 3_000,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where its files go; the state folder's wholesale.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another company.")] = 0,
    only_files: Annotated[
        bool, typer.Option("--only-files", help="Write its files and load nothing.")
    ] = False,
) -> None:
    """Simulate a wholesaler with invoices, late payers, complaints, visits and campaigns."""
    from worth.wholesale import run_wholesale

    run_wholesale(
        load_settings(config),
        n_customers=customers,
        folder=folder,
        seed=seed,
        only_files=only_files,
        out=out,
        report=reports.progress_on(err),
        train=run_train,
    )
