"""Whether a task must not be learned from: it is one of the probe's, or of a split that training leaves alone. Asked where examples reach the learner."""

from collections.abc import Iterable
from functools import lru_cache

from autotelic.rounds.sealed import unsealed
from autotelic.tasks.english import last_said
from autotelic.types import Example, Prompt, Task, World


class HeldOut:
    """The tasks of a run that are measured and never trained on.

    world: where the tasks come from; one with a method `held_out(prompt)` also says so of problems that nobody drew.
    probe: the tasks that the run measures.
    """

    def __init__(self, world: World | None = None, probe: Iterable[Task] = ()) -> None:
        self._world = world
        self._probed = {repr(task.prompt) for task in probe}
        self._asked = lru_cache(maxsize=65536)(self._says)

    def __contains__(self, task: Task) -> bool:
        return any(repr(each.prompt) in self._probed or self._asked(posed_in(each.prompt)) for each in problems(task))

    def _says(self, prompt: str) -> bool:
        ask = getattr(self._world, "held_out", None)
        return ask is not None and bool(ask(prompt))

    def split(self, examples: list[Example]) -> tuple[list[Example], list[Example]]:
        """Examples that may be learned from, and those that may not; the sides of a pair share their fate."""
        held = {item.rollout for item in examples if item.task is not None and item.task in self}
        pairs = {item.pair for item in examples if item.rollout in held and item.pair is not None}
        out = [item for item in examples if item.rollout in held or item.pair in pairs]
        return [item for item in examples if not (item.rollout in held or item.pair in pairs)], out


def posed_in(prompt: Prompt) -> str:
    """What a world is asked about: a plain prompt, or the last message of the user."""
    return prompt if isinstance(prompt, str) else last_said(prompt)


def problems(task: Task) -> list[Task]:
    """A task and the problems that it is about: a critic's task is about a solver's."""
    task = unsealed(task)
    origin = task.hidden.get("origin")
    return [task, *problems(origin)] if isinstance(origin, Task) else [task]
