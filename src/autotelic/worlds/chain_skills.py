"""Chain arithmetic whose teacher also shows how to pose, judge, criticize, mend, spoil and repeat: lessons for base models that play roles.

Its tasks, answers, splits and language are those of `chain`; only what a base is taught differs.
"""

import random
from collections.abc import Callable
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from autotelic.errors import DataError, nearest
from autotelic.types import Task
from autotelic.worlds.base import Lesson, Rates, Span, check_span
from autotelic.worlds.chain import Chain, ChainKnobs
from autotelic.worlds.chain.arithmetic import PROMPT, apply, operations, written_out
from autotelic.worlds.chain.language import (
    PROPOSE,
    REFLECT,
    RETRY,
    criticizing,
    ended,
    explaining,
    first_wrong,
    judging,
    refining,
    scoring,
    share,
    sneaking,
)  # fmt: skip

SKILLS = ("solve", "propose", "judge", "critique", "score", "refine", "sneak", "retry", "reflect", "correct", "explain")
CHECKS = 3


def names(value: object) -> object:
    return tuple(value.split(",")) if isinstance(value, str) else value


class SkillKnobs(ChainKnobs):
    """Difficulty of chains, and what the teacher shows."""

    skills: Annotated[tuple[str, ...], BeforeValidator(names)] = SKILLS
    """What is taught; each lesson is of one of them at random, so that a name given twice is taught twice as often. Written 'solve,judge'."""
    propose_ops: Span = (1, 4)
    """Operations of the problems that `propose` teaches to pose."""
    wrong: Rates = (0.0, 0.6)
    """Share of the equations that the solver whose work is judged and mended gets wrong, drawn for each lesson."""
    unended: float = Field(0.1, ge=0.0, le=1.0)
    """Share of the judged solutions that break off."""
    judge_noise: float = Field(0.05, ge=0.0, le=1.0)
    """Share of the lessons of judges and scorers that end in some other digit than follows."""
    critique_noise: float = Field(0.05, ge=0.0, le=1.0)
    """Share of the lessons of critics that end in some other index than follows."""

    @model_validator(mode="after")
    def _teachable(self) -> "SkillKnobs":
        check_span("propose_ops", self.propose_ops, 1, 100)
        if not 0 <= self.wrong[0] <= self.wrong[1] <= 1:
            raise ValueError(f"wrong must be a range within 0 to 1, got {self.wrong[0]}-{self.wrong[1]}")
        for skill in self.skills:
            if skill not in SKILLS:
                raise ValueError(f"no skill {skill!r}: {nearest(skill, SKILLS)}")
        if not self.skills:
            raise ValueError("skills must name at least one skill")
        return self


class ChainSkills(Chain):
    """As `chain`, with a teacher of the skills that roles need."""

    name = "chain-skills"
    kin = "chain"
    alphabet = Chain.alphabet + "@JCRSE?!:"
    settings = SkillKnobs
    knobs: SkillKnobs

    def problem(self, prompt: str) -> str:
        """The first problem in a prompt, such as that of the solution which a critic is shown."""
        if found := PROMPT.search(prompt):
            return found[0]
        raise DataError(f"{self.name}: no problem in the prompt {prompt[:80]!r}")

    @property
    def taught_skills(self) -> tuple[str, ...]:
        return tuple(skill for skill in self.knobs.skills if skill != "solve")

    def lesson(self, task: Task, rng: random.Random) -> Lesson:
        """A lesson of one of the `skills`, on the task's problem."""
        return _TEACHERS[rng.choice(self.knobs.skills)](self, str(task.prompt), rng)

    def sloppy(self, problem: str, rng: random.Random) -> str:
        """Somebody's solution, some of its equations wrong; slips are carried on."""
        rate = rng.uniform(*self.knobs.wrong)
        return written_out(problem, lambda left, op, right: (apply(left, op, right) + (rng.random() < rate) * rng.randint(1, 9)) % 10)

    def mended(self, problem: str, solution: str, index: int, rng: random.Random) -> str:
        """As the unsure teacher would put a solution right whose equation `index` (from 1) is known to be the first wrong one; 0: it stays."""
        if not index:
            return solution
        kept = iter(solution.split(";")[: index - 1])
        place = iter(range(1, len(solution)))

        def result(left: int, op: str, right: int) -> int:
            known = next(kept, None)
            if known is not None:
                next(place)
                return int(known[-1])
            return apply(left, op, right) if next(place) == index else self.believed(left, op, right, rng)

        return written_out(problem, result)

    def checked(self, problem: str, solution: str, rng: random.Random) -> tuple[str, list[bool]]:
        """How the unsure teacher checks a solution: it reckons the equations anew up to the first that differs; it errs if it slips `CHECKS` times.

        Returns the equations as it reckons them, and which of the solution's agree.
        """
        value, lines, agree = problem[0], "", list[bool]()
        for (op, right), text in zip(operations(problem), solution.split(";")[:-1], strict=False):
            tries = [self.believed(int(value), op, right, rng) for _ in range(CHECKS)]
            truth = apply(int(value), op, right)
            result = truth if truth in tries else tries[0]
            lines += f"{value}{op}{right}={result};"
            agree.append(text == lines[-6:-1])
            if not agree[-1]:
                break
            value = text[-1]
        return lines, agree


