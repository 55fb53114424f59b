"""`autotelic run`, `resume` and `report`: what a run directory comes from and goes on in."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from autotelic.cli import lists
from autotelic.cli.options import (
    SOURCES,
    AnswerColumn,
    Budget,
    Chat,
    Engine,
    Overrides,
    PromptColumn,
    Quiet,
    SliceColumn,
    System,
    TemplateText,
    Verifier,
)
from autotelic.errors import harmless
from autotelic.runs.stopping import stoppable

Folder = Annotated[Path, typer.Argument(help="Run directory.", show_default=False)]


@stoppable()
def run(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="A recipe or variation, or a .py file that declares one; default: easy-to-hard.",
            show_default=False,
            autocompletion=lists.recipe_names,
        ),
    ] = None,
    overrides: Overrides = None,
    model: Annotated[
        str | None, typer.Option(help="Shipped base, model folder, PEFT adapter folder, GGUF file or hub name.", show_default=False)
    ] = None,
    tasks: Annotated[str | None, typer.Option(help=SOURCES, show_default=False)] = None,
    probe: Annotated[str | None, typer.Option(help="Held-out tasks, as --tasks; default: a split of --tasks.", show_default=False)] = None,
    rounds: Annotated[int | None, typer.Option(help="Rounds to run.", show_default=False)] = None,
    budget: Budget = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all random streams.", show_default=False)] = None,
    out: Annotated[str | None, typer.Option(help="Run directory; default: a new one under runs/.", show_default=False)] = None,
    config: Annotated[Path | None, typer.Option(help="TOML or JSON file of settings; options and overrides go on top.", show_default=False)] = None,
    engine: Engine = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and print the resolved config; train nothing.")] = False,
    quiet: Quiet = False,
    prompt_column: PromptColumn = None,
    answer_column: AnswerColumn = None,
    slice_column: SliceColumn = None,
    verifier: Verifier = None,
    template: TemplateText = None,
    system: System = None,
    chat: Chat = False,
) -> None:
    """Let a model improve itself. Without arguments: a tiny model teaches itself to add longer numbers than it was taught."""
    from autotelic.runs import loop
    from autotelic.runs.config import config_of
    from autotelic.runs.opening import plan
    from autotelic.runs.progress import Progress
    from autotelic.runs.settings import apply, given, read_file

    overrides = list(overrides or [])
    raw: dict[str, Any] = read_file(config) if config else {}
    if recipe is not None and "=" in recipe:
        overrides.insert(0, recipe)
    elif recipe is not None:
        raw["recipe"] = recipe
    raw |= given(model=model, tasks=tasks, probe=probe, rounds=rounds, budget=budget, seed=seed, out=out, engine=engine)
    raw |= given(prompt_column=prompt_column, answer_column=answer_column, slice_column=slice_column, verifier=verifier)
    raw |= given(template=template, system=system, chat=chat or None)
    apply(raw, overrides)
    if dry_run:
        print(json.dumps(config_of(plan(raw, quiet)), indent=2))
        return
    report_stop(loop.start(raw, Progress(quiet=quiet)).stopped)


@stoppable()
def resume(
    folder: Folder,
    rounds: Annotated[int | None, typer.Option(min=0, help="New total number of rounds; default: as planned.", show_default=False)] = None,
    quiet: Quiet = False,
) -> None:
    """Go on with a run from its last sound round."""
    from autotelic.runs import loop
    from autotelic.runs.progress import Progress

    report_stop(loop.resume(folder, rounds, Progress(quiet=quiet)).stopped)


def report_stop(reason: str | None) -> None:
    """Exit status 1 for a run that an update ended which could not be applied."""
    if reason:
        print(f"error: {harmless(reason)}", file=sys.stderr)
        raise typer.Exit(1)


def report(folder: Folder) -> None:
    """Write the HTML report of a run again."""
    from autotelic.runs.page import write_report

    print(write_report(folder))


@stoppable()
def push(
    folder: Folder,
    name: Annotated[str, typer.Argument(help="Repository on the Hub, as owner/name.", show_default=False)],
    private: Annotated[bool, typer.Option("--private", help="Make it private, where it is new.")] = False,
    rejected: Annotated[bool, typer.Option("--rejected", help="Also a model whose verdict is worse, collapsed or hacked.")] = False,
) -> None:
    """Send the model of a finished run, with its card, to the Hub of Hugging Face."""
    from autotelic.runs.publishing import push as send

    print(send(folder, name, private, rejected))
