"""Lessons by the teacher of a generated world, for systems that begin with some, and what a policy makes of lessons that it has not seen.

They are not gold: a teacher errs as its world says. Where a base was taught by it, these are more of the texts that the base was made of.
"""

from collections.abc import Sequence
from itertools import islice
from statistics import fmean
from typing import TYPE_CHECKING, Any

from autotelic.bases.making import lesson_example
from autotelic.errors import SettingError
from autotelic.learning.examples import prompt_length
from autotelic.policies.policy import Policy
from autotelic.streams import generator, key
from autotelic.types import Example, Task, World
from autotelic.worlds import GeneratedWorld, Lesson, open_world

if TYPE_CHECKING:
    from autotelic.rounds.context import Context

Taught = tuple[Task, Lesson]
"""A task, and what a teacher says about it."""


def teacher(spec: str) -> GeneratedWorld[Any]:
    """The world of a setting `teacher`.

    Raises:
        SettingError: there is no such world, or it has no teacher.
    """
    world = open_world(spec)
    if not isinstance(world, GeneratedWorld):
        raise SettingError(f"teacher = {spec!r}: that world makes no lessons; a generated world such as chain does")
    return world


def kindred(teacher: GeneratedWorld[Any], world: World) -> bool:
    """Whether a teacher's tasks are those of a world, whatever their knobs."""
    return (teacher.kin or teacher.name) == (getattr(world, "kin", None) or world.name)


def apart(ctx: "Context", teacher: GeneratedWorld[Any], count: int, *parts: object) -> list[Taught]:
    """Lessons about `count` tasks that are in the training split, and neither in the pool nor held out. `parts` and the run's seed are the key of the draw."""
    pool, random = {str(task.prompt) for task in ctx.pool.tasks}, generator(*parts, ctx.seed)
    drawn = (task for task in teacher.stream(seed=key(*parts, ctx.seed)) if task is not None)
    tasks = (task for task in drawn if task.prompt not in pool and task not in ctx.held_out)
    return [(task, teacher.lesson(task, random)) for task in islice(tasks, count)]


def unseen(teacher: GeneratedWorld[Any], count: int) -> list[Taught]:
    """Lessons about tasks of the probe's split, the same whenever they are asked for: to measure with."""
    random = generator("unseen lessons", teacher.name)
    return [(task, teacher.lesson(task, random)) for task in teacher.tasks(count, seed=0, split="probe")]


def examples(policy: Policy, lessons: Sequence[Taught], name: str = "lesson") -> list[Example]:
    """Lessons in the tokens of a policy; only what the teacher writes is a target.

    Raises:
        DataError: its vocabulary lacks a character of one.
    """
    return [lesson_example(f"{name}/{place}", lesson, policy.tokenizer, task) for place, (task, lesson) in enumerate(lessons)]


def check(policy: Policy, found: Sequence[Example], spec: str) -> None:
    """Raises SettingError where a lesson is longer than the policy's context; `spec` is the teacher's."""
    longest = max((len(item.tokens) for item in found), default=0)
    if longest > (context := policy.model.context):
        raise SettingError(f"teacher = {spec!r}: a lesson of {longest} tokens exceeds the model's context of {context}")


def loss(policy: Policy, lessons: Sequence[Taught]) -> float:
    """Mean negative log-likelihood of what the teacher writes, in nats a token, over all tokens; the end token is one of them."""
    found = examples(policy, lessons)
    scores = policy.scores([item.tokens for item in found], [prompt_length(item) for item in found])
    return fmean(-value for row in scores for value in row.logprobs.tolist())
