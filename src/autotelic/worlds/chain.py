"""Chained arithmetic modulo 10 with worked steps, such as '3+4*2-5=', solved by '3+4=7;7*2=4;4-5=9;#9'.

Evaluated strictly from left to right; every value is one digit, because each result is taken modulo 10 before the next step (so
4 - 5 is 9). Every step states its equation, so that a step can be checked, or forked at its ';', without the prompt.
"""

import random
import re
from collections.abc import Callable
from typing import Any

from pydantic import Field, model_validator

from autotelic.errors import DataError
from autotelic.streams import generator
from autotelic.types import Settings, Task
from autotelic.worlds.base import GeneratedWorld, Lesson, Longest, Rates, Span, check_span

PROMPT = re.compile(r"[0-9](?:[-+*][0-9])+=")
_ANSWER = re.compile(r"(?s)(?:.*;)?\s*#([0-9])\s*")


class ChainKnobs(Settings):
    """Difficulty of chains."""

    ops: Span = (6, 6)
    """Number of operations; of a range, every number is equally likely."""
    operators: str = "+-*"
    """The operations to draw from."""

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

    def draw(self, rng: random.Random, knobs: ChainKnobs) -> tuple[str, dict[str, Any]]:
        """Uniform digits and operations."""
        ops = rng.randint(*knobs.ops)
        return "".join([str(rng.randrange(10)), *(rng.choice(knobs.operators) + str(rng.randrange(10)) for _ in range(ops)), "="]), {"ops": ops}

    def solve(self, prompt: str) -> str:
        """One equation per operation, each ended by ';', then '#' and the last result."""
        if not PROMPT.fullmatch(prompt):
            raise DataError(f"not a chain prompt: {prompt!r}")
        return written_out(prompt, apply)

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
        found = _ANSWER.fullmatch(text)
        return found[1] if found else None

    def bounds(self, knobs: ChainKnobs) -> Longest:
        """Two characters an operation and six a step."""
        return Longest(2 * knobs.ops[1] + 2, 6 * knobs.ops[1] + 2)


def written_out(prompt: str, result: Callable[[int, str, int], int]) -> str:
    """The worked steps of a chain when `result` gives the result of each equation; every result is carried on."""
    value, steps = int(prompt[0]), []
    for op, digit in operations(prompt):
        found = result(value, op, digit)
        steps.append(f"{value}{op}{digit}={found};")
        value = found
    return "".join(steps) + f"#{value}"


def operations(prompt: str) -> list[tuple[str, int]]:
    """The operations of a chain prompt, in order: (sign, right operand)."""
    return [(op, int(digit)) for op, digit in zip(prompt[1:-1:2], prompt[2:-1:2], strict=True)]


def apply(left: int, op: str, right: int) -> int:
    """left op right modulo 10, of two digits; `op` is '+', '-' or '*'."""
    return {"+": left + right, "-": left - right, "*": left * right}[op] % 10