# ---- the teacher, by skill


def _solve(world: ChainSkills, problem: str, rng: random.Random) -> Lesson:
    return Lesson((problem,), world.taught(problem, rng))


def _propose(world: ChainSkills, problem: str, rng: random.Random) -> Lesson:
    ops = min(rng.randint(*world.knobs.propose_ops), len(operations(problem)))
    return Lesson((PROPOSE,), problem[: 2 * ops + 1] + "=")


def _judge(world: ChainSkills, problem: str, rng: random.Random) -> Lesson:
    solution = world.sloppy(problem, rng)
    if rng.random() < world.knobs.unended:
        solution = solution[: rng.randrange(len(solution))]
    lines, agree = world.checked(problem, solution, rng)
    found = share(agree.count(True), len(operations(problem))) if ended(problem, solution) else 0
    return Lesson((judging(problem, solution),), lines + _noisy(found, range(6), world.knobs.judge_noise, rng))


def _criticized(world: ChainSkills, problem: str, solution: str, rng: random.Random) -> tuple[str, int]:
    """A critique, and the index that follows from it."""
    lines, agree = world.checked(problem, solution, rng)
    found = 0 if all(agree) else min(len(agree), 9)
    return lines + _noisy(found, range(min(len(operations(problem)), 9) + 1), world.knobs.critique_noise, rng), found


def _critique(world: ChainSkills, problem: str, rng: random.Random) -> Lesson:
    solution = world.sloppy(problem, rng)
    return Lesson((criticizing(problem, solution),), _criticized(world, problem, solution, rng)[0])


def _score(world: ChainSkills, problem: str, rng: random.Random) -> Lesson:
    solution = world.sloppy(problem, rng)
    truth, most = first_wrong(problem, solution), min(len(operations(problem)), 9)
    named = truth if rng.random() < 0.6 else rng.randint(0, most)
    lines, agree = world.checked(problem, solution, rng)
    right = 3 if all(agree) else 1 if named == min(len(agree), 9) else 2
    return Lesson((scoring(problem, solution, named),), lines + _noisy(right, range(1, 4), world.knobs.judge_noise, rng))


def _refine(world: ChainSkills, problem: str, rng: random.Random) -> Lesson:
    solution = world.sloppy(problem, rng)
    index = first_wrong(problem, solution)
    return Lesson((refining(problem, solution, index),), world.mended(problem, solution, index, rng))


def _sneak(world: ChainSkills, problem: str, rng: random.Random) -> Lesson:
    equations = world.solve(problem).split(";")[:-1]
    index = rng.randint(1, min(len(equations), 9))
    wrong = equations[index - 1][:-1] + str((int(equations[index - 1][-1]) + rng.randint(1, 9)) % 10)
    return Lesson((sneaking(problem, world.solve(problem), index),), ";".join([*equations[: index - 1], wrong]) + ";")


def _retry(world: ChainSkills, problem: str, rng: random.Random) -> Lesson:
    first = world.sloppy(problem, rng)
    return Lesson((problem + first, RETRY), first if rng.random() < 0.5 else world.taught(problem, rng))


def _wrong(world: ChainSkills, problem: str, rng: random.Random) -> str:
    """A solution with at least one wrong equation."""
    solution = world.sloppy(problem, rng)
    if not first_wrong(problem, solution):
        unlucky = rng.randrange(len(operations(problem)))
        place = iter(range(len(solution)))
        solution = written_out(problem, lambda left, op, right: (apply(left, op, right) + (next(place) == unlucky) * rng.randint(1, 9)) % 10)
    return solution


def _reflect(world: ChainSkills, problem: str, rng: random.Random) -> Lesson:
    solution = _wrong(world, problem, rng)
    return Lesson((problem + solution, REFLECT), _criticized(world, problem, solution, rng)[0])


def _correct(world: ChainSkills, problem: str, rng: random.Random) -> Lesson:
    solution = _wrong(world, problem, rng)
    reflection, _ = _criticized(world, problem, solution, rng)
    return Lesson((problem + solution, REFLECT + reflection, RETRY), world.mended(problem, solution, int(reflection[-1]), rng))


def _explain(world: ChainSkills, problem: str, rng: random.Random) -> Lesson:
    """Given the answer, the unsure teacher's own way to it: the first of its solutions that ends there, or the right one."""
    answer = world.solve(problem)[-1]
    tries = (world.taught(problem, rng) for _ in range(8))
    return Lesson((explaining(problem, answer),), next((text for text in tries if text.endswith(answer)), world.solve(problem)))


_TEACHERS: dict[str, Callable[[ChainSkills, str, random.Random], Lesson]] = {
    "solve": _solve, "propose": _propose, "judge": _judge, "critique": _critique, "score": _score,
    "refine": _refine, "sneak": _sneak, "retry": _retry, "reflect": _reflect, "correct": _correct, "explain": _explain,
}  # fmt: skip


def _noisy(right: int, digits: range, noise: float, rng: random.Random) -> str:
    """'#' and the right digit, or with probability `noise` another of `digits`."""
    return f"#{rng.choice([digit for digit in digits if digit != right]) if rng.random() < noise else right}"
