"""The command line: every command by its name, and every refusal in one sentence."""

import sys
from typing import NoReturn

import typer

from worth.commands import (
    access,
    data,
    demos,
    explanation,
    models,
    monitoring,
    privacy,
    service,
    signals,
    training,
)
from worth.commands.options import err

__all__ = ["app", "main"]

# Refused: an input or a setting is wrong, and the sentence on stderr says which.
_EXIT_REFUSED = 1

_OUR_PACKAGES = {"features", "models", "training", "serving", "simulation", "worth"}

app = typer.Typer(
    help="What is each customer worth from today on?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(demos.demo_app, name="demo")
for command in (
    data.ingest,
    data.check,
    signals.signals,
    explanation.explain,
    data.view,
    training.train,
    training.backtest,
    service.score,
    service.serve,
    monitoring.monitor,
    privacy.erase,
    privacy.record,
):
    app.command()(command)
app.add_typer(access.keys_app, name="keys")
app.add_typer(access.audit_app, name="audit")
app.add_typer(models.models_app, name="models")


def main() -> NoReturn:
    """Run the command line; say an expected refusal in one sentence."""
    try:
        app()
    except Exception as error:
        # A class of our own is raised where a caller can do something about it: its sentence is
        # enough. Anything else is a fault of the program and keeps its traceback.
        if type(error).__module__.split(".")[0] not in _OUR_PACKAGES:
            raise
        err.print(f"worth: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(_EXIT_REFUSED)
    sys.exit(0)
