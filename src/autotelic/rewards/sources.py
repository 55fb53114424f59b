"""Rewards by name: what the world says, functions of a user's file, and reward models. What a setting such as `rewards=[correct, my.py:brevity]` names."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import AfterValidator, BeforeValidator

from autotelic.errors import nearest
from autotelic.rewards.asked import GIVEN, Asked, asked, columns
from autotelic.rewards.classifiers import Classifier
from autotelic.rewards.functions import Function, open_functions
from autotelic.rounds.context import Context
from autotelic.types import Group, Rollout, listed

WORLD: Mapping[str, str] = {"correct": "1 for a right answer, else 0", "format": "1 where an answer can be read, else 0"}
"""Rewards that the world gives."""
FUNCTION = re.compile(r".+\.py:[A-Za-z_]\w*")
HUB = re.compile(r"[\w.-]+/[\w.-]+")


class Source(Protocol):
    """A reward from outside the world."""

    name: str
    """Under which it is written on rollouts."""

    async def values(self, asked: Asked) -> list[float | None]:
        """One value per completion; None says nothing about it."""


def known(specs: tuple[str, ...]) -> tuple[str, ...]:
    """Texts that name rewards, by their form. Raises ValueError where one names none, or two would be written under one name."""
    for spec in specs:
        if spec.endswith(".py"):
            raise ValueError(f"{spec!r} is a file; {spec}:NAME names a function in it")
        if not (spec in WORLD or FUNCTION.fullmatch(spec) or HUB.fullmatch(spec) or Path(spec).is_dir()):
            raise ValueError(f"no reward {spec!r}: {nearest(spec, WORLD)}; a function is FILE.py:NAME, a reward model a folder or owner/name")
    names(specs)
    return specs


def names(specs: Sequence[str]) -> list[str]:
    """The names under which rewards are written. Raises ValueError where two are the same."""
    found = [spec if spec in WORLD else spec.rpartition(":")[2] if FUNCTION.fullmatch(spec) else Path(spec).name for spec in specs]
    if twice := [name for name, count in Counter(found).items() if count > 1]:
        raise ValueError(f"two rewards are called {twice[0]!r}, and each needs a name of its own")
    return found


Specs = Annotated[tuple[str, ...], BeforeValidator(listed), AfterValidator(known)]
"""Names of rewards, as a setting."""


class Rewards:
    """The rewards of a setting, opened.

    Raises:
        SettingError, DataError: a file, a function or a model that is not there, or cannot be what it is named as.
    """

    def __init__(self, specs: Sequence[str], device: str = "cpu") -> None:
        functions = iter(open_functions([spec for spec in specs if FUNCTION.fullmatch(spec)]))
        self.world = [spec for spec in specs if spec in WORLD]
        self.sources: list[Source] = [
            next(functions) if FUNCTION.fullmatch(spec) else Classifier(spec, device) for spec in specs if spec not in WORLD
        ]

    async def pay(self, ctx: Context, groups: Sequence[Group]) -> None:
        """Write all rewards on all rollouts. Rewards from outside see the round's rollouts in one call each.

        Raises:
            TrainingError: a function raised, or did not return a number or None for each completion.
        """
        for group in groups:
            if "correct" in self.world:
                group.reward(correct=[ctx.world.verify(group.task, answer) for answer in group.answers])
            if "format" in self.world:
                group.reward(format=[answer is not None for answer in group.answers])
        rollouts = [rollout for group in groups for rollout in group]
        whole = asked(rollouts, ctx.role("solver").render)
        for source in self.sources:
            Group(groups[0].task, rollouts).reward(**{source.name: await source.values(whole)})

    async def try_out(self, ctx: Context, write: Callable[[Rollout], str]) -> None:
        """Ask every reward about two tasks, answered by `write`, before the first round.

        Raises:
            SettingError: a function needs a column that the tasks lack.
            TrainingError: as `pay`.
        """
        tasks = ctx.pool.tasks
        for source in self.sources:
            if isinstance(source, Function):
                source.check([*GIVEN, *columns(tasks)])
        trial = [Rollout(f"tried/{task.id}", task, [], role="solver") for task in tasks[:2]]
        for rollout in trial:
            rollout.text = write(rollout)
        whole = asked(trial, ctx.role("solver").render)
        for source in self.sources:
            await source.values(whole)
