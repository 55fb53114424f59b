"""`autotelic run`, `resume`, `eval`, `sample`, `recipes`, `replicate`, `systems`, `base`, `validate`, `report`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

# Idle OpenMP threads that spin take the core from whoever has work; this must be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import typer

from autotelic.errors import AutotelicError
from autotelic.runs.stopping import stoppable

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Language models that improve themselves.")

Overrides = Annotated[list[str] | None, typer.Argument(help="Settings as dotted.key=value, of the recipe or of the run.", show_default=False)]
PromptColumn = Annotated[str | None, typer.Option(help="Column of a file that holds the prompt; default: prompt or messages.")]
AnswerColumn = Annotated[str | None, typer.Option(help="Column of a file that holds the answer; default: answer, solution or ground_truth.")]
Verifier = Annotated[str | None, typer.Option(help="exact, number or math: how answers of a file are compared; default: exact.")]


def main() -> None:
    """Run the command; errors a user can act on are printed without a traceback, exit status 1."""
    try:
        app()
    except AutotelicError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def report_stop(reason: str | None) -> None:
    """Exit status 1 for a run that an update ended which could not be applied."""
    if reason:
        print(f"error: {reason}", file=sys.stderr)
        raise typer.Exit(1)


@app.command()
@stoppable()
def run(
    recipe: Annotated[str | None, typer.Argument(help="A shipped recipe, or a .py file that declares one; default: easy-to-hard.")] = None,
    overrides: Overrides = None,
    model: Annotated[str | None, typer.Option(help="Shipped base, model folder, PEFT adapter folder, GGUF file or hub name.")] = None,
    tasks: Annotated[str | None, typer.Option(help="JSONL, Parquet or CSV file, world, or Hugging Face data set.")] = None,
    probe: Annotated[str | None, typer.Option(help="Held-out tasks, as --tasks; default: a split of --tasks.")] = None,
    prompt_column: PromptColumn = None,
    answer_column: AnswerColumn = None,
    verifier: Verifier = None,
    rounds: Annotated[int | None, typer.Option(help="Rounds to run.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all random streams.")] = None,
    out: Annotated[str | None, typer.Option(help="Run directory; default: a new one under runs/.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML or JSON file of settings; overrides go on top.")] = None,
    engine: Annotated[str | None, typer.Option(help="auto, native or torch.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and print the resolved config; train nothing.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the verdict.")] = False,
) -> None:
    """Let a model improve itself. Without arguments: a tiny model teaches itself to add longer numbers than it was taught."""
    from autotelic.runs import loop
    from autotelic.runs.opening import config_of, plan
    from autotelic.runs.progress import Progress
    from autotelic.runs.settings import apply, given, read_file

    overrides = list(overrides or [])
    raw: dict[str, Any] = read_file(config) if config else {}
    if recipe is not None and "=" in recipe:
        overrides.insert(0, recipe)
    elif recipe is not None:
        raw["recipe"] = recipe
    raw |= given(model=model, tasks=tasks, probe=probe, prompt_column=prompt_column, answer_column=answer_column, verifier=verifier)
    raw |= given(rounds=rounds, seed=seed, out=out, engine=engine)
    apply(raw, overrides)
    if dry_run:
        print(json.dumps(config_of(plan(raw)), indent=2))
        return
    report_stop(loop.start(raw, Progress(quiet=quiet)).stopped)


@app.command()
@stoppable()
def resume(
    folder: Annotated[Path, typer.Argument(help="Run directory.")],
    rounds: Annotated[int | None, typer.Option(min=0, help="New total number of rounds; default: as planned.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the verdict.")] = False,
) -> None:
    """Go on with a run from its last sound round."""
    from autotelic.runs import loop
    from autotelic.runs.progress import Progress

    report_stop(loop.resume(folder, rounds, Progress(quiet=quiet)).stopped)


@app.command("eval")
def evaluate(
    model: Annotated[str, typer.Argument(help="Shipped base, model folder, adapter folder, GGUF file or hub name.")],
    tasks: Annotated[str, typer.Option(help="JSONL, Parquet or CSV file, world, or Hugging Face data set.")],
    samples: Annotated[int, typer.Option(min=0, help="Samples per task, for pass@k and majority@k.")] = 8,
    limit: Annotated[int, typer.Option(min=1, help="Most tasks.")] = 1000,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most new tokens.")] = 96,
    seed: Annotated[int, typer.Option(help="Seed of generated tasks.")] = 0,
    prompt_column: PromptColumn = None,
    answer_column: AnswerColumn = None,
    verifier: Verifier = None,
    engine: Annotated[str | None, typer.Option(help="auto, native or torch.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Accuracy, pass@k and majority@k with 95% intervals."""
    from autotelic.runs.evaluating import evaluate, lines
    from autotelic.runs.settings import RunSettings, checked, given

    settings = checked(RunSettings, given(prompt_column=prompt_column, answer_column=answer_column, verifier=verifier, engine=engine))
    numbers = evaluate(model, tasks, settings, samples=samples, limit=limit, max_tokens=max_tokens, seed=seed)
    print(json.dumps(numbers, indent=2) if as_json else "\n".join(lines(numbers)))


