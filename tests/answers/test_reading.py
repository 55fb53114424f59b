"""Written answers and what they mean, and that reading them takes linear time."""

import time

import pytest
from written import MARKED, TEXTS

from autotelic.answers.markup import plain
from autotelic.answers.numbers import canonical_number, last_number
from autotelic.answers.places import answer_block, formula
from autotelic.answers.reading import read, read_gold, same
from autotelic.tasks.file_world import MATH_PLACES
from autotelic.tasks.file_world import PLACES as FILE_PLACES

FRAMES = (
    "\\boxed{%s}",
    "So it is $\\boxed{%s}$, as 1 < 2.",
    "Answer: %s",
    "**Answer:** %s",
    "<answer>%s</answer>",
    "<think>\\boxed{9}</think><answer>%s</answer>",
)
OPEN = {"{", "\\"}
"""What no mark can hold."""


def test_the_table_is_long():
    assert len(MARKED) + len(TEXTS) >= 500


@pytest.mark.parametrize("text", MARKED)
def test_a_marked_number_is_read_as_a_whole_or_not_at_all(text):
    value = MARKED[text]
    assert canonical_number(text) == value
    for frame in FRAMES if text not in OPEN else ():
        assert read(frame.replace("%s", text), "number", FILE_PLACES) == value, frame
    if value is not None:
        assert read(f"Two of 3.\n#### {text}", "number", FILE_PLACES) == value
        assert read_gold(text, "number", FILE_PLACES) == value, "as a gold answer"


@pytest.mark.parametrize("verifier,text,answer", TEXTS)
def test_texts(verifier, text, answer):
    assert read(text, verifier, MATH_PLACES if verifier == "math" else FILE_PLACES) == answer


@pytest.mark.parametrize(
    "text,value",
    [
        ("Half of 3 is 1.5\n#### 1.50", "3/2"),
        ("42", "42"),
        ("$\\frac{7}{2}$", "7/2"),
        ("It takes\n3 days", "3"),
        ("She pays $18.50 every day", "37/2"),
        ("3 or 5", None),
        ("He has 5 cows and 3 pigs", None),
        ("yes", None),
    ],
)
def test_gold_numbers(text, value):
    assert read_gold(text, "number", FILE_PLACES) == value


def test_a_number_without_a_mark_needs_a_place_without_one():
    assert read("It is 3.", "number", ("boxed",)) is None
    assert read("It is 3.", "number", ("boxed", "whole")) == "3"


def test_same():
    assert same("1/2", "1/2", "number") and not same("1/2", "0.5", "number")
    assert not same("x+1", "1+x", "exact")


UNITS = (
    "\\boxed{", "\\boxed{\\boxed{5}} ", "\\boxed{5}, ", "{", "}", "answer:", "answer: ", "answer ", "answer:\n", "<answer>1", "<answer></answer>", "####",
    "#### 4\n", "#### Step 3\n", "$ ", "$$", "$5$ ", "\\(x", "<think>", "</think>", "<think></think>", "**", "_", "\\", "\\frac", "\\frac{", "\\frac1",
    "\\text{", "1", "1,", "1 1/2 ", "1/", "- ", "1e", "x_1", "x^", "²", "½", " ", "\n", "\u2009", "x = ", "5 million ", "a b ", "(", "\\overline{", "::",
    "10^{", "1×10^2", "a.1",
)  # fmt: skip
SIZE = 200_000


@pytest.mark.parametrize("unit", UNITS)
def test_reading_takes_linear_time(unit):
    """No timed test: the bound is far above what linear code takes (less than a second each), and far below what quadratic code does (minutes)."""
    filler = unit * (SIZE // 2 // len(unit))
    start = time.process_time()
    for text in (f"5 {filler}{filler} 5", f"5 \\boxed{{{filler}}} {filler} 5"):
        for verifier in ("exact", "number", "math"):
            read(text, verifier, MATH_PLACES)
        for function in (answer_block, formula, plain, last_number):
            function(text)
    for short in (filler[:1_990], "5" + filler[:1_990], filler[:1_990] + "5"):
        canonical_number(short)
    assert time.process_time() - start < 60
