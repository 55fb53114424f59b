"""Questions about documents, as a proposer writes them: a question with its answer in one text. Not the documents (`tasks.corpus`), not a reward.

What its author claims to be the answer is the hidden field `answer` of a question's task.
"""

import re
from typing import Annotated

from pydantic import AfterValidator

from autotelic.errors import DataError
from autotelic.types import Task, World
from autotelic.worlds import GeneratedWorld
from autotelic.worlds.facts import Facts


def _named(form: str) -> str:
    try:
        groups = re.compile(form).groupindex
    except re.error as error:
        raise ValueError(f"form is not a regular expression: {error}") from error
    if not {"question", "answer"} <= set(groups):
        raise ValueError("form needs the groups (?P<question>...) and (?P<answer>...)")
    return form


QuestionForm = Annotated[str, AfterValidator(_named)]
"""How a question and its answer are written: a regular expression with the groups `question` and `answer`."""


def read_question(world: World, form: str, text: str) -> tuple[str, str] | None:
    """The question in a text and its answer in canonical form; None where the text has not the form or no answer."""
    found = re.fullmatch(form, text.strip(), re.DOTALL)
    answer = world.parse(found["answer"]) if found else None
    return (found["question"].strip(), answer) if found and answer is not None else None


def supported(world: World, question: Task, document: str) -> bool:
    """Whether a document has the answer that a question of it claims: computed from it in the world of facts, found in it as whole words elsewhere."""
    answer: str = question.hidden["answer"]
    if isinstance(world, Facts):
        return world.stated(document, str(question.prompt)) == answer
    return re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", document, re.IGNORECASE) is not None


def true(world: World, question: Task) -> float | None:
    """Whether the answer of a question is right; 0 for a question that a generated world does not know, None where no world can tell."""
    if not isinstance(world, GeneratedWorld):
        return None
    try:
        return world.verify(question, question.hidden["answer"])
    except DataError:
        return 0.0
