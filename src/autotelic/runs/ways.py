"""`autotelic eval --way`: ways of answering beside plain sampling of the same weights, on the same tasks, at equal tokens. Nothing is trained.

Which ways are asked, and the report as plain values. What ways answer is in `runs.way_answers`, the words of the report in `runs.way_lines`.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from autotelic.errors import SettingError, nearest
from autotelic.measures.plain import Comparison, compare
from autotelic.measures.stats import wilson
from autotelic.runs.checking import checked
from autotelic.runs.evaluating import LONGEST, Ask, Opened, answers, check_vacant, opened, written
from autotelic.runs.probing import slice_of
from autotelic.runs.settings import RunSettings, apply
from autotelic.runs.way_answers import Beside, Given, answered, beside, comparisons, turns
from autotelic.systems.base import TRIED, Way
from autotelic.systems.registry import find_way
from autotelic.types import Sampling

POOL = 64
"""Plain samples of a task, where nobody says how many."""
OF_RUN = ("language", "texts", "precision", "workers", "threads", "device")
"""Settings of a run that may be given beside those of ways."""


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
        deque(written((row for label, one in found for row in rows(label, given, one, other)), out, dict), maxlen=0)
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
