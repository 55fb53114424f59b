"""`autotelic compare`: recipes beside one another at an equal budget."""

import json
from pathlib import Path
from typing import Annotated

import typer

from autotelic.cli.options import SOURCES, Budget, Json
from autotelic.errors import harmless
from autotelic.runs.stopping import stoppable


@stoppable()
def compare(
    arms: Annotated[
        list[str] | None,
        typer.Argument(
            help="Recipes or files of settings, each with what differs: 'srt group_size=8'. key=value alone: of all arms.", show_default=False
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The base of all arms; default: that of the first.", show_default=False)] = None,
    tasks: Annotated[str | None, typer.Option(help=f"{SOURCES} Default: the world of the first arm.", show_default=False)] = None,
    probe: Annotated[str | None, typer.Option(help="Held-out tasks, as --tasks; default: a split of --tasks.", show_default=False)] = None,
    budget: Budget = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each arm, with seeds 0, 1, ...; a verdict needs 3.")] = 3,
    workers: Annotated[int | None, typer.Option(min=1, help="Runs at a time; default: one for every core, one on a GPU.", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of results; default: one under comparisons/. What it holds is not run again.", show_default=False)
    ] = None,
    source: Annotated[Path | None, typer.Option("--from", help="Run nothing; tell what this folder holds.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Run recipes at an equal budget beside controls: which is better, by how much, and what cannot be told apart?"""
    from autotelic.runs.settings import given
    from autotelic.studies.comparing import PAGE, compare, read_all, told, write_all
    from autotelic.studies.contest import contest_of, folder_of
    from autotelic.studies.pairs import as_json as plain
    from autotelic.studies.results import FAILED
    from autotelic.studies.running import say_at_once

    if source:
        contest, rows = read_all(source)
        write_all(contest, rows, source)
        folder = source
    else:
        contest = contest_of(arms or [], given(model=model, tasks=tasks, probe=probe, budget=budget))
        folder = out or folder_of(contest)
        rows = compare(contest, seeds=seeds, workers=workers or at_once(), out=folder, say=(lambda line: None) if as_json else say_at_once)
    print(json.dumps(plain(contest, rows), indent=2) if as_json else harmless(f"\n{told(contest, rows)}\n\npage    {folder / PAGE}"))
    if any(row.verdict == FAILED for row in rows):
        raise typer.Exit(1)


def at_once() -> int:
    """Runs at a time where nobody says: runs that share a GPU would also share its memory."""
    import torch

    from autotelic.networks.machine import usable_cores

    return 1 if torch.cuda.is_available() else usable_cores()
