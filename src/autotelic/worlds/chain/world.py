"""Chained arithmetic modulo 10 with worked steps, such as '3+4*2-5=', solved by '3+4=7;7*2=4;4-5=9;#9'.

Evaluated strictly from left to right; every value is one digit, because each result is taken modulo 10 before the next step (so
4 - 5 is 9). Every step states its equation, so that a step can be checked, or forked at its ';', without the prompt.
"""

import random
from collections.abc import Iterator
from typing import Any

from pydantic import Field, model_validator

from autotelic.errors import DataError
from autotelic.streams import generator
from autotelic.tasks.preferences import CHOSEN, REJECTED
from autotelic.types import Settings, Task
from autotelic.worlds.base import GeneratedWorld, Lesson, Longest, Rates, Span, check_span
from autotelic.worlds.chain.arithmetic import PROMPT, answer, apply, operations, written_out
from autotelic.worlds.chain.language import LANGUAGE


class ChainKnobs(Settings):
    """Difficulty of chains."""

    ops: Span = (6, 6)
    """Number of operations; of a range, every number is equally likely."""
    operators: str = "+-*"
    """The operations to draw from."""
    pairs: bool = False
    """Whether tasks carry preferences: `chosen` is the gold solution, `rejected` one with a wrong result that is carried on."""

    slips: float = Field(0.0, ge=0.0, le=1.0)
    """Share of the equations that the teacher of `lesson` is unsure of. Gold solutions and verification never slip."""
    slip_rates: Rates = (0.2, 0.8)
    """How often it gets an equation wrong that it is unsure of: a number of its own for each, uniform in this range, and always the same wrong result."""
    teacher: int = Field(0, ge=0)
    """Which teacher: each is unsure of equations of its own."""

    @model_validator(mode="after")
    def _fits(self) -> "ChainKnobs":
        check_span("ops", self.ops, 1, 100)
        if not self.operators or set(self.operators) - set("+-*"):
            raise ValueError(f"operators must be some of '+-*', got {self.operators!r}")
        return self


class Chain(GeneratedWorld[ChainKnobs]):
    """Left-to-right chains of + - * modulo 10; tags: ops."""

    name = "chain"
    alphabet = "#*+-0123456789;="
    settings = ChainKnobs
    language = LANGUAGE

    def draw(self, rng: random.Random, knobs: ChainKnobs) -> tuple[str, dict[str, Any]]:
        """Uniform digits and operations."""
        ops = rng.randint(*knobs.ops)
        return "".join([str(rng.randrange(10)), *(rng.choice(knobs.operators) + str(rng.randrange(10)) for _ in range(ops)), "="]), {"ops": ops}

    def solve(self, prompt: str) -> str:
        """One equation per operation, each ended by ';', then '#' and the last result."""
        if not PROMPT.fullmatch(prompt):
            raise DataError(f"not a chain prompt: {prompt!r}")
        return written_out(prompt, apply)

    def stream(self, *, seed: int, split: str = "train", **knobs: Any) -> Iterator[Task | None]:
        """As the base class has it, with preferences where the knobs ask for them."""
        wanted = self._read(self.knobs.model_dump(), knobs).pairs
        for task in super().stream(seed=seed, split=split, **knobs):
            yield task.changed(hidden={CHOSEN: self.gold(task), REJECTED: spoiled(str(self.identity(str(task.prompt))))}) if task and wanted else task

    def lesson(self, task: Task, rng: random.Random) -> Lesson:
        """As `gold`, but by a teacher who is unsure of a share of the equations."""
        return Lesson((str(task.prompt),), self.taught(str(task.prompt), rng))

    def taught(self, prompt: str, rng: random.Random) -> str:
        """The unsure teacher's solution; a slip is carried on."""
        return written_out(prompt, lambda left, op, right: self.believed(left, op, right, rng))

    def believed(self, left: int, op: str, right: int, rng: random.Random) -> int:
        """A result as the unsure teacher gives it: what it doubts, and what it slips to, follows from the equation, `slips` and `teacher` alone."""
        result = apply(left, op, right)
        equation = (str(left), op, str(right), *([self.knobs.teacher] if self.knobs.teacher else []))
        belief = generator("slip", *equation)
        if belief.random() < self.knobs.slips and rng.random() < belief.uniform(*self.knobs.slip_rates):
            result = (result + generator("slip to", *equation).randint(1, 9)) % 10
        return result

    def parse(self, text: str) -> str | None:
        """The digit after a final '#' that opens the text or follows a ';'."""
        return answer(text)

    def bounds(self, knobs: ChainKnobs) -> Longest:
        """Two characters an operation and six a step."""
        return Longest(2 * knobs.ops[1] + 2, 6 * knobs.ops[1] + 2)


def spoiled(prompt: str) -> str:
    """A solution with one wrong result, which is carried on: where and which, follows from the prompt alone."""
    rng = generator("spoiled", prompt)
    slips = iter([*[0] * rng.randrange(len(operations(prompt))), rng.randint(1, 9)])
    return written_out(prompt, lambda left, op, right: (apply(left, op, right) + next(slips, 0)) % 10)
