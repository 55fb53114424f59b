"""`autotelic eval --way`: ways of answering beside plain sampling of the same weights, on the same tasks, at equal tokens. Nothing is trained.

A way is charged what it samples, by whatever role, what it throws away included. Beside it stand the greedy answer, the vote of as many plain samples as cost
the same, and the surest of them; beside a way that asks what is true, a plain sampler that does so too. What counts is a paired test over tasks.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

from autotelic.errors import DataError, SettingError, nearest
from autotelic.measures.meter import Meter
from autotelic.measures.plain import Comparison, Plain, Sample, compare, on_curve
from autotelic.measures.stats import wilson
from autotelic.rounds.sealed import sealed, sealed_world
from autotelic.runs.checks import check_engine, check_skills
from autotelic.runs.evaluating import LONGEST, Answered, Ask, Opened, answers, asking, check_vacant, opened
from autotelic.runs.opening import add_policy
from autotelic.runs.probing import slice_of
from autotelic.runs.settings import RunSettings, apply, checked
from autotelic.systems.base import ASKED, TRIED, Way
from autotelic.systems.registry import find_way
from autotelic.types import Rollout, Sampling

POOL = 64
"""Plain samples of a task, where nobody says how many."""
OF_RUN = ("language", "texts", "precision", "workers", "threads", "device")
"""Settings of a run that may be given beside those of ways."""
PASSES = 3
"""Passes through the network that a token of a gradient step counts as; a token that is sampled or read is one."""
EQUAL_PASSES = "majority at equal passes"
SHOWN = {"majority": "majority@{:.2f}", "best-of-n": "best-of-{:.2f}", "pass@n": "pass@{:.2f}", EQUAL_PASSES: "majority@{:.2f}, equal passes"}
"""Points on plain curves, as they are told."""


# ---- which ways are asked


@dataclass(frozen=True, slots=True)
class Asked:
    """A way with the settings that it was asked for with."""

    label: str
    name: str
    settings: Mapping[str, Any]


def chosen(specs: Sequence[str], overrides: Sequence[str]) -> tuple[list[Asked], dict[str, Any]]:
    """The ways of specs such as 'self-refine' or 'backtracking?locate=truth&alternatives=4', and settings of the run. An override goes to every way that
    has such a setting.

    Raises:
        SettingError: an unknown way or setting, with the nearest; or the same way twice.
    """
    common = apply({}, overrides)
    fields: dict[str, set[str]] = {}
    asked = []
    for spec in dict.fromkeys(specs):
        name, _, query = spec.partition("?")
        fields[spec] = set(find_way(name).model_fields)
        shared = deepcopy({key: value for key, value in common.items() if key in fields[spec]})
        asked.append(Asked(spec, name, apply(shared, [item for item in query.split("&") if item])))
    if len(asked) < len(specs):
        raise SettingError(f"--way: {next(spec for spec in specs if specs.count(spec) > 1)!r} is there twice")
    known = set().union(*fields.values())
    for key in common:
        if key not in known and key not in OF_RUN:
            raise SettingError(f"no setting {key!r} of {', '.join(specs)}; {nearest(key, {*known, *OF_RUN})}")
    return asked, {key: value for key, value in common.items() if key in OF_RUN and key not in known}


def made(asked: Asked, plain: Sampling) -> Way:
    """The way, whose solver samples as the plain samples are drawn where its own settings do not say otherwise."""
    sampling = {**plain.model_dump(), **asked.settings.get("sampling", {})}
    return checked(find_way(asked.name), {**asked.settings, "sampling": sampling})


# ---- what a way answers


@dataclass(slots=True)
class Given:
    """What a way answered, and what that cost."""

    way: Way
    rollouts: list[Rollout]
    right: dict[str, float]
    """By task id."""
    spent: Meter
    seconds: float
    counts: dict[str, float] = field(default_factory=dict)
    """What was counted on the way, such as replies that did not parse."""

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return fmean(self.right.values())

    def a_task(self, total: float) -> float:
        """A sum over all tasks, for one."""
        return total / len(self.rollouts)


def answered(given: Opened, way: Way, settings: RunSettings, ask: Ask) -> Given:
    """What a way answers to the tasks. Its random streams depend on the seed, the role and the task, not on what else is evaluated.

    Raises:
        SettingError: the world or the model lacks what it needs, or it did not give one answer a task.
    """
    check_skills(way, given.world)
    ctx = asking(given, way.roles(given.world if way.reads_truth else sealed_world(given.world)), ask.seed)
    check_engine(way, ctx.roles, settings)
    for name, source in way.policies().items():
        add_policy(ctx, name, source, settings)
    tasks = given.tasks if way.reads_truth else [sealed(task) for task in given.tasks]
    with nullcontext() if way.reads_truth else ctx.sealing():
        way.setup(ctx)
        before, start = ctx.meter.copy(), perf_counter()
        rollouts = asyncio.run(way.answer(ctx, tasks))
    if len(rollouts) != len(tasks):
        raise SettingError(f"way {way.about.name!r}: gave {len(rollouts)} answers to {len(tasks)} tasks")
    right = {task.id: given.world.verify(task, rollout.answer) for task, rollout in zip(given.tasks, rollouts, strict=True)}
    counts = {name: value for name, value in ctx.metrics.items() if value}
    return Given(way, rollouts, right, ctx.meter.since(before), perf_counter() - start, counts)


def turns(given: Opened, found: Given) -> dict[str, Any]:
    """Of a way that answers more than once: accuracy by turn, counted as the answer that stood then; flips from the first answer to the last; and the share of
    tasks of which any answer was right, for which one would have to know when to stop."""
    tried = [rollout.keys.get(TRIED) for rollout in found.rollouts]
    if not any(one and len(one) > 1 for one in tried):
        return {}
    right = [[given.world.verify(task, answer) for answer in one or [None]] for task, one in zip(given.tasks, tried, strict=True)]
    most = max(map(len, right))
    return {
        "by_turn": [fmean(one[min(turn, len(one) - 1)] for one in right) for turn in range(most)],
        "wrong_to_right": sum(one[0] < one[-1] for one in right),
        "right_to_wrong": sum(one[0] > one[-1] for one in right),
        "any_so_far": fmean(max(one) for one in right),
    }


# ---- plain sampling


@dataclass(frozen=True, slots=True)
class Beside:
    """Plain answers to the tasks."""

    plain: Plain
    greedy: dict[str, float]
    """Whether the greedy answer is right, by task id."""
    greedy_tokens: float
    """Of a greedy answer, mean."""
    sample_tokens: float
    """Of a sample, mean."""
    prompt_tokens: float
    """Of a prompt, mean."""


def beside(given: Opened, asked: Sequence[Answered], seed: int) -> Beside:
    """Plain answers as what ways are compared with."""
    pools = {one.task.id: [Sample(said["answer"], said["verdict"], said["logprob"]) for said in one.samples] for one in asked}
    return Beside(
        Plain(pools, seed),
        {one.task.id: one.greedy["verdict"] for one in asked},
        fmean(one.greedy["tokens"] for one in asked),
        fmean(said["tokens"] for one in asked for said in one.samples),
        fmean(map(len, given.prompts)),
    )


def comparisons(found: Given, other: Beside) -> list[Comparison]:
    """A way beside plain answers, the one that its word comes from first.

    An oracle is beside samples of which an oracle picks, as many as it asked questions or as it sampled tokens for, whichever are more. Where tokens were
    trained on, the vote is also of as many samples as take the same number of passes.
    """
    tokens, sample = found.a_task(found.spent.sampled), other.sample_tokens
    on = partial(on_curve, other.plain, sample=sample, way=found.right)
    compared = [on("majority", tokens / sample), on("best-of-n", tokens / sample), compare("greedy", other.greedy_tokens, other.greedy, found.right)]
    if found.way.reads_truth:
        compared.insert(0, on("pass@n", max(tokens / sample, found.a_task(found.counts.get(ASKED, 0.0)), 1.0)))
    if found.spent.trained:
        passes = found.a_task(found.spent.sampled + found.spent.read + PASSES * found.spent.trained) - other.prompt_tokens
        compared.append(replace(on("majority", passes / sample), against=EQUAL_PASSES))
    return compared


# ---- the report


def evaluate_ways(
    model: str, tasks: str, settings: RunSettings, ask: Ask, ways: Sequence[Asked], out: Path | None = None, force: bool = False
) -> dict[str, Any]:
    """Numbers of ways beside plain sampling; `ask.samples` are the plain samples of each task. A line for every way and task goes to the file `out`.

    Raises:
        DataError: no task has a gold answer, the model cannot be given a prompt, or `out` exists already and is not to be written over.
        SettingError: the settings do not fit the tasks or the model, or there are too few plain samples to compare with.
    """
    if ask.samples < 2:
        raise SettingError("samples: ways are compared with plain samples, of which there must be at least 2 a task")
    if out is not None:
        check_vacant(out, force)
    given = opened(model, tasks, settings, ask)
    room = given.policy.model.context - max(map(len, given.prompts))
    ask = replace(ask, max_tokens=ask.max_tokens or min(LONGEST, room))
    plain_sampling = ask.sampling.model_copy(update={"max_tokens": ask.max_tokens})
    asked = [(one.label, made(one, plain_sampling)) for one in ways]
    found = [(label, answered(given, way, settings, ask)) for label, way in asked]  # ahead of the plain samples: what does not work is told at once
    other = beside(given, list(answers(given, ask)), ask.seed)
    if out is not None:
        write_rows(out, (row for label, one in found for row in rows(label, given, one, other)))
    return {
        "model": model, "tasks": tasks, "judged": len(given.tasks), "without_answer": given.left_out, "seed": ask.seed,
        "sampling": plain_sampling.model_dump(include={"temperature", "top_p", "top_k", "max_tokens"}),
        "plain": plain_row(other),
        "ways": [way_row(label, given, one, other, [(name, answered(given, way, settings, ask)) for name, way in one.way.ablations.items()]) for label, one in found],
    }  # fmt: skip


def plain_row(other: Beside) -> dict[str, Any]:
    """Plain sampling as plain values."""
    greedy = sum(other.greedy.values())
    low, high = wilson(greedy, len(other.greedy))
    return {
        "greedy": {"accuracy": greedy / len(other.greedy), "low": low, "high": high, "tokens": other.greedy_tokens},
        "samples": other.plain.size,
        "tokens": other.sample_tokens,
        **{rule: {str(n): value for n, value in other.plain.curve(rule).items()} for rule in ("majority", "best-of-n", "pass@n")},
    }


def way_row(label: str, given: Opened, found: Given, other: Beside, without: Sequence[tuple[str, Given]]) -> dict[str, Any]:
    """A way as plain values."""
    compared = comparisons(found, other)
    ablations = [(compare(name, one.a_task(one.spent.sampled), one.right, found.right), one) for name, one in without]
    low, high = wilson(sum(found.right.values()), len(found.right))
    return {
        "way": label,
        "name": found.way.about.name,
        "settings": found.way.model_dump(mode="json"),
        "oracle": found.way.reads_truth,
        "accuracy": found.accuracy, "low": low, "high": high,
        "unanswered": fmean(rollout.answer is None for rollout in found.rollouts),
        **cost(found),
        "counted": found.counts,
        **turns(given, found),
        "word": compared[0].word,
        "comparisons": [comparison_row(one) for one in compared],
        "ablations": [{**comparison_row(one), **cost(ablated), "counted": ablated.counts} for one, ablated in ablations],
    }  # fmt: skip


def cost(found: Given) -> dict[str, float]:
    """What a task cost, mean: tokens sampled, read and trained on, completions; and seconds of all."""
    spent = found.spent
    counts = {"tokens": spent.sampled, "read": spent.read, "trained": spent.trained, "completions": spent.completions}
    return {name: found.a_task(total) for name, total in counts.items()} | {"seconds": found.seconds}


def comparison_row(one: Comparison) -> dict[str, Any]:
    """A comparison as plain values; `accuracy` is that of what the way is compared with."""
    pair = one.paired
    return {
        "against": one.against, "samples": one.samples, "tokens": one.tokens, "accuracy": pair.first, "difference": pair.difference,
        "low": pair.interval.low, "high": pair.interval.high, "p": pair.p, "word": one.word,
    }  # fmt: skip


def rows(label: str, given: Opened, found: Given, other: Beside) -> Iterator[dict[str, Any]]:
    """A line for every task, with what plain answers to it were worth."""
    plain = other.plain.at("majority", found.a_task(found.spent.sampled) / other.sample_tokens)
    for task, rollout in zip(given.tasks, found.rollouts, strict=True):
        yield {
            "way": label, "id": task.id, "record": task.tags.get("record"), "slice": slice_of(task), "prompt": task.prompt, "gold": task.answer,
            "text": rollout.text, "answer": rollout.answer, "verdict": found.right[task.id], "tried": rollout.keys.get(TRIED, [rollout.answer]),
            "greedy": other.greedy[task.id], "plain": plain[task.id],
        }  # fmt: skip


def write_rows(path: Path, lines: Iterator[Mapping[str, Any]]) -> None:
    """A file of lines.

    Raises:
        DataError: it cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from error


