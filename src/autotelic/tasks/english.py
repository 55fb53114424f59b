"""The language of tasks in words: English in which a chat model is asked to judge, criticize, mend, continue and write problems, and how it is read.

For task files and the data sets of reasoning-gym. A problem that is a list of chat messages is asked about in one, a plain text in a plain text. Replies
are read by the grammar of `answers`; a reply that does not mark its answer counts only where it is a number and no more.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from pydantic import ValidationInfo, field_validator

from autotelic.answers.numbers import only_number
from autotelic.answers.places import find
from autotelic.errors import nearest
from autotelic.tasks.language import FINE, FLAWED
from autotelic.types import Message, Prompt, Settings, Skill, Task, World

SHOWN = 3
"""Problems that a writer of problems is shown."""
MARKED = ("boxed", "hashes", "answer", "tag", "line")
NEEDED: Mapping[str, tuple[str, ...]] = {
    "critique": ("problem", "solution"),
    "judge": ("problem", "solution"),
    "score": ("problem", "solution", "critique"),
    "refine": ("problem", "solution", "critique"),
    "explain": ("problem", "answer"),
    "go_on": ("problem", "begun"),
    "propose": ("examples",),
    "sneak": ("problem", "solution", "place"),
    "rewrite": ("problem",),
    "demonstrate": ("problem",),
    "imitate": ("problem", "examples"),
}
"""What each text must say, and may."""
_PLACE = re.compile(r"(?<!\w)\{(\w+)\}")
"""A place to fill; braces behind a letter, as in a box of LaTeX, are none."""
_PIECE = re.compile(r"\s*(?:[0-9]+[.)]\s)?[^\n]*?(?:[.!?](?=\s)|\n|\Z)")
_LABEL = re.compile(r"(?i)\A[*_\s]*(?:step\s*[0-9]+\s*[.:)]|[0-9]+[.)]\s)[*_\s]*")
_OF_FIVE = re.compile(r" ?(?:/|out of) ?5(?![0-9.])")
_OPENING = re.compile(r"(?i)[*_# \t]*(?:(?:a|the|here|is|your|new|math|word) )*problem\b[^:\n]{0,20}:[*_ \t]*|[^\n]{0,80}:[*_ \t]*\n")
"""What stands before a problem that was asked for: 'Problem:', or a first line that ends in a colon."""
_SOLVED = re.compile(r"(?is)(?:.*?\bproblem:[*_ \t]*)?(?P<problem>.*?\S.*?)\n[*_# \t]*(?:solution|answer):(?P<solution>.*)")
"""A problem, and behind it a line that begins its solution."""
_CLOSING = re.compile(r"(?im)^[*_# \t]*(?:solution|answer|problem|step)\b[^\n:]{0,30}:")
"""What begins behind one."""


class Texts(Settings):
    """What a model is asked, with what is filled in in braces. Solutions are shown as numbered steps, of which one is a line or a sentence."""

    critique: str = (
        "Problem:\n{problem}\n\nSolution:\n{solution}\n\nCheck the solution step by step. Which step is the first wrong one? End with a line "
        "'Answer: N', where N is the number of that step, or 0 if every step is right."
    )
    judge: str = (
        "Problem:\n{problem}\n\nSolution:\n{solution}\n\nIs the solution right? Grade it from 0 (wrong) to 5 (right and complete). End with a line "
        "'Answer: N', where N is the grade."
    )
    score: str = (
        "Problem:\n{problem}\n\nSolution:\n{solution}\n\nA reviewer says: {critique}\n\nWho is right? End with a line 'Answer: N', where N is 3 if the "
        "solution is right, 1 if the solution is wrong and the reviewer is right about it, and 2 if neither is right."
    )
    refine: str = (
        "Problem:\n{problem}\n\nSolution:\n{solution}\n\nA reviewer says: {critique}\n\nWrite a better solution, step by step. End with a line "
        "'Answer: ' and the answer."
    )
    explain: str = "Problem:\n{problem}\n\nThe answer is {answer}. Explain step by step how to find it. End with a line 'Answer: ' and the answer."
    go_on: str = (
        "Problem:\n{problem}\n\nThis is how a solution begins:\n{begun}\n\nContinue it from there, without repeating it. End with a line 'Answer: ' "
        "and the answer."
    )
    propose: str = "Here are some problems.\n\n{examples}\n\nWrite one new problem of this kind. Write only the problem, not its solution."
    sneak: str = (
        "Problem:\n{problem}\n\nSolution:\n{solution}\n\nRewrite step {place} so that it is wrong, but looks right. Write the new step in one line, "
        "and nothing else."
    )
    rewrite: str = (
        "Problem:\n{problem}\n\nRewrite the problem so that it is easier to solve: leave out what does not matter, put together what belongs together, and "
        "keep all numbers that are needed and the question. Write only the problem, not its solution."
    )
    demonstrate: str = (
        "Problem:\n{problem}\n\nDo not solve it. Write another problem of this kind with a solution, in this form:\nProblem: the new problem\n"
        "Solution: its solution, step by step\nAnswer: the answer"
    )
    imitate: str = (
        "Here are some solved problems.\n\n{examples}\n\nSolve this problem in the same way. End with a line 'Answer: ' and the answer.\n\n"
        "Problem: {problem}"
    )

    @field_validator("*")
    @classmethod
    def _filled(cls, value: str, info: ValidationInfo) -> str:
        known = NEEDED[str(info.field_name)]
        found = _PLACE.findall(value)
        if unknown := next((name for name in found if name not in known), None):
            raise ValueError(f"nothing is filled in for {{{unknown}}}; {nearest(unknown, known)}")
        if lacking := next((name for name in known if name not in found), None):
            raise ValueError(f"the text must have a place for {{{lacking}}}")
        return value


# ---- how a model is asked


def words(prompt: Prompt) -> str:
    """What a prompt says, without roles and without what the system says."""
    return prompt.strip() if isinstance(prompt, str) else "\n\n".join(m["content"].strip() for m in prompt if m["role"] != "system")


def last_said(chat: Sequence[Message]) -> str:
    """The last message of the user in a chat; empty where there is none."""
    return next((message["content"] for message in reversed(chat) if message["role"] == "user"), "")


def posed_like(like: Prompt, text: str) -> Prompt:
    """A text as a prompt of the form of another, with what the system says there."""
    if isinstance(like, str):
        return text
    return [*(m for m in like if m["role"] == "system"), Message(role="user", content=text)]


def reworded(like: Prompt, text: str) -> Prompt:
    """A text in the place of what a prompt says last, such as of the problem behind solved ones in a chat. Of a plain prompt nothing is left."""
    return text if isinstance(like, str) else [*like[:-1], Message(role="user", content=text)]


def _in_form(problem: Prompt, text: str) -> Prompt:
    return f"{text}\n" if isinstance(problem, str) else [Message(role="user", content=text)]


def filled(text: str, **values: str) -> str:
    """A text with its places filled; what is filled in is not looked at again."""
    return _PLACE.sub(lambda place: values[place[1]], text)


def pieces(solution: str) -> list[str]:
    """The steps of a solution, of which one is a line or a sentence of it, without their numbers."""
    found = (_LABEL.sub("", match[0], count=1).strip() for match in _PIECE.finditer(solution))
    return [piece for piece in found if piece]


def numbered(solution: str) -> str:
    """A solution as numbered steps."""
    return "\n".join(f"Step {place}: {piece}" for place, piece in enumerate(pieces(solution), 1)) or "(empty)"


def said(critique: str | None) -> str:
    """A critique in words."""
    if critique is None:
        return "nothing that can be read."
    return "every step is right." if critique == FINE else f"step {critique} is the first wrong one."


# ---- how it is read


def number(text: str, most: int) -> str | None:
    """The whole number from 0 to `most` that a reply marks as its answer, or that is all its last line; None where there is none."""
    found = find(text, MARKED)
    value = only_number(found.text) if found else None
    if found is None or value is None or not value.isdecimal() or int(value) > most:
        return None
    return value if found.place != "line" or re.fullmatch(r"\W*[0-9]+\W*", found.text) else None


def grade(text: str) -> str | None:
    """A grade from 0 to 5, also as '4/5' or '4 out of 5'."""
    return number(_OF_FIVE.sub("", text), 5)


def score(text: str) -> str | None:
    """A score from 1 to 3."""
    found = number(text, 3)
    return None if found == "0" else found


def problem_of(text: str) -> str | None:
    """A problem that somebody wrote, without what announces it, up to the line that begins a solution or another problem; None where nothing is left."""
    text = text.strip()
    opening = _OPENING.match(text)
    return _CLOSING.split(text[opening.end() :] if opening else text, maxsplit=1)[0].strip(" \t\n*_") or None


def one_step(text: str) -> str | None:
    """The first line that says something, without a step's number, ended by a line break; None where none does."""
    found = next((line for line in (_LABEL.sub("", line, count=1).strip() for line in text.splitlines()) if line), None)
    return f"{found}\n" if found else None


