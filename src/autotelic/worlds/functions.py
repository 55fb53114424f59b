r"""Functions in Python, written by instruction and judged by unit tests in the sandbox: prompt 'skip 2,above 3,sum:', solved by a function's body.

The body is of `f(x)`, where x is a list of whole numbers: 'x=x[2:]\nx=[v for v in x if v>3]\nreturn sum(x)'. Any body that passes all tests is
right, and no model sees the tests. What is right is worked out here by functions of this module; what a model wrote is run in the sandbox and
nowhere else.

A function is what it does to the lists of the tests: instructions that say the same in other words are one problem. This is real Python, and
nothing is posed; a toy language with its own interpreter, whose problems a model also poses, is `programs`.
"""

import ast
import json
import random
import re
import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from textwrap import indent
from typing import Any, NamedTuple

from pydantic import Field, model_validator

from autotelic.answers.unit_tests import run_ahead, score
from autotelic.errors import DataError, SettingError
from autotelic.sandbox import why_not
from autotelic.streams import generator, key
from autotelic.types import Settings, Task
from autotelic.worlds.base import GeneratedWorld, Lesson, Longest, Rates, Span, check_span

LONGEST_BODY = 400
"""Characters of the longest completion that is read."""
MOST_TOGETHER = 4096
"""Bodies that are run together, at most."""
PLAIN: tuple[list[int], ...] = ([4, 1, 7, 2, 9, 3, 8, 5, 6, 0, 10, 12], [5, 3, 11, 3, 6, 1, 2, 9, 4, 7, 8], [9, 8, 7, 6, 5, 4, 3, 2, 1])
EDGES: tuple[list[int], ...] = ([], [2], [-3, 5, -1, 0, 4, -2, 1, 3, 2, -4], [3, 3, 1, 1, 2, 2, 2, 5, 5, 4])
"""The lists that every function is tested on: ordinary ones, which are the first tier, and those that careless code fails on."""


class Step(NamedTuple):
    """One thing that an instruction may ask for."""

    does: Callable[[Any, int], Any]
    """What it makes of a list; the number is 0 where the step has none."""
    code: str
    """The expression that does it; {k} is the number, {less} and {more} are one off."""
    slips: tuple[str, ...]
    """Expressions that somebody may write in its place and that differ."""


STEPS: dict[str, Step] = {
    "add": Step(lambda x, k: [v + k for v in x], "[v+{k} for v in x]", ("[v-{k} for v in x]", "[v+{more} for v in x]")),
    "times": Step(lambda x, k: [v * k for v in x], "[v*{k} for v in x]", ("[v+{k} for v in x]", "[v*{more} for v in x]")),
    "above": Step(lambda x, k: [v for v in x if v > k], "[v for v in x if v>{k}]", ("[v for v in x if v>={k}]", "[v for v in x if v<{k}]")),
    "below": Step(lambda x, k: [v for v in x if v < k], "[v for v in x if v<{k}]", ("[v for v in x if v<={k}]", "[v for v in x if v>{k}]")),
    "first": Step(lambda x, k: x[:k], "x[:{k}]", ("x[:{less}]", "x[:{more}]", "x[{k}:]")),
    "skip": Step(lambda x, k: x[k:], "x[{k}:]", ("x[{less}:]", "x[{more}:]", "x[:{k}]")),
    "even": Step(lambda x, _: [v for v in x if v % 2 == 0], "[v for v in x if v%2==0]", ("[v for v in x if v%2]",)),
    "odd": Step(lambda x, _: [v for v in x if v % 2], "[v for v in x if v%2]", ("[v for v in x if v%2==0]",)),
    "reverse": Step(lambda x, _: x[::-1], "x[::-1]", ("x[:0:-1]",)),
    "sort": Step(lambda x, _: sorted(x), "sorted(x)", ("sorted(x)[::-1]",)),
    "sum": Step(lambda x, _: sum(x), "sum(x)", ("sum(x[1:])",)),
    "count": Step(lambda x, _: len(x), "len(x)", ("sum(x)",)),
    "largest": Step(lambda x, _: max(x, default=0), "max(x,default=0)", ("max(x)", "x[-1]")),
}
NUMBERED, LAST = ("add", "times", "above", "below", "first", "skip"), ("sum", "count", "largest")
"""Steps with a number from 1, and those that make one number of a list, which nothing can follow."""
_STEP = rf"(?:(?:{'|'.join(NUMBERED)}) [1-9]|{'|'.join(name for name in STEPS if name not in NUMBERED)})"
_PROMPT = re.compile(rf"({_STEP}(?:,{_STEP}){{0,7}}):")


class FunctionsKnobs(Settings):
    """Difficulty of functions, how they are judged, and how sure the teacher is."""

    ops: Span = (2, 3)
    """Steps of an instruction; of a range, every number is equally likely."""
    largest: int = Field(5, ge=1, le=9)
    """Numbers in instructions are uniform in 1 to `largest`."""
    partial: bool = False
    """Whether a function that fails a test is worth its share of the tests: half for the ordinary lists and, where these pass, half for the rest."""
    slips: float = Field(0.0, ge=0.0, le=1.0)
    """Share of the steps, each with each number, of which the teacher of `lesson` is unsure."""
    slip_rates: Rates = (0.2, 0.8)
    """How often it writes other code there: a number of its own for each, and always the same other code."""

    @model_validator(mode="after")
    def _fits(self) -> "FunctionsKnobs":
        check_span("ops", self.ops, 1, 4)
        return self


