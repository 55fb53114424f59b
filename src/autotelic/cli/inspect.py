"""`autotelic base`, `replicate` and `validate`: whether what is here does what it says."""

from pathlib import Path
from typing import Annotated

import typer

from autotelic.cli import lists
from autotelic.cli.options import SOURCES, AnswerColumn, Chat, PromptColumn, Seed, System, TemplateText, Verifier
from autotelic.errors import harmless
from autotelic.runs.stopping import stoppable


@stoppable()
def replicate(
    system: Annotated[str | None, typer.Argument(help="A study; see --list.", show_default=False, autocompletion=lists.study_names)] = None,
    arms: Annotated[list[str] | None, typer.Argument(help="Arms to run; default: all.", show_default=False)] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each arm, with seeds 0, 1, ...")] = 3,
    workers: Annotated[int | None, typer.Option(min=1, help="Runs at a time; default: one for every core.", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option(help="File of results; default: studies/NAME.json. What it holds is not run again.", show_default=False)
    ] = None,
    source: Annotated[Path | None, typer.Option("--from", help="Run nothing; print the table of this file of results.", show_default=False)] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the studies.")] = False,
) -> None:
    """Run a system beside its control on a tiny world: does what its paper says moves move?"""
    if listing or system is None:
        lists.studies()
        return
    from autotelic.networks.machine import usable_cores
    from autotelic.studies.registry import find
    from autotelic.studies.results import FAILED, read, table, words
    from autotelic.studies.running import run_arms

    study = find(system)
    if source:
        rows = read(source, study)
    else:
        path = out or Path("studies") / f"{system}.json"
        rows = run_arms(study, arms or [], seeds=seeds, workers=workers or usable_cores(), out=path)
    print("\n".join(["", study.claim, "", table(study, rows), "", *words(study, rows)]))
    if any(row.verdict == FAILED for row in rows):
        raise typer.Exit(1)


@stoppable()
def base(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Base to have at hand before it is used; without one, they are listed.", show_default=False, autocompletion=lists.base_names
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Make it again, from nothing, into this folder.", show_default=False)] = None,
    as_json: lists.AsJson = False,
) -> None:
    """The base models: which there are, where they are. With a name: make that one, if it is nowhere yet, and print its folder."""
    from autotelic.bases.specs import find_spec

    if name is None:
        lists.bases(as_json)
    elif out is None:
        from autotelic.bases.keeping import at_hand

        print(at_hand(name) or find_spec(name))
    else:
        from autotelic.bases.making import make

        spec = find_spec(name)
        make(spec, out, lambda step, loss: print(f"step {step}/{spec.steps} loss {loss:.4f}", flush=True))


def validate(
    tasks: Annotated[str, typer.Argument(help=SOURCES, show_default=False)],
    count: Annotated[int, typer.Option(min=1, help="Most tasks to check.")] = 100,
    seed: Seed = 0,
    model: Annotated[
        str | None,
        typer.Option(help="Also check that prompts and gold completions fit this model's vocabulary and context.", show_default=False),
    ] = None,
    prompt_column: PromptColumn = None,
    answer_column: AnswerColumn = None,
    verifier: Verifier = None,
    template: TemplateText = None,
    system: System = None,
    chat: Chat = False,
) -> None:
    """Check that the verifier of some tasks accepts their gold answers and rejects wrong ones."""
    from autotelic.runs.checking import checked
    from autotelic.runs.checks import fit_check
    from autotelic.runs.settings import RunSettings, given
    from autotelic.runs.tasks import open_tasks
    from autotelic.tasks.validate import validate as check

    columns = given(prompt_column=prompt_column, answer_column=answer_column, verifier=verifier)
    settings = checked(RunSettings, {**columns, **given(template=template, system=system, chat=chat or None)})
    world = open_tasks(tasks, settings)
    found = check(world, count, seed, fit_check(model, settings, world) if model else None)
    print(harmless(str(found)))
    if not found.ok:
        raise typer.Exit(1)