def steps(solution: str) -> list[str]:
    """The steps before the last, which states the answer, a line each."""
    return [f"{piece}\n" for piece in pieces(solution)[:-1]]


def demonstration(world: World, text: str) -> str | None:
    """A problem and its solution, each behind its name; None where one of them is missing or the solution has no answer."""
    found = _SOLVED.fullmatch(text.strip())
    if found is None or world.parse(found["solution"]) is None:
        return None
    return f"Problem: {found['problem'].strip()}\nSolution: {found['solution'].strip()}"


# ---- the skills


def _judged(world: World, right: str, wrong: str, task: Task, solution: str) -> str | None:
    if not task.labeled:
        return None
    return right if world.verify(task, world.parse(solution)) else wrong


def _asking(said: Callable[[Prompt], str], text: str, problem: Prompt, *rest: str | int | None, shown: Callable[..., Mapping[str, str]]) -> Prompt:
    return _in_form(problem, filled(text, problem=said(problem), **shown(*rest)))


def _solution(solution: str) -> dict[str, str]:
    return {"solution": numbered(solution)}


def _criticized(solution: str, critique: str | None) -> dict[str, str]:
    return {"solution": numbered(solution), "critique": said(critique)}


def _placed(solution: str, place: int) -> dict[str, str]:
    return {"solution": numbered(solution), "place": str(place)}