def read(prompt: str) -> list[tuple[str, int]]:
    """The steps of an instruction with their numbers; raises DataError when it is none."""
    found = _PROMPT.fullmatch(prompt)
    steps = [(name, int(number or 0)) for name, _, number in (part.partition(" ") for part in found[1].split(","))] if found else []
    if not steps or any(name in LAST for name, _ in steps[:-1]):
        raise DataError(f"not an instruction for a function: {prompt!r}")
    return steps


def outcomes(steps: Sequence[tuple[str, int]]) -> list[str]:
    """What a function gives for each list of the tests."""
    found: list[Any] = [*PLAIN, *EDGES]
    for name, number in steps:
        found = [STEPS[name].does(value, number) for value in found]
    return [repr(value) for value in found]


def tests(prompt: str) -> str:
    """The unit tests of an instruction, in two tiers."""
    made = [f"assert f({given}) == {found}" for given, found in zip((*PLAIN, *EDGES), outcomes(read(prompt)), strict=True)]
    return json.dumps([made[: len(PLAIN)], made[len(PLAIN) :]])


def body(expressions: Sequence[str]) -> str:
    """Expressions, each of the x before it, as the body of a function."""
    return "".join(f"x={text}\n" for text in expressions[:-1]) + f"return {expressions[-1]}"


def body_in(text: str) -> str | None:
    """The body of a function that a text is, written as Python itself would write it; None where it is no Python."""
    if len(text) > LONGEST_BODY:
        return None
    try:
        with warnings.catch_warnings(action="ignore"):  # such as of '3for', which is read all the same
            made = ast.parse(_function(text)).body
        return "\n".join(map(ast.unparse, made[0].body)) if len(made) == 1 and isinstance(made[0], ast.FunctionDef) else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _written(code: str, number: int) -> str:
    return code.format(k=number, less=number - 1, more=number + 1)


def _function(text: str) -> str:
    return f"def f(x):\n{indent(text, ' ')}"


class Functions(GeneratedWorld[FunctionsKnobs]):
    """Functions of lists by instruction; tags: ops."""

    name = "functions"
    alphabet = "\n %()*+,-.:<=>[]_0123456789abcdefghijklmnopqrstuvwxyz"
    settings = FunctionsKnobs

    def __init__(self, **knobs: Any) -> None:
        super().__init__(**knobs)
        self._unjudged: dict[str, None] = {}

    def tasks(self, count: int, *, seed: int, split: str = "train", **knobs: Any) -> list[Task]:
        """As any world's; raises SettingError, with the reason, where code of models cannot be run apart."""
        if reason := why_not():
            raise SettingError(f"world {self.name!r} runs code of models: {reason}")
        return super().tasks(count, seed=seed, split=split, **knobs)

    def task(self, prompt: str, tags: dict[str, Any] | None = None) -> Task:
        """As any world's. Its answer is not among the bodies that wait to be judged."""
        return Task(f"{self.name}-{key(prompt):016x}", prompt, answer=body_in(self.solve(prompt)), tags=tags or {})

    def draw(self, rng: random.Random, knobs: FunctionsKnobs) -> tuple[str, dict[str, Any]]:
        """Random steps, each of which changes something, that do not make the same of every list."""
        count = rng.randint(*knobs.ops)
        while True:
            names = [rng.choice([name for name in STEPS if place == count - 1 or name not in LAST]) for place in range(count)]
            steps = [(name, rng.randint(1, knobs.largest) if name in NUMBERED else 0) for name in names]
            values = [outcomes(steps[:end]) for end in range(count + 1)]
            if all(before != after for before, after in pairwise(values)) and len(set(values[-1])) > 1:
                return ",".join(f"{name} {number}" if number else name for name, number in steps) + ":", {"ops": count}

    def identity(self, prompt: str) -> object:
        """What the function makes of the lists of the tests."""
        return outcomes(read(prompt))

    def solve(self, prompt: str) -> str:
        """A line of Python for each step."""
        return body([_written(STEPS[name].code, number) for name, number in read(prompt)])

    def lesson(self, task: Task, rng: random.Random) -> Lesson:
        """As `solve`, by a teacher who is unsure of some steps."""
        return Lesson((str(task.prompt),), body([self.believed(name, number, rng) for name, number in read(str(task.prompt))]))

    def believed(self, name: str, number: int, rng: random.Random) -> str:
        """The code of a step as the teacher writes it this time: what it is unsure of, how much, and what it writes then follow from the step."""
        belief = generator("function slip", name, number)
        unsure, rate, other = belief.random() < self.knobs.slips, belief.uniform(*self.knobs.slip_rates), belief.choice(STEPS[name].slips)
        return _written(other if unsure and rng.random() < rate else STEPS[name].code, number)

    def parse(self, text: str) -> str | None:
        """The body, written as Python itself would write it; None where it is no Python."""
        found = body_in(text)
        if found is not None and len(self._unjudged) < MOST_TOGETHER:
            self._unjudged[found] = None
        return found

    def verify(self, task: Task, answer: str | None) -> float:
        """1.0 where all tests pass, else 0.0, or with the knob `partial` the share that counts.

        All bodies that were read since the last judging are run together: the lists of the tests are the same for all functions.
        """
        wanted = tests(str(task.prompt))
        if answer in self._unjudged:
            run_ahead(map(_function, self._unjudged), wanted)
            self._unjudged.clear()
        passed = 0.0 if answer is None else score(_function(answer), wanted)
        return passed if self.knobs.partial else float(passed == 1.0)

    def bounds(self, knobs: FunctionsKnobs) -> Longest:
        """Of the longest instructions and the gold code."""
        ops, code = knobs.ops[1], max(len(_written(step.code, 9)) for step in STEPS.values())
        return Longest(ops * len("reverse,"), ops * (len("x=\n") + code) + len("return") - len("x=\n") + 1)
