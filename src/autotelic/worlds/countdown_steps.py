"""Countdown worked out step by step: '3,7,2:13' is solved by '3*2=6,7;7+6=13;'. A step names what is left after it, so that it can be checked
alone, and a text can go on from after any of them.

Steps keep to whole numbers above 0: the larger number comes first, a difference of equals and an inexact division are not allowed. The world also
makes wrong steps, for systems that are taught to take a step back.
"""

import random
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

from pydantic import Field

from autotelic.errors import DataError
from autotelic.types import Task
from autotelic.worlds.base import Lesson, Longest
from autotelic.worlds.countdown import Countdown, CountdownKnobs, read

BACK = "<"
"""The character with which a text takes back the step before it; no prompt or solution has it."""
_STEPS = re.compile(r"(?:[0-9]+[-+*/][0-9]+=[0-9]+(?:,[0-9]+)*;)+")


@runtime_checkable
class Misleading(Protocol):
    """A world that can make wrong steps."""

    def wrong_step(self, prompt: str, rng: random.Random) -> tuple[str, str]:
        """A start of the solution, and a wrong step after it."""


class StepKnobs(CountdownKnobs):
    """Difficulty of countdowns, and what the teacher shows."""

    backs: float = Field(0.0, ge=0.0, le=1.0)
    """Share of the lessons that show a wrong step being taken back, which is no target; the others are solutions."""


class CountdownSteps(Countdown):
    """Countdowns that whole positive numbers solve, step by step; tags: numbers (how many)."""

    name = "countdown-steps"
    kin = "countdown"
    alphabet = "*+,-/0123456789:;=" + BACK
    settings = StepKnobs
    knobs: StepKnobs

    def draw(self, rng: random.Random, knobs: CountdownKnobs) -> tuple[str, dict[str, Any]]:
        """Uniform numbers and random steps until a target in range comes out."""
        for _ in range(10_000):
            numbers = values = tuple(rng.randint(1, knobs.largest) for _ in range(rng.randint(*knobs.numbers)))
            while len(values) > 1:
                values = rng.choice(list(moves(values)))[1]
            if knobs.target[0] <= values[0] <= knobs.target[1]:
                return f"{','.join(map(str, numbers))}:{values[0]}", {"numbers": len(numbers)}
        raise DataError(f"world {self.name!r}: no target in {knobs.target[0]}-{knobs.target[1]} is reachable from numbers up to {knobs.largest}")

    def solve(self, prompt: str) -> str:
        """The first solution that a search finds which prefers early numbers, and + to - to * to /; raises DataError where there is none."""
        found = path(*read(prompt))
        if found is None:
            raise DataError(f"no steps solve {prompt!r}")
        return "".join(found)

    def parse(self, text: str) -> str | None:
        """The steps that the whole text is, right or wrong. The same steps in another order are another answer."""
        return text if _STEPS.fullmatch(text) else None

    def verify(self, task: Task, answer: str | None) -> float:
        """1.0 when every step is allowed and the last leaves the target alone."""
        values, target = read(str(task.prompt))
        for text in steps(answer or ""):
            found = dict(moves(values)).get(text)
            if found is None:
                return 0.0
            values = found
        return float(values == (target,))

    def wrong_step(self, prompt: str, rng: random.Random) -> tuple[str, str]:
        """A start of the solution, and a step after it that is wrong in one of three ways: allowed, but after it the target cannot be reached;
        miscalculated, at the end so that the target seems to be reached; or, half as often, with a number that is not there."""
        values, target = read(prompt)
        right = path(values, target) or ()
        kept = right[: rng.randrange(max(len(right), 1))]
        for text in kept:
            values = dict(moves(values))[text]
        text, left = rng.choice(list(moves(values)))
        wrong = {
            "dead end": [text for text, rest in moves(values) if path(rest, target) is None],
            "miscalculated": [miscalculated(text, left, target, rng)],
        }
        absent = rng.choice([n for n in range(1, max(*values, 9) + 2) if n not in values])
        wrong["not there"] = [str(absent) + text.lstrip("0123456789")]
        kinds = [kind for kind in ("dead end", "dead end", "miscalculated", "miscalculated", "not there") if wrong[kind]]
        return "".join(kept), rng.choice(wrong[rng.choice(kinds)])

    def lesson(self, task: Task, rng: random.Random) -> Lesson:
        """The solution, or a start of it and a wrong step, to be followed by the character that takes it back."""
        if rng.random() < self.knobs.backs:
            return Lesson((str(task.prompt) + "".join(self.wrong_step(str(task.prompt), rng)),), BACK)
        return super().lesson(task, rng)

    def bounds(self, knobs: CountdownKnobs) -> Longest:
        """As `countdown`; each step has two operands, a result and what is left, no number longer than the product of all."""
        many, width = knobs.numbers[1], len(str(knobs.largest))
        step = 2 * many * width + 3 + many * (width + 1) + many * width
        return Longest(many * (width + 1) + len(str(knobs.target[1])), (many - 1) * step)


def moves(values: Sequence[int]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The allowed steps from some numbers, as (text, numbers after it)."""
    for i in range(len(values)):
        for j in range(i + 1, len(values)):
            large, small = max(values[i], values[j]), min(values[i], values[j])
            rest = [value for place, value in enumerate(values) if place not in (i, j)]
            results = {"+": large + small, "-": large - small, "*": large * small, "/": large // small if large % small == 0 else 0}
            for op, result in results.items():
                if result > 0:
                    yield f"{large}{op}{small}={','.join(map(str, [result, *rest]))};", (result, *rest)


@lru_cache(maxsize=65_536)
def path(values: tuple[int, ...], target: int) -> tuple[str, ...] | None:
    """The first steps that lead from some numbers to the target alone; None when none do."""
    if len(values) == 1:
        return () if values[0] == target else None
    for text, left in moves(values):
        rest = path(left, target)
        if rest is not None:
            return (text, *rest)
    return None


def miscalculated(text: str, left: Sequence[int], target: int, rng: random.Random) -> str:
    """A step with another result: the target's if it is the last step and does not lead there, else one that is near."""
    start, rest = text.partition("=")[0], text.partition("=")[2][len(str(left[0])) :]
    if len(left) == 1 and left[0] != target:
        return f"{start}={target}{rest}"
    return f"{start}={left[0] + rng.choice([n for n in (-10, -2, -1, 1, 2, 10) if left[0] + n > 0])}{rest}"


def steps(text: str) -> list[str]:
    """The steps of a text, each with its ';'; what comes after the last ';' is none."""
    return [part + ";" for part in text.split(";")[:-1]]
