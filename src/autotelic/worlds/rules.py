"""Rules by name: 'k352=' is solved by '375727', where the rule of k puts a 7 behind every digit. A rule can be known by its name or be seen in examples.

A problem may have solved ones of the same name before it, 'k17=1777;k92=9727;k352='. The teacher of `lesson` shows three things: problems alone, where it is
unsure of the rules of some names; problems behind examples, which it follows, whatever they show; and how to write an example for a problem ('D' before
it), with the rule that it believes in at that moment.
"""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, model_validator

from autotelic.errors import DataError
from autotelic.streams import generator
from autotelic.types import Prompt, Settings, Skill, Task
from autotelic.worlds.base import GeneratedWorld, Lesson, Longest, Rates, Span, check_span

NAMES = "abcdefghijklmnopqrstuvwxyz"
_PROBLEM = re.compile(r"([a-z])([0-9]+)=")
_EXAMPLE = re.compile(r"[a-z][0-9]+=[0-9]+;")


def rule(name: str) -> int:
    """What the rule of a name puts behind every digit."""
    return generator("rule", name).randrange(10)


def number(rng: random.Random, digits: int) -> str:
    """Random digits."""
    return "".join(str(rng.randrange(10)) for _ in range(digits))


def applied(put: int, digits: str) -> str:
    """Digits by a rule."""
    return "".join(f"{digit}{put}" for digit in digits)


def example(name: str, put: int, rng: random.Random) -> str:
    """A solved problem of two digits."""
    digits = number(rng, 2)
    return f"{name}{digits}={applied(put, digits)};"


def read(prompt: str) -> tuple[str, str]:
    """The name and the digits of the last problem in a prompt.

    Raises:
        DataError: there is none.
    """
    found = _PROBLEM.fullmatch(prompt.rpartition(";")[2].removeprefix("D"))
    if found is None:
        raise DataError(f"not a problem of rules: {prompt[:80]!r}")
    return found[1], found[2]


def demonstrating(problem: Prompt) -> str:
    """Asks for an example for a problem."""
    return f"D{problem}"


def imitating(problem: Prompt, examples: Sequence[str]) -> str:
    """A problem behind examples."""
    return "".join(examples) + str(problem)


def demonstration(text: str) -> str | None:
    """An example that a model wrote, right or wrong; None when the text is none."""
    return text if _EXAMPLE.fullmatch(text) else None


def answer(text: str) -> str | None:
    """Digits and nothing else."""
    return text if text.isascii() and text.isdigit() else None


LANGUAGE: Mapping[str, Skill] = {
    skill.name: skill for skill in (Skill("demonstrate", demonstrating, demonstration), Skill("imitate", imitating, answer))
}
"""What can be asked about rules."""


class RuleKnobs(Settings):
    """Difficulty, and what the teacher knows."""

    digits: Span = (3, 3)
    """Digits of a problem."""
    examples: Span = (1, 4)
    """Examples in the lessons that have some, each of two digits."""
    slips: float = Field(0.7, ge=0.0, le=1.0)
    """Share of the names whose rule the teacher is unsure of."""
    slip_rates: Rates = (0.2, 0.8)
    """How often it takes another rule for one that it is unsure of: a number of its own for each name, uniform in this range; always the same other rule."""
    following: float = Field(0.5, ge=0.0, le=1.0)
    """Share of the lessons that follow examples; in half of them these show the name's own rule, else any."""
    writing: float = Field(0.15, ge=0.0, le=1.0)
    """Share of the lessons that write an example."""

    @model_validator(mode="after")
    def _fits(self) -> "RuleKnobs":
        check_span("digits", self.digits, 1, 9)
        check_span("examples", self.examples, 0, 9)
        if self.following + self.writing > 1:
            raise ValueError(f"following and writing are shares of the lessons, and are more than 1: {self.following} and {self.writing}")
        return self


class Rules(GeneratedWorld[RuleKnobs]):
    """Digits to which a named rule is to be applied."""

    name = "rules"
    alphabet = NAMES + "0123456789=;D"
    settings = RuleKnobs
    language = LANGUAGE

    def draw(self, rng: random.Random, knobs: RuleKnobs) -> tuple[str, dict[str, Any]]:
        """A name and digits."""
        return f"{rng.choice(NAMES)}{number(rng, rng.randint(*knobs.digits))}=", {}

    def solve(self, prompt: str) -> str:
        """The digits of the last problem, the rule's digit behind each."""
        name, digits = read(prompt)
        return applied(rule(name), digits)

    def problem(self, prompt: str) -> str:
        """The last problem in a prompt: that which stands behind examples, or for which one is to be written."""
        name, digits = read(prompt)
        return f"{name}{digits}="

    @property
    def taught_skills(self) -> tuple[str, ...]:
        return ("demonstrate", "imitate")

    def lesson(self, task: Task, rng: random.Random) -> Lesson:
        """A problem alone, behind examples, or an example for it."""
        problem, knobs = str(task.prompt), self.knobs
        name, digits = read(problem)
        kind = rng.random()
        if kind < knobs.writing:
            return Lesson((demonstrating(problem),), example(name, self.believed(name, rng), rng))
        if kind < knobs.writing + knobs.following:
            shown = rule(name) if rng.random() < 0.5 else rng.randrange(10)
            said = [example(name, shown, rng) for _ in range(rng.randint(*knobs.examples))]
            return Lesson((imitating(problem, said),), applied(shown, digits))
        return Lesson((problem,), applied(self.believed(name, rng), digits))

    def believed(self, name: str, rng: random.Random) -> int:
        """A name's rule as the unsure teacher has it."""
        belief = generator("rule belief", name)
        slips = belief.random() < self.knobs.slips and rng.random() < belief.uniform(*self.knobs.slip_rates)
        return (rule(name) + slips * generator("rule slip", name).randint(1, 9)) % 10

    def parse(self, text: str) -> str | None:
        """Digits and nothing else."""
        return answer(text)

    def bounds(self, knobs: RuleKnobs) -> Longest:
        """Examples of nine characters, and a problem."""
        return Longest(9 * knobs.examples[1] + knobs.digits[1] + 3, max(2 * knobs.digits[1], 9))
