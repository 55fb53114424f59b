"""Answers that are refined step by step, each step kept or not as a judge grades it. What is right is nobody's business here: who measures that, asks it.

Roles: `solver` answers, `critic` says what is wrong, `refiner` writes anew, `judge` grades from 0 to 5; all of them may be one policy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from autotelic.episodes.answering import replies, reply
from autotelic.rewards.judges import judgements, mean_grade
from autotelic.types import Prompt, Rollout, Settings, Task

if TYPE_CHECKING:
    from autotelic.rounds.context import Context


class Keeping(Settings):
    """How a refinement comes to stand in the place of what it refines."""

    candidates: int = Field(4, ge=1)
    """Refinements that are written of each answer; the best graded is the one that may be kept."""
    judgements: int = Field(1, ge=1)
    """Of which a grade is the mean."""
    decides: Literal["used", "fresh", "coin"] = "used"
    """"used": the grade by which it was chosen, against the one with which the standing answer came to stand. "fresh": new grades of both, that had no part
    in a choice. "coin": any of the refinements, with probability one half, whatever its grade."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands for a task."""

    task: Task
    rollout: Rollout
    grade: float = 0.0
    """With which it came to stand."""


async def first_answers(ctx: "Context", tasks: Sequence[Task], keeping: Keeping) -> list[Standing]:
    """An answer to each task, sampled once and graded once."""
    rollouts = await reply(ctx, "solver", tasks)
    return await graded(ctx, [Standing(task, rollout) for task, rollout in zip(tasks, rollouts, strict=True)], keeping.judgements)


async def refined(ctx: "Context", answers: Sequence[Standing], keeping: Keeping, step: int) -> list[Standing]:
    """One step further: what stands after every answer was criticized, written anew and graded. An answer whose refinements all have no answer stays."""
    written = await candidates(ctx, answers, keeping.candidates, step)
    found = iter(await graded(ctx, [one for group in written for one in group], keeping.judgements))
    rivals = [[next(found) for _ in group] for group in written]
    if keeping.decides == "coin":
        return [by_coin(ctx, old, group, step) for old, group in zip(answers, rivals, strict=True)]
    best = [max(group, key=lambda one: one.grade, default=old) for old, group in zip(answers, rivals, strict=True)]
    if keeping.decides == "fresh":
        answers, best = await graded(ctx, answers, keeping.judgements), await graded(ctx, best, keeping.judgements)
    return [better(old, new) for old, new in zip(answers, best, strict=True)]


def better(old: Standing, new: Standing) -> Standing:
    """The one of the higher grade; of equals the old, and where both are one answer."""
    return new if new.grade > old.grade and new.rollout is not old.rollout else old


def by_coin(ctx: "Context", old: Standing, rivals: Sequence[Standing], step: int) -> Standing:
    """Any of the rivals, or with probability one half the old."""
    random = ctx.random("keep", old.task.id, step)
    return random.choice(rivals) if rivals and random.random() < 0.5 else old


async def candidates(ctx: "Context", answers: Sequence[Standing], n: int, step: int) -> list[list[Standing]]:
    """Of `n` refinements of each answer, all told the same critique of it, those that have an answer; not yet graded."""
    criticize, refine = (ctx.world.skill(name).ask for name in ("critique", "refine"))
    asked = [about(one.task, step, criticize(one.task.prompt, one.rollout.text)) for one in answers]
    said = [rollout.answer for rollout in await reply(ctx, "critic", asked)]
    told = [about(one.task, step, refine(one.task.prompt, one.rollout.text, critique)) for one, critique in zip(answers, said, strict=True)]
    groups = await replies(ctx, "refiner", told, n=n)
    ctx.count("refiner/unparsed", sum(answer is None for group in groups for answer in group.answers))
    return [[Standing(old.task, rollout) for rollout in group if rollout.answer is not None] for old, group in zip(answers, groups, strict=True)]


def about(task: Task, step: int, prompt: Prompt) -> Task:
    """A task of a role that is shown a solution of another task."""
    return Task(f"{task.id}/{step}", prompt, hidden={"origin": task})


async def graded(ctx: "Context", answers: Sequence[Standing], n: int) -> list[Standing]:
    """The same with new grades: the mean of `n` judgements, 0 where none can be read. What has no answer is not judged, and its grade is 0."""
    problems = {one.rollout.id: one.task.prompt for one in answers}
    ended = list({one.rollout.id: one.rollout for one in answers if one.rollout.answer is not None}.values())
    ask = ctx.world.skill("judge").ask
    judged = await judgements(ctx, "judge", ended, lambda rollout: ask(problems[rollout.id], rollout.text), n=n)
    found = {rollout.id: mean_grade(group) or 0.0 for rollout, group in zip(ended, judged, strict=True)}
    return [replace(one, grade=found.get(one.rollout.id, 0.0)) for one in answers]
