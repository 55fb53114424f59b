r"""Where an answer stands in a text: marked by \boxed{}, '####', 'answer:', a tag or dollar signs, or in the last line. Not what it means.

Every function reads a text once from its start to its end, so that none takes more than linear time.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from autotelic.answers.markup import bare
from autotelic.answers.numbers import canonical_number

_THINKING = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",
    "[think]": "[/think]",
    "◁think▷": "◁/think▷",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|start_thinking|>": "<|end_thinking|>",
    "<|channel|>analysis": "<|channel|>final<|message|>",
}
"""How models open a block of thinking, and how they close it; in any case."""
_TAGS = re.compile("|".join(map(re.escape, (*_THINKING, *_THINKING.values()))), re.IGNORECASE)
_SOLUTION = re.compile(r"<\|(?:begin|end)_of_solution\|>", re.IGNORECASE)


def spoken(text: str) -> str | None:
    """A text without its blocks of thinking; None where one is still open at the end.

    A block closes with the tag that belongs to its opening. All that stands before a closing tag outside of any block was thought as well: the
    opening tag was then part of the prompt.
    """
    said: list[str] = []
    start, awaited = 0, None
    for found in _TAGS.finditer(text):
        tag = found[0].lower()
        if awaited is None and tag in _THINKING:
            said.append(text[start : found.start()])
            awaited = _THINKING[tag]
        elif awaited is None:
            said, start = [], found.end()
        elif tag == awaited:
            awaited, start = None, found.end()
    return None if awaited else _SOLUTION.sub("\n", "\n".join([*said, text[start:]]))


class _Span(NamedTuple):
    """A marked piece of a text: where its marks begin and end, and what is between them."""

    start: int
    end: int
    inner: slice


_JOINT = re.compile(r"(?:[\s,;$&]|\\[,;:()\[\] ]|\\q?quad|\\text\{|\}|\band\b|\bor\b)*+")
_JOINT_LENGTH = 40


def _joined(text: str, spans: list[_Span]) -> list[_Span]:
    """The last span and those before it that nothing but commas, 'and' or 'or' joins to it, the last first."""
    run = spans[-1:]
    for span in reversed(spans[:-1]):
        gap = text[span.end : run[-1].start] if run[-1].start <= span.end + _JOINT_LENGTH else "-"
        if not _JOINT.fullmatch(gap):
            break
        run.append(span)
    return run


def _run(text: str, spans: list[_Span]) -> str | None:
    """What the last span holds, and those joined to it, as a list without repetitions; None where there is no span."""
    return ", ".join(dict.fromkeys(text[span.inner].strip() for span in reversed(_joined(text, spans)))) if spans else None


_BOXES = re.compile(r"(?P<box>\\f?box(?:ed)?\s*+\{)|(?<!\\)\\++[{}]|[{}]")


def boxed(text: str) -> str | None:
    r"""What stands in the last closed \boxed{...} or \fbox{...}, braces balanced and without boxes around all of it; '' in an empty one.

    Boxes side by side, as in '\boxed{2} and \boxed{3}', are one answer: '2, 3'.
    """
    opened: list[tuple[int, int] | None] = []
    closed: list[_Span] = []
    for found in _BOXES.finditer(text):
        if found["box"]:
            opened.append(found.span())
        elif len(found[0]) % 2 == 0:
            continue
        elif found[0][-1] == "{":
            opened.append(None)
        elif opened and (box := opened.pop()):
            while closed and closed[-1].start > box[0]:
                closed.pop()
            closed.append(_Span(box[0], found.end(), slice(box[1], found.end() - 1)))
    inner = _run(text, closed)
    return bare(inner) if inner and re.match(r"\\f?box", inner) else inner


_FORMULA = re.compile(r"\\\$|(?P<display>\$\$)|(?P<inline>\$)|\\(?P<opening>[(\[])|\\(?P<closing>[)\]])|\\\\")


def formula(text: str) -> str | None:
    r"""The last formula: $x$, $$x$$, \(x\) or \[x\].

    A dollar sign opens a formula only before a character that is no space, and closes one only behind such a character and not before a digit, on the
    same line: sums of money are no formulas.
    """
    return _run(text, _formulas(text)[-1:])


def only_formula(text: str) -> str | None:
    """The formula of a text that has one; of formulas joined by nothing but commas, 'and' or 'or', their list. None where there are others."""
    spans = _formulas(text)
    return _run(text, spans) if len(spans) < 2 or len(_joined(text, spans)) == len(spans) else None


def _formulas(text: str) -> list[_Span]:
    spans: list[_Span] = []
    start: re.Match[str] | None = None
    for found in _FORMULA.finditer(text):
        kind = found.lastgroup
        if kind is None:
            continue
        if start is not None and _closes(text, start, found):
            spans.append(_Span(start.start(), found.end(), slice(start.end(), found.start())))
            start = None
        elif kind in ("display", "opening"):
            start = found
        elif kind == "inline" and (start is None or start.lastgroup == "inline"):
            start = None if text[found.end() : found.end() + 1].isspace() else found
    return spans


def _closes(text: str, start: re.Match[str], found: re.Match[str]) -> bool:
    """Whether a mark ends the formula that another opened; what a formula holds is looked at once."""
    if start.lastgroup == "opening":
        return found["closing"] is not None and "([".index(start["opening"]) == ")]".index(found["closing"])
    if start.lastgroup != found.lastgroup:
        return False
    inner = text[start.end() : found.start()]
    if start.lastgroup == "display":
        return bool(inner.strip())
    return bool(inner) and not inner[-1].isspace() and "\n" not in inner and not text[found.end() : found.end() + 1].isdigit()


_HASHES = re.compile(r"(?<!#)####(?!#)([^\n]*)")
_HEADING = re.compile(
    r"(?i)[*_\s]*(?:step|part|case|section|phase|method|approach|solution|conclusion|summary|explanation|verification|check|note|answer|final|given|"
    r"problem|question|analysis|reasoning|result)s?\b"
)

_UNTITLED = re.compile(r"[^\W\d_A-Z]|\\|\$[^$]+\$\Z|\(?[A-Za-z]\)?\.?\Z")
"""What no heading is: a text that begins with a small letter or LaTeX, a formula, or one letter."""
_NUMBERED = re.compile(r"[0-9.]+\)?\s+[A-Z][a-z]")
"""A heading with its number."""


def hashes(text: str) -> str | None:
    """The last '#### x' that is an answer, and not a Markdown heading of the fourth level.

    It is an answer where x is one number (and not the number of a heading, as in '#### 3 Results'), where it does not open its line, where x begins with a small letter or is one letter or a formula, or where
    nothing follows it and x does not begin as headings do ('Step', 'Conclusion', ...); in each case but the first only without a colon.
    """
    end = len(text.rstrip())
    for found in reversed(list(_HASHES.finditer(text))):
        answer = found[1].rstrip("# \t\r").rpartition("####")[2].strip()
        opens_line = not text[text.rfind("\n", 0, found.start()) + 1 : found.start()].strip() and "####" not in found[1].rstrip("# \t\r")
        is_last = found.end() >= end
        if answer and (_answers(answer, opens_line, is_last) or (canonical_number(answer) is not None and (is_last or not _NUMBERED.match(answer)))):
            return answer
    return None


def _answers(text: str, opens_line: bool, is_last: bool) -> bool:
    """Whether the text behind '####', which is not one number, is an answer."""
    if ":" in text:
        return False
    return not opens_line or bool(_UNTITLED.match(text)) or (is_last and not _HEADING.match(text))


_ANSWER = re.compile(r"(?i)(?<![^\W_])answer[\"'*_`]*+[ \t]*+(?:\}[ \t]*+)?[:：](?:[*_`}]|</(?:b|strong|em|i|u)>)*+")
_ANSWER_END = re.compile("</answer>", re.IGNORECASE)
_MARKS = ("**", "__", "`", "*", "_", '"')


def _behind_answer(text: str) -> tuple[str, str] | None:
    """What precedes the last 'answer:' on its line, and all that follows it, to the end of the tag that both stand in; None where there is none."""
    last = None
    for last in _ANSWER.finditer(text):  # noqa: B007
        pass
    if last is None:
        return None
    return text[text.rfind("\n", 0, last.start()) + 1 : last.start()], _ANSWER_END.split(text[last.end() :], maxsplit=1)[0]


def _ended(before: str, answer: str) -> str:
    """An answer without the end of what was opened before its mark, as in '**Answer: 42**'."""
    for mark in _MARKS:
        if mark in before and answer.endswith(mark) and answer.count(mark) % 2:
            answer = answer.removesuffix(mark).rstrip()
    return answer[:-1].rstrip() if answer.endswith("}") and answer.count("}") > answer.count("{") else answer


def answer_line(text: str) -> str | None:
    """What follows the last 'answer:' on its line, or else on the next line that says something; '' where nothing does."""
    found = _behind_answer(text)
    return _ended(found[0], next(_lines(found[1]), "")) if found else None


def answer_block(text: str) -> str | None:
    """All that follows the last 'answer:'."""
    found = _behind_answer(text)
    return _ended(found[0], found[1].strip()) if found else None


_ANSWER_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)


def tagged(text: str) -> str | None:
    """What stands in the last closed <answer></answer>, the innermost of nested ones; '' in an empty one."""
    inner, start = None, None
    for found in _ANSWER_TAG.finditer(text):
        if not found[1]:
            start = found.end()
        elif start is not None:
            inner, start = text[start : found.start()].strip(), None
    return inner


_RULE = re.compile(r"-{3,}|\*{3,}|_{3,}|={3,}|`{3,}\w*|\$\$|\\[\[\]()]|")


def _lines(text: str) -> Iterator[str]:
    """The lines that say something, stripped: not blank, nor a rule, nor the beginning or end of a block of code or mathematics."""
    return (line.strip() for line in text.splitlines() if not _RULE.fullmatch(line.strip()))


def last_line(text: str) -> str | None:
    """The last line that says something, stripped, and without the marks of a heading."""
    last = None
    for last in _lines(text):  # noqa: B007
        pass
    return re.sub(r"^#{1,6}[ \t]+", "", last) if last else None


PLACES: dict[str, Callable[[str], str | None]] = {
    "boxed": boxed,
    "hashes": hashes,
    "answer": answer_line,
    "answer-block": answer_block,
    "tag": tagged,
    "dollars": formula,
    "line": last_line,
    "whole": lambda text: text.strip() or None,
}
r"""Where an answer may stand: \boxed{x}; '#### x'; 'answer: x' to the end of the line; 'answer:' and all that follows; <answer>x</answer>; a formula;
the last line; the whole text. Each takes the last occurrence, and gives None where there is none and '' where nothing is marked."""
UNMARKED = frozenset({"line", "whole"})
"""Those of PLACES that need no mark."""


class Found(NamedTuple):
    """An answer as it is written, and the place that it stands in."""

    place: str
    text: str


def find(text: str, places: Iterable[str]) -> Found | None:
    """The first of `places` (keys of PLACES) that has an answer in what a text says, thinking left out; what a mark holds may be ''."""
    said = spoken(text)
    if said is None:
        return None
    return next((Found(place, found) for place in places if (found := PLACES[place](said)) is not None), None)


def extract(text: str, places: Iterable[str]) -> str | None:
    """The answer of a text as it is written, stripped: of the first of `places` that has one. None where none has, where a mark holds nothing, and
    where a block of thinking is still open."""
    found = find(text, places)
    return found.text.strip() or None if found else None