def english(texts: Texts, world: World, examples: Sequence[Prompt], problem: Callable[[Prompt], str] = words) -> dict[str, Skill]:
    """The skills by name, for a world whose problems are words; `examples` are what a writer of problems is shown, and `problem` finds the problem in
    a prompt."""
    like = examples[0] if examples else ""
    shown = "\n\n".join(f"Problem: {words(example)}" for example in examples)
    proposing = filled(texts.propose, examples=shown)
    propose = f"{proposing}\n\nProblem:" if isinstance(like, str) else _in_form(like, proposing)
    asking = partial(_asking, problem)
    asked = partial(asking, shown=_solution)
    mended = partial(asking, shown=_criticized)
    answer = partial(world.parse)  # not `world.parse` itself, by which roles are known that are asked the tasks as they are (`runs.framing`)
    skills = (
        Skill("critique", partial(asked, texts.critique), partial(number, most=99), partial(_judged, world, FINE, FLAWED)),
        Skill("judge", partial(asked, texts.judge), grade, partial(_judged, world, "5", "0")),
        Skill("score", partial(mended, texts.score), score),
        Skill("refine", partial(mended, texts.refine), answer),
        Skill("explain", partial(asking, texts.explain, shown=lambda answer: {"answer": answer}), answer),
        Skill("continue", partial(asking, texts.go_on, shown=lambda begun: {"begun": begun.strip()}), answer),
        Skill("propose", lambda: propose, problem_of),
        Skill("sneak", partial(asking, texts.sneak, shown=_placed), one_step, steps=steps),
        Skill("rewrite", partial(asking, texts.rewrite, shown=dict), problem_of),
        Skill("demonstrate", partial(asking, texts.demonstrate, shown=dict), partial(demonstration, world)),
        Skill("imitate", partial(asking, texts.imitate, shown=lambda shown: {"examples": "\n\n".join(shown)}), answer),
    )
    return {skill.name: skill for skill in skills}
