"""What a way of answering says to tasks, what that cost, and what it is compared with. Numbers only: `runs.ways` makes a report of them.

A way is charged what it samples, by whatever role, what it throws away included. Beside it stand the greedy answer, the vote of as many plain samples as cost
the same, and the surest of them; beside a way that asks what is true, a plain sampler that does so too. What counts is a paired test over tasks.
"""

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import fmean
from time import perf_counter
from typing import Any

from autotelic.errors import SettingError
from autotelic.measures.meter import Meter
from autotelic.measures.plain import Comparison, Plain, Sample, compare, on_curve
from autotelic.rounds.sealed import sealed, sealed_world
from autotelic.runs.checks import check_engine, check_skills
from autotelic.runs.evaluating import Answered, Ask, Opened, asking
from autotelic.runs.opening import add_policy
from autotelic.runs.settings import RunSettings
from autotelic.systems.base import ASKED, TRIED, Way
from autotelic.types import Rollout

EQUAL_PASSES = "majority at equal passes"


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
    """A way beside plain answers, the best of them first: its word comes from there. To choose the best of three is to choose against the way.

    An oracle is first of all beside samples of which an oracle picks, as many as it asked questions or as it sampled tokens for, whichever are more. Where tokens were
    trained on, the vote is also of as many samples as take the same number of passes.
    """
    tokens, sample = found.a_task(found.spent.sampled), other.sample_tokens
    on = partial(on_curve, other.plain, sample=sample, way=found.right)
    plain = [on("majority", tokens / sample), on("best-of-n", tokens / sample), compare("greedy", other.greedy_tokens, other.greedy, found.right)]
    compared = sorted(plain, key=lambda one: -one.paired.first)
    if found.way.reads_truth:
        compared.insert(0, on("pass@n", max(tokens / sample, found.a_task(found.counts.get(ASKED, 0.0)), 1.0)))
    if found.spent.trained:
        passes = found.a_task(found.spent.passes) - other.prompt_tokens
        compared.append(replace(on("majority", passes / sample), against=EQUAL_PASSES))
    return compared
