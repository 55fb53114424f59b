"""The language of chains: how a model is asked to pose, judge, criticize, mend and spoil them, how its replies are read, and what is true of solutions.

Not the teacher (`worlds.chain_skills`), from whose lessons a base learns to understand it.
"""

import re
from collections.abc import Mapping

from autotelic.types import Prompt, Skill, Task
from autotelic.worlds.chain.arithmetic import PROMPT, answer, apply, operations

PROPOSE, RETRY, REFLECT = "@", "?", "!"
_EQUATION = re.compile(r"([0-9])([-+*])([0-9])=([0-9])")


# ---- the prompts


def judging(problem: Prompt, solution: str) -> str:
    """Asks for a grade of 0 to 5."""
    return f"J{problem}{solution}:"


def criticizing(problem: Prompt, solution: str) -> str:
    """Asks for the index of the first wrong equation."""
    return f"C{problem}{solution}:"


def scoring(problem: Prompt, solution: str, critique: int | str | None) -> str:
    """Asks, of a solution and a critique of it, for 3 (the solution is right), 1 (the critique is) or 2 (neither); '?' stands for no critique."""
    return f"J{problem}{solution}:{'?' if critique is None else critique}="


def refining(problem: Prompt, solution: str, critique: int | str | None) -> str:
    """Asks for a better solution, given the critique; '?' stands for none."""
    return f"R{problem}{solution}:{'?' if critique is None else critique}="


def sneaking(problem: Prompt, solution: str, place: int | str) -> str:
    """Asks for the equations up to that index, the last with a wrong result."""
    return f"S{problem}{solution}:{place}="


def going_on(problem: Prompt, begun: str) -> str:
    """Asks for the rest of a solution."""
    return f"{problem}{begun}"


def proposing() -> str:
    """Asks for a problem."""
    return PROPOSE


def explaining(problem: Prompt, answer: str) -> str:
    """Asks for a solution that ends in a given answer."""
    return f"E{problem}{answer}:"


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


def proposal(text: str) -> str | None:
    """A proposed problem, which is its own prompt; None when the text is none."""
    return text if PROMPT.fullmatch(text) else None


def equation(text: str) -> str | None:
    """The last of the equations that a text consists of, such as '7*2=5;', right or wrong; None when the text is anything else."""
    found = re.fullmatch(f"(?:{_EQUATION.pattern};)+", text)
    return text[-6:] if found else None


def steps(solution: str) -> list[str]:
    """What a solution ends by ';', each with its ';'."""
    return [f"{text};" for text in solution.split(";")[:-1]]


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


# ---- the skills


def _right_critique(task: Task, solution: str) -> str:
    return str(first_wrong(str(task.prompt), solution))


def _right_grade(task: Task, solution: str) -> str:
    return str(quality(str(task.prompt), solution))


LANGUAGE: Mapping[str, Skill] = {
    skill.name: skill
    for skill in (
        Skill("critique", criticizing, index, _right_critique),
        Skill("judge", judging, grade, _right_grade),
        Skill("score", scoring, verdict),
        Skill("refine", refining, answer),
        Skill("propose", proposing, proposal),
        Skill("sneak", sneaking, equation, steps=steps),
        Skill("continue", going_on, answer),
        Skill("explain", explaining, answer),
    )
}
"""What can be asked about chains; their contracts are in `tasks.language`."""
