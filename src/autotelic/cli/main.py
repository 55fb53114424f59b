"""The command: its name, its subcommands, and how errors are told. The subcommands are in `run`, `ask`, `inspect`, `lists`, `view` and `new`, and
import what they need when called."""

import os
import sys

# Idle OpenMP threads that spin take the core from whoever has work; this must be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import typer

from autotelic.cli import ask, compare, inspect, lists, new, run, view
from autotelic.errors import AutotelicError, harmless

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Language models that improve themselves.")

app.command()(run.run)
app.command()(run.resume)
app.command("eval")(ask.evaluate)
app.command()(ask.sample)
app.command()(lists.recipes)
app.command()(lists.ways)
app.command()(compare.compare)
app.command()(inspect.replicate)
app.command()(lists.systems)
app.command()(inspect.base)
app.command()(inspect.validate)
app.command()(run.report)
app.command()(run.push)
app.command()(view.view)
app.command()(new.new)


def main() -> None:
    """Run the command; errors a user can act on are printed without a traceback, exit status 1. What no stream can write is replaced."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        app()
    except AutotelicError as error:
        print(f"error: {harmless(str(error))}", file=sys.stderr)
        sys.exit(1)
