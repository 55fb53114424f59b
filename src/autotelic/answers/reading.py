"""The answer of a text, canonical, and whether it is the right one: what the verifiers of task files do: `exact`, `number`, `math`, and unit tests.

The one grammar of answers: `places` says where one stands, `markup` what surrounds it, `numbers` and `mathematics` what it means. What cannot be read
with certainty is no answer.
"""

import re
from collections.abc import Iterable
from typing import Literal

from autotelic.answers import unit_tests
from autotelic.answers.markup import TEXT_MACROS, bare, spaced
from autotelic.answers.mathematics import canonical_math, choice, same_math
from autotelic.answers.numbers import canonical_number, last_number, only_number
from autotelic.answers.places import UNMARKED, find, only_formula, spoken

Verifier = Literal["exact", "number", "math", "tests", "partial-tests"]

_INNER_TEXT = re.compile(rf"\\(?:{'|'.join(sorted(TEXT_MACROS))})\s*\{{([^{{}}]*)\}}")
_MINUS = re.compile("[\u2212\ufe63\uff0d]|(?<![^\\s(\\[{,;:=])\u2013(?=[0-9.])")
_ESCAPED = re.compile(r"\\([$%#&_])")
_HEADING = re.compile(r"(?m)^[ \t]{0,3}#{1,6}[ \t]+([^\n]*)$")


def canonical_text(text: str) -> str | None:
    r"""A text without the Markdown and LaTeX around it, with plain minus signs; of a choice ('(C)', '\text{C}', 'C.') its letter. None when empty."""
    text = _INNER_TEXT.sub(r"\1", bare(text))
    if "\\" in text:
        text = spaced(text)
    text = _ESCAPED.sub(r"\1", _MINUS.sub("-", bare(text)))
    return choice(text) or (text.removesuffix(".") if re.fullmatch(r"[-+]?[0-9][0-9,.]*\.", text) else text) or None


def read(text: str, verifier: str, places: Iterable[str]) -> str | None:
    """The canonical answer of a completion; None where it has none that can be read.

    Marked answers are read as a whole. Where only the last line or the whole text is left to look at, a number is the last number of the text.
    """
    if verifier in unit_tests.NAMES:
        return unit_tests.code_in(text)
    places = tuple(places)
    found = find(text, places)
    if verifier == "number" and found is not None and found.place == "hashes" and not re.search(r"[0-9]", found.text):
        # Without a digit it is a number in words, or else a heading.
        found = found if canonical_number(found.text) else find(text, [place for place in places if place != "hashes"])
    if found is None or not found.text.strip():
        return None
    if verifier == "number":
        return _last_said(text) if found.place in UNMARKED else canonical_number(found.text)
    if verifier == "math":
        inside = only_formula(found.text) if found.place not in ("boxed", "dollars") else None
        return canonical_math(inside or found.text) or None
    return canonical_text(found.text)


def read_gold(text: str, verifier: str, places: Iterable[str]) -> str | None:
    """The canonical answer of a gold answer: as `read`, but one unmarked line is read as a whole; its last number only where it has no other."""
    if verifier in unit_tests.NAMES:
        return text if unit_tests.tiers_in(text) else None
    places = tuple(places)
    found = find(text, places)
    if verifier == "number" and found is not None and found.place in UNMARKED and "\n" not in text.strip():
        return canonical_number(text) or only_number(text)
    return read(text, verifier, places)


def credit(gold: str, answer: str, verifier: str) -> float:
    """How right an answer is: 1 or 0, or with `partial-tests` the share of the tests that it passes. Raises ImportError as `same`."""
    if verifier in unit_tests.NAMES:
        passed = unit_tests.score(answer, gold)
        return passed if verifier == "partial-tests" else float(passed == 1.0)
    return float(same(gold, answer, verifier))


def same(gold: str, answer: str, verifier: str) -> bool:
    """Whether two canonical answers are equal. Raises ImportError when `math` is asked for and math-verify is not installed."""
    return gold == answer or (verifier == "math" and same_math(gold, answer))


def _last_said(text: str) -> str | None:
    """The last number outside of thinking, and of headings that are not a number themselves."""
    return last_number(_HEADING.sub(lambda heading: heading[0] if canonical_number(heading[1]) else "", spoken(text) or ""))
