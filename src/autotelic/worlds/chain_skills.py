"""Chain arithmetic whose teacher also shows how to pose, judge, criticize, mend, spoil and repeat: lessons for base models that play roles.

Its tasks, answers and splits are those of `chain`; only what a base is taught differs. Beside the lessons are the prompts of each skill, the
parsers of what a model answers, and the truth about a solution (`marks`, `quality`, `first_wrong`), which systems may log but not train on.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from autotelic.errors import DataError, nearest
from autotelic.types import Task
from autotelic.worlds.base import Lesson, Rates, Span, check_span
from autotelic.worlds.chain import PROMPT, Chain, ChainKnobs, apply, operations, written_out

SKILLS = ("solve", "propose", "judge", "critique", "score", "refine", "sneak", "retry", "reflect", "correct", "explain")
PROPOSE, RETRY, REFLECT = "@", "?", "!"
FINE = "0"
"""The critique that finds nothing wrong."""
SOUND = "3"
"""The score of a solution that is right, whatever the critique says."""
CHECKS = 3
_EQUATION = re.compile(r"([0-9])([-+*])([0-9])=([0-9])")


def _names(value: object) -> object:
    return tuple(value.split(",")) if isinstance(value, str) else value


class SkillKnobs(ChainKnobs):
    """Difficulty of chains, and what the teacher shows."""

    skills: Annotated[tuple[str, ...], BeforeValidator(_names)] = SKILLS
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


# ---- the prompts


def judging(problem: str, solution: str) -> str:
    """Asks for a grade of 0 to 5."""
    return f"J{problem}{solution}:"


def criticizing(problem: str, solution: str) -> str:
    """Asks for the index of the first wrong equation."""
    return f"C{problem}{solution}:"


def scoring(problem: str, solution: str, index: int | str) -> str:
    """Asks, of a solution and a critique of it, for 3 (the solution is right), 1 (the critique is) or 2 (neither)."""
    return f"J{problem}{solution}:{index}="


def refining(problem: str, solution: str, index: int | str) -> str:
    """Asks for a better solution, given the critique."""
    return f"R{problem}{solution}:{index}="


def sneaking(problem: str, solution: str, index: int | str) -> str:
    """Asks for the equations up to that index, the last with a wrong result."""
    return f"S{problem}{solution}:{index}="


def explaining(problem: str, answer: str) -> str:
    """Asks for a solution that ends in a given answer."""
    return f"E{problem}{answer}:"


@dataclass(frozen=True, slots=True)
class Sneak:
    """A step of a right solution that is to be spoiled."""

    problem: str
    solution: str
    answer: str
    place: int
    """Which equation, from 1."""

    @property
    def original(self) -> str:
        """The step as it is."""
        return self.solution.split(";")[self.place - 1] + ";"

    def start(self, step: str) -> str:
        """The problem with the solution up to the place, which ends in `step`."""
        return self.problem + "".join(f"{text};" for text in self.solution.split(";")[: self.place - 1]) + step

    def prompt(self, step: str) -> Task:
        """`start`, as a task."""
        return Task(f"from-{self.start(step)}", self.start(step))


# ---- what a model answers


def grade(text: str) -> str | None:
    """A judge's digit, '0' to '5', after its reckoning; None when there is none."""
    return _last(text, "[0-5]")


def verdict(text: str) -> str | None:
    """A scorer's digit, '1' to '3', after its reckoning; None when there is none."""
    return _last(text, "[1-3]")


def index(text: str) -> str | None:
    """A critic's digit, '0' (all right) to '9', after its reckoning; None when there is none."""
    return _last(text, "[0-9]")


def _last(text: str, digits: str) -> str | None:
    found = re.fullmatch(f"(?s)(?:.*;)?#({digits})", text)
    return found[1] if found else None


def proposal(text: str, most: int = 9) -> str | None:
    """A proposed problem of at most `most` operations, which is its own prompt; None when the text is none."""
    return text if PROMPT.fullmatch(text) and len(operations(text)) <= most else None


def equation(text: str) -> str | None:
    """The last of the equations that a text consists of, such as '7*2=5;', right or wrong; None when the text is anything else."""
    found = re.fullmatch(f"(?:{_EQUATION.pattern};)+", text)
    return text[-6:] if found else None


# ---- the truth


def marks(problem: str, solution: str) -> list[bool]:
    """Whether each equation that a solution ends by ';' is right: it goes on from the result before, does the problem's next operation, and is true.

    An equation after an unreadable one, or beyond the last operation, is wrong.
    """
    value: str | None = problem[0]
    asked = [f"{op}{digit}=" for op, digit in operations(problem)]
    found = []
    for place, text in enumerate(solution.split(";")[:-1]):
        read = _EQUATION.fullmatch(text)
        follows = read is not None and place < len(asked) and value is not None and text[:-1] == value + asked[place]
        found.append(follows and read is not None and int(read[4]) == apply(int(read[1]), read[2], int(read[3])))
        value = read[4] if read else None
    return found


def ended(problem: str, solution: str) -> bool:
    """Whether a solution has one equation per operation, and then '#' and the last result."""
    *equations, last = solution.split(";")
    return len(equations) == len(operations(problem)) and last == "#" + equations[-1][-1:] and len(last) == 2


def quality(problem: str, solution: str) -> int:
    """The right grade: five times the share of the equations before the first wrong one, rounded half up; 0 for one that does not end properly."""
    found = [*marks(problem, solution), False]
    return share(found.index(False), len(operations(problem))) if ended(problem, solution) else 0


def share(right: int, of: int) -> int:
    """Five times right / of, rounded half up."""
    return int(5 * right / of + 0.5)


def first_wrong(problem: str, solution: str) -> int:
    """The right critique: the index from 1 of the first equation that is wrong or missing (the answer is one more), at most 9; 0 if none is."""
    found = [*marks(problem, solution), ended(problem, solution)]
    return 0 if all(found) else min(found.index(False) + 1, 9)