@app.command()
def sample(
    model: Annotated[str, typer.Argument(help="Shipped base, model folder, adapter folder, GGUF file or hub name.")],
    prompt: Annotated[str | None, typer.Argument(help="Prompt; without one, prompts are read line by line.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Completions per prompt.")] = 1,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 0.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most new tokens.")] = 64,
    chat: Annotated[bool, typer.Option("--chat", help="Put the prompt through the chat template as a user's message.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the samples.")] = 0,
) -> None:
    """Talk to a model."""
    from autotelic.runs.evaluating import complete

    lines = [prompt] if prompt is not None else (line.rstrip("\r\n") for line in sys.stdin)
    for text in complete(model, lines, n=n, temperature=temperature, max_tokens=max_tokens, chat=chat, seed=seed):
        print(text, flush=True)


@app.command()
def recipes(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False) -> None:
    """The systems that are here."""
    from dataclasses import asdict

    from autotelic.studies.registry import outcome_of
    from autotelic.systems.registry import recipes as all_recipes

    shown = {name: outcome_of(name) for name in all_recipes()}
    found = [asdict(cls.about) | {"replicated": "yes" if shown[name] == "replicated" else shown[name]} for name, cls in all_recipes().items()]
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for about in found:
        print(f"{about['name']:14} {about['family']:14} {about['system']}{', ' + about['paper'] if about['paper'] else ''}\n    {about['line']}")


@app.command()
def replicate(
    system: Annotated[str | None, typer.Argument(help="A system with a replica; see --list.", show_default=False)] = None,
    arms: Annotated[list[str] | None, typer.Argument(help="Arms to run; default: all.", show_default=False)] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each arm, with seeds 0, 1, ...")] = 3,
    workers: Annotated[int | None, typer.Option(min=1, help="Runs at a time; default: one for every core.")] = None,
    out: Annotated[Path | None, typer.Option(help="File of results; default: replicas/SYSTEM.json. Rows of arms that are not run stay.")] = None,
    source: Annotated[Path | None, typer.Option("--from", help="Run nothing; print the table of this file of results.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the replicas.")] = False,
) -> None:
    """Run a system beside its control on a tiny world: does what its paper says moves move?"""
    from autotelic.runs.opening import usable_cores
    from autotelic.studies.registry import find, replicas
    from autotelic.studies.results import FAILED, read, table, words
    from autotelic.studies.running import replicate

    if listing or system is None:
        for one in replicas().values():
            print(f"{one.system:16} {one.outcome or 'not run':10} {one.claim}\n    arms: {'; '.join(one.arms)}")
        return
    replica = find(system)
    if source:
        rows = read(source, replica)
    else:
        path = out or Path("replicas") / f"{system}.json"
        rows = replicate(replica, arms or [], seeds=seeds, workers=workers or usable_cores(), out=path)
    print("\n".join(["", replica.claim, "", table(replica, rows), "", *words(replica, rows)]))
    if any(row.verdict == FAILED for row in rows):
        raise typer.Exit(1)


@app.command()
def systems(query: Annotated[list[str] | None, typer.Argument(help="Words that name, title, family, state or recipe hold.")] = None) -> None:
    """The catalogue of published systems, and which of them are here."""
    from autotelic.studies.catalogue import search

    for one in search(" ".join(query or [])):
        print(f"{one.id:3} {one.state:10} {one.system} ({one.family}){': ' + ', '.join(one.recipes) if one.recipes else ''}\n    {one.title}")


@app.command()
def base(
    name: Annotated[str | None, typer.Argument(help="Base to make; without one, they are listed.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write; default: ./NAME.")] = None,
) -> None:
    """Make one of the shipped base models again, from nothing."""
    import torch

    from autotelic.bases.making import BASES, find_spec, make, shipped

    if name is None:
        for spec in BASES.values():
            print(f"{spec.name:16} {'shipped' if spec.name in shipped() else '':8} {spec.note}")
        return
    torch.set_num_threads(1)
    spec = find_spec(name)
    make(spec, out or Path(name), lambda step, loss: print(f"step {step}/{spec.steps} loss {loss:.4f}", flush=True))


@app.command()
def validate(
    tasks: Annotated[str, typer.Argument(help="JSONL, Parquet or CSV file, world, or Hugging Face data set.")],
    count: Annotated[int, typer.Option(help="Tasks to check.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of generated tasks.")] = 0,
    prompt_column: PromptColumn = None,
    answer_column: AnswerColumn = None,
    verifier: Verifier = None,
    model: Annotated[str | None, typer.Option(help="Also check that prompts and gold completions fit this model's vocabulary and context.")] = None,
) -> None:
    """Check that the verifier of some tasks accepts their gold answers and rejects wrong ones."""
    from autotelic.runs.opening import fit_check, open_tasks
    from autotelic.runs.settings import RunSettings, checked, given
    from autotelic.tasks.validate import validate as check

    settings = checked(RunSettings, given(prompt_column=prompt_column, answer_column=answer_column, verifier=verifier))
    found = check(open_tasks(tasks, settings), count, seed, fit_check(model, settings) if model else None)
    print(found)
    if not found.ok:
        raise typer.Exit(1)


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="Run directory.")]) -> None:
    """Write the HTML report of a run again."""
    from autotelic.runs.page import write_report

    print(write_report(folder))
