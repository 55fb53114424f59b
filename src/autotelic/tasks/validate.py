"""Does a verifier accept right answers and reject wrong ones? Checks a world on its own gold completions before anything trains on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from autotelic.errors import DataError
from autotelic.tasks.columns import task_name
from autotelic.types import Task, World

Misfit = Callable[[Task, str], str | None]
"""Why a gold completion cannot be a target of some model; None where it can."""
_NONSENSE = "\N{REPLACEMENT CHARACTER} no answer"
_OTHERS = 8
"""Other tasks' answers tried on each task. Where a task has several right answers some may fit; not all of them do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One task on which parse and verify disagree with the world's own gold, or whose gold a model cannot be trained on."""

    task: str
    """As `tasks.columns.task_name` names it."""
    text: str
    """The completion or answer that was judged."""
    reason: str


@dataclass(frozen=True, slots=True)
class Validation:
    """What a validation found."""

    world: str
    checked: int
    """Tasks whose gold completion was judged."""
    without_gold: int
    rejected: tuple[Finding, ...]
    """Gold completions that did not parse, or did not verify with 1.0."""
    accepted: tuple[Finding, ...]
    """Wrong answers that verified with 1.0."""
    misfits: tuple[Finding, ...] = ()
    """Gold completions that the model cannot be trained on."""

    @property
    def ok(self) -> bool:
        """Something was checked and nothing was found."""
        return self.checked > 0 and not (self.rejected or self.accepted or self.misfits)

    def __str__(self) -> str:
        head = f"{self.world}: {self.checked} checked, {self.without_gold} without gold, "
        head += f"{len(self.rejected)} gold rejected, {len(self.accepted)} wrong accepted"
        head += f", {len(self.misfits)} gold too much for the model" if self.misfits else ""
        return "\n".join([head, *(f"  {found.task}: {found.reason}: {found.text!r}" for found in (*self.rejected, *self.accepted, *self.misfits))])


def validate(world: World, count: int, seed: int, misfit: Misfit | None = None, **knobs: Any) -> Validation:
    """Judge `count` gold completions of a world, and for each task a missing answer, nonsense, and other tasks' answers."""
    tasks = world.tasks(count, seed=seed, **knobs)
    golds = {task.id: gold for task in tasks if (gold := _gold(world, task)) is not None}
    judged = [task for task in tasks if task.id in golds]
    rejected = [found for task in judged if (found := _judge_gold(world, task, golds[task.id]))]
    answers = sorted({answer for gold in golds.values() if (answer := world.parse(gold)) is not None})
    accepted = [found for task in judged for found in _judge_wrong(world, task, golds[task.id], answers)]
    misfits = [Finding(task_name(task), golds[task.id], reason) for task in judged if misfit and (reason := misfit(task, golds[task.id]))]
    return Validation(world.name, len(judged), len(tasks) - len(judged), tuple(rejected), tuple(accepted), tuple(misfits))


def _gold(world: World, task: Task) -> str | None:
    try:
        return world.gold(task)
    except DataError:
        return None


def _judge_gold(world: World, task: Task, gold: str) -> Finding | None:
    answer = world.parse(gold)
    if answer is None:
        return Finding(task_name(task), gold, "the gold completion does not parse")
    score = world.verify(task, answer)
    return None if score == 1.0 else Finding(task_name(task), gold, f"the gold completion verifies with {score:g}")


def _judge_wrong(world: World, task: Task, gold: str, answers: Sequence[str]) -> list[Finding]:
    wrong: list[str | None] = [None, _NONSENSE]
    found = [Finding(task_name(task), str(answer), "a wrong answer verifies") for answer in wrong if world.verify(task, answer) == 1.0]
    others = [answer for answer in answers if answer != world.parse(gold)][:_OTHERS]
    if others and all(world.verify(task, answer) == 1.0 for answer in others):
        found.append(Finding(task_name(task), others[0], "the answers of all other tasks verify"))
    return found
