"""Chain arithmetic with asides: operations in parentheses that are not to be done, such as '3+4(*2)*5(-1)=', solved by '3+4=7;7*5=5;#5'.

Without its asides a problem is one of `chain`, whose splits, steps and answers it has. The teacher of `lesson` solves problems, and sometimes does an aside
as if it were none; it also rewrites them ('W' before the problem): without asides, with fewer of these errors. How often it errs in either is a knob.
"""

import random
import re
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from pydantic import Field, model_validator

from autotelic.errors import DataError
from autotelic.types import Prompt, Skill, Task
from autotelic.worlds.base import Lesson, Longest, Span, check_span
from autotelic.worlds.chain import Chain, ChainKnobs

_ASIDE = re.compile(r"\(([-+*][0-9])\)")
_PROBLEM = re.compile(r"[0-9](?:[-+*][0-9]|\([-+*][0-9]\))+=")


def plain(problem: str) -> str:
    """A problem without its asides.

    Raises:
        DataError: it is none of this world.
    """
    if not _PROBLEM.fullmatch(problem):
        raise DataError(f"not a chain with asides: {problem!r}")
    return _ASIDE.sub("", problem)


def mistaken(problem: str, rate: float, rng: random.Random) -> str:
    """A problem without its asides, but for a share that are taken for operations."""
    return _ASIDE.sub(lambda aside: aside[1] if rng.random() < rate else "", problem)


def rewriting(problem: Prompt) -> str:
    """Asks for the problem without what does not matter."""
    return f"W{problem}"


def rewritten(text: str) -> str | None:
    """A problem that a model wrote, which is its own prompt; None when the text is none."""
    return text if _PROBLEM.fullmatch(text) else None


LANGUAGE: Mapping[str, Skill] = {"rewrite": Skill("rewrite", rewriting, rewritten)}
"""What can be asked about chains with asides."""


class AsideKnobs(ChainKnobs):
    """Difficulty of chains, and how the teacher takes asides."""

    ops: Span = (4, 4)
    asides: Span = (0, 8)
    """Asides of a problem; of a range, every number is equally likely."""
    mistaken: float = Field(0.1, ge=0.0, le=1.0)
    """Share of the asides that the teacher does when it solves."""
    kept: float = Field(0.02, ge=0.0, le=1.0)
    """Share of the asides that it keeps, as operations, when it rewrites."""
    rewriting: float = Field(0.4, ge=0.0, le=1.0)
    """Share of the lessons that rewrite."""

    @model_validator(mode="after")
    def _asides_fit(self) -> "AsideKnobs":
        check_span("asides", self.asides, 0, 100)
        return self


class Asides(Chain):
    """As `chain`, with operations that do not matter; tags: ops, asides."""

    name = "asides"
    kin = "chain"
    alphabet = Chain.alphabet + "()W"
    settings = AsideKnobs
    language = LANGUAGE
    knobs: AsideKnobs

    def draw(self, rng: random.Random, knobs: ChainKnobs) -> tuple[str, dict[str, Any]]:
        """A chain, with asides anywhere behind its first digit."""
        assert isinstance(knobs, AsideKnobs)
        chain, tags = super().draw(rng, knobs)
        asides = rng.randint(*knobs.asides)
        places = sorted(rng.randint(0, tags["ops"]) for _ in range(asides))
        said = ["".join(f"({rng.choice(knobs.operators)}{rng.randrange(10)})" for place in places if place == n) for n in range(tags["ops"] + 1)]
        parts = [chain[0], *(chain[at : at + 2] for at in range(1, len(chain) - 1, 2))]
        return "".join(part + more for part, more in zip_longest(parts, said, fillvalue="")) + "=", {**tags, "asides": asides}

    def solve(self, prompt: str) -> str:
        """The solution of the chain that is left without the asides."""
        return super().solve(plain(prompt))

    def problem(self, prompt: str) -> str:
        """The first problem in a prompt, such as that which is to be rewritten."""
        if found := _PROBLEM.search(prompt):
            return found[0]
        raise DataError(f"{self.name}: no problem in the prompt {prompt[:80]!r}")

    def identity(self, prompt: str) -> object:
        """The chain: asides make no other problem."""
        return plain(prompt)

    @property
    def taught_skills(self) -> tuple[str, ...]:
        return ("rewrite",)

    def lesson(self, task: Task, rng: random.Random) -> Lesson:
        """A rewriting, or a solution by the unsure teacher; each with its own share of asides that are taken for operations."""
        problem = str(task.prompt)
        if rng.random() < self.knobs.rewriting:
            return Lesson((rewriting(problem),), mistaken(problem, self.knobs.kept, rng))
        return Lesson((problem,), self.taught(mistaken(problem, self.knobs.mistaken, rng), rng))

    def bounds(self, knobs: ChainKnobs) -> Longest:
        """Four characters an aside more than a chain has, in the solution as many as another operation."""
        assert isinstance(knobs, AsideKnobs)
        asides = knobs.asides[1]
        found = super().bounds(knobs)
        return Longest(found.prompt + 4 * asides + 1, found.completion + 6 * asides)
