"""Questions with their answers: reading them, checking them against a document and a world."""

import pytest
from pydantic import TypeAdapter

from autotelic.types import Task
from autotelic.worlds.chain import Chain
from autotelic.worlds.facts import Facts
from autotelic.worlds.questions import QuestionForm, read_question, supported, true

FACTS, CHAIN = Facts(), Chain()
FORM = r"(?P<question>[^=]+=)(?P<answer>.+)"
DOCUMENT = FACTS.documents()[0]
NAME = DOCUMENT[:2]


def question(prompt: str, answer: str) -> Task:
    return Task("q", prompt, hidden={"answer": answer})


def test_a_form_needs_both_groups() -> None:
    form = TypeAdapter(QuestionForm)
    assert form.validate_python(FORM) == FORM
    for wrong, message in (("(", "not a regular expression"), (r"(?P<question>.)", "form needs the groups")):
        with pytest.raises(ValueError, match=message):
            form.validate_python(wrong)


def test_reading() -> None:
    assert read_question(FACTS, FORM, f" {NAME}.a=a4#4 ") == (f"{NAME}.a=", "4")
    assert [read_question(FACTS, FORM, text) for text in ("", "kl.a", "kl.a=", "kl.a=4", "=a4#4")] == [None] * 5


def test_support_and_truth() -> None:
    prompt = f"{NAME}.a="
    right = str(FACTS.parse(FACTS.solve(prompt)))
    wrong = str((int(right) + 1) % 10)
    assert supported(FACTS, question(prompt, right), DOCUMENT) and true(FACTS, question(prompt, right)) == 1.0
    assert not supported(FACTS, question(prompt, wrong), DOCUMENT) and true(FACTS, question(prompt, wrong)) == 0.0
    assert not supported(FACTS, question(prompt, right), FACTS.documents()[1]), "another name's document does not tell"
    assert supported(CHAIN, question("Who?", "Ada"), "It was ADA.") and not supported(CHAIN, question("Who?", "Ada"), "It was Bob.")
    for answer, document, found in (
        ("4", "It was 42.", False),
        ("4", "They were 4.", True),
        ("a b", "A b.", True),
        ("C++", "in C++, not C", True),
        ("-5", "at -5°", True),
    ):
        assert supported(CHAIN, question("What?", answer), document) is found
    assert true(CHAIN, question("Who?", "Ada")) == 0.0, "no question of this world"
    assert true(object(), question("Who?", "Ada")) is None  # type: ignore[arg-type]
