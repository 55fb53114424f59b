"""Chain arithmetic whose teacher has two habits: to answer at once, by guessing, or to work the chain out. Lessons for a base that can, and mostly does not.

Its tasks, answers, splits and language are those of `chain`, with four operations unless the knobs say otherwise; only what a base is taught differs.
What such a base has to find is to write the steps, which every task shows alike, and not what any equation gives.
"""

import random

from pydantic import Field

from autotelic.types import Task
from autotelic.worlds.base import Lesson, Span
from autotelic.worlds.chain import Chain, ChainKnobs


class HabitKnobs(ChainKnobs):
    """Difficulty of chains, and how the teacher answers."""

    ops: Span = (4, 4)
    direct: float = Field(0.6, ge=0.0, le=1.0)
    """Share of the lessons that answer at once, with a random digit; the others work the chain out."""


class Habits(Chain):
    """As `chain`, with a teacher who guesses in most lessons and knows better; tags: ops."""

    name = "habits"
    kin = "chain"
    settings = HabitKnobs
    knobs: HabitKnobs

    def lesson(self, task: Task, rng: random.Random) -> Lesson:
        """'#' and a random digit, or the worked solution as `chain` teaches it."""
        if rng.random() < self.knobs.direct:
            return Lesson((str(task.prompt),), f"#{rng.randrange(10)}")
        return super().lesson(task, rng)
