"""Chains in a world that slips: it replaces the result of a written equation by another digit, and the solver must go on from what stands there.

To know the equations better does not prevent such an error. To notice it does: a solver may take the step back with '<' and write it again, or answer again
when it is asked to. Tasks, answers and splits are those of `chain`.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from autotelic.streams import generator
from autotelic.tasks.language import FINE
from autotelic.types import Skill, Task
from autotelic.worlds.base import Lesson
from autotelic.worlds.chain import apply, operations
from autotelic.worlds.chain.language import LANGUAGE, REFLECT, RETRY, criticizing, first_wrong, refining, steps
from autotelic.worlds.chain_skills import ChainSkills, SkillKnobs, names
from autotelic.worlds.countdown_steps import BACK

STEP = re.compile(r"[0-9][-+*][0-9]=([0-9]);")
TAKEN_BACK = re.compile(f"[^;{BACK}]*;{BACK}")
SLIP_SKILLS = ("solve", "critique", "refine", "retry", "reflect", "correct")


def standing(solution: str) -> str:
    """What stands of a solution: without the steps that were taken back."""
    while (found := TAKEN_BACK.sub("", solution)) != solution:
        solution = found
    return solution.replace(BACK, "")


def of_what_stands(skill: Skill) -> Skill:
    """A skill about solutions, of which only what stands is shown and judged."""
    ask, truth = skill.ask, skill.truth
    return replace(
        skill,
        ask=lambda problem, solution, *more: ask(problem, standing(solution), *more),
        truth=truth and (lambda task, solution: truth(task, standing(solution))),
        steps=lambda solution: skill.steps(standing(solution)),
    )


SPOKEN: Mapping[str, Skill] = {
    name: of_what_stands(skill) if name in ("critique", "judge", "score", "refine", "sneak") else skill for name, skill in LANGUAGE.items()
}
"""The language of chains, about what stands of a solution."""


class SlipKnobs(SkillKnobs):
    """Difficulty of chains, how often the world slips, and what the teacher shows."""

    rate: float = Field(0.1, ge=0.0, le=1.0)
    """Chance that the result of a written equation is replaced."""
    skills: Annotated[tuple[str, ...], BeforeValidator(names)] = SLIP_SKILLS
    kept: float = Field(0.5, ge=0.0, le=1.0)
    """Share of the lessons of `retry` that say the answer before again, whether it was right or not; the others solve anew."""

    @model_validator(mode="after")
    def _of_slips(self) -> "SlipKnobs":
        for skill in self.skills:
            if skill not in SLIP_SKILLS:
                raise ValueError(f"the teacher of slips does not teach {skill!r}; it teaches {', '.join(SLIP_SKILLS)}")
        return self


class Slips(ChainSkills):
    """As `chain`, in a world that replaces results; tags: ops."""

    name = "slips"
    alphabet = ChainSkills.alphabet + BACK
    settings = SlipKnobs
    knobs: SlipKnobs
    language = SPOKEN

    def disturb(self, text: str, start: int, stream: int) -> tuple[int, str] | None:
        """The first result from `start` on that the world replaces, by its luck of (stream, number of the equation in the text), and the digit that it writes."""
        for number, step in enumerate(STEP.finditer(text)):
            luck = generator("slip of the world", stream, number)
            if step.start(1) >= start and luck.random() < self.knobs.rate:
                return step.start(1), str((int(step[1]) + luck.randint(1, 9)) % 10)
        return None

    def wrong_step(self, prompt: str, rng: random.Random) -> tuple[str, str]:
        """A start of the solution, and the next equation with another result."""
        right = steps(self.solve(prompt))
        place = rng.randrange(len(right))
        return "".join(right[:place]), other(right[place], rng)

    def chance(self, prompt: str, mended: float = 0.0) -> float:
        """The exact chance that a solution is right which reckons every equation rightly and takes back a share `mended` of the slips."""
        rate = standing_rate(self.knobs.rate, mended)
        chances = {int(prompt[0]): 1.0}
        for op, right in operations(prompt):
            found = dict.fromkeys(range(10), 0.0)
            for value, chance in chances.items():
                result = apply(value, op, right)
                for digit in found:
                    found[digit] += chance * (1 - rate if digit == result else rate / 9)
            chances = found
        return chances[int(self.solve(prompt)[-1])]

    def lesson(self, task: Task, rng: random.Random) -> Lesson:
        """A lesson of one of the `skills`. Critics say the number of the first wrong step at once, because the world would slip in what they reckon."""
        problem, skill = str(task.prompt), rng.choice(self.knobs.skills)
        solution = self.sloppy(problem, rng)
        if skill == "solve":
            return Lesson((problem,), self.taught(problem, rng))
        if skill == "retry":
            return Lesson((problem + solution, RETRY), said(solution) if rng.random() < self.knobs.kept else self.taught(problem, rng))
        truth = str(first_wrong(problem, solution))
        told = self.told(problem, truth, rng)
        if skill == "critique":
            return Lesson((criticizing(problem, solution),), "#" + told)
        if skill == "reflect":
            return Lesson((problem + solution, REFLECT), "#" + told)
        again = said(solution) if truth == FINE else self.taught(problem, rng)
        if skill == "refine":
            return Lesson((refining(problem, solution, truth),), again)
        return Lesson((problem + solution, f"{REFLECT}#{truth}", RETRY), again)

    def told(self, problem: str, truth: str, rng: random.Random) -> str:
        """A critique, and with probability `critique_noise` another."""
        wrong = [str(number) for number in range(min(len(operations(problem)), 9) + 1) if str(number) != truth]
        return rng.choice(wrong) if rng.random() < self.knobs.critique_noise else truth


def standing_rate(rate: float, mended: float) -> float:
    """The chance that a wrong result stands in the end where a share `mended` of the slips is noticed, and the step written again, which may slip too."""
    return rate * (1 - mended) / (1 - rate * mended) if rate * mended < 1 else 0.0


def other(step: str, rng: random.Random) -> str:
    """An equation with another result."""
    return step[:-2] + str((int(step[-2]) + rng.randint(1, 9)) % 10) + ";"


def said(solution: str) -> str:
    """The answer of a solution alone."""
    return solution[-2:]