def told(found: Mapping[str, Any]) -> Iterator[str]:
    """The numbers for people."""
    plain, left_out = found["plain"], f" ({found['without_answer']} without answer left out)" if found["without_answer"] else ""
    yield f"{found['model']} on {found['judged']} tasks of {found['tasks']}{left_out}"
    greedy = plain["greedy"]
    yield f"greedy {greedy['accuracy']:.3f} [{greedy['low']:.3f}, {greedy['high']:.3f}] at {greedy['tokens']:.0f} tokens a task"
    drawn = f"{plain['samples']} samples a task at temperature {found['sampling']['temperature']:g}, of {plain['tokens']:.0f} tokens"
    yield f"majority of {curve_text(plain['majority'])}, from {drawn}"
    for one in found["ways"]:
        yield ""
        yield from way_lines(one, plain["samples"])


def curve_text(curve: Mapping[str, float]) -> str:
    """A curve in a line."""
    return ", ".join(f"{n}: {value:.3f}" for n, value in curve.items())


def way_lines(one: Mapping[str, Any], most: int) -> Iterator[str]:
    """A way for people: what it is worth, beside what, at what cost."""
    trained = f", {one['trained']:.0f} trained on" if one["trained"] else ""
    spent = f"{one['tokens']:.1f} tokens sampled and {one['read']:.0f} read{trained} in {one['completions']:.1f} completions a task"
    yield f"{one['way']}: {one['word']} at equal tokens{' to one who is told what is true too' if one['oracle'] else ''}"
    yield f"  {one['accuracy']:.3f} [{one['low']:.3f}, {one['high']:.3f}], {spent}"
    if "by_turn" in one:
        flips = f"wrong to right {one['wrong_to_right']}, right to wrong {one['right_to_wrong']}; any answer so far {one['any_so_far']:.3f}"
        yield f"  by turn {', '.join(f'{value:.3f}' for value in one['by_turn'])}; {flips}"
    yield f"  {'beside':34} {'accuracy':>8} {'tokens':>7}  {'difference':>10}  {'95% interval':18} {'p':>7}"
    for row in (*one["comparisons"], *one["ablations"]):
        interval = f"[{row['low']:+.3f}, {row['high']:+.3f}]"
        yield f"  {shown_against(row):34} {row['accuracy']:8.3f} {row['tokens']:7.1f}  {row['difference']:+10.3f}  {interval:18} {row['p']:7.4f}  {row['word']}"
    if one["counted"]:
        yield "  counted: " + ", ".join(f"{name} {value:g}" for name, value in one["counted"].items())
    if (needed := ceil(one["tokens"] / one["comparisons"][0]["tokens"] * (one["comparisons"][0]["samples"] or 1) - 1e-9)) > most:
        yield f"  it costs as much as {needed} samples, and is beside all {most} that there are; say --samples {needed}"


def shown_against(row: Mapping[str, Any]) -> str:
    """What a way is compared with: a point on a plain curve by its number of samples."""
    against = str(row["against"])
    return SHOWN.get(against, against).format(row["samples"])
