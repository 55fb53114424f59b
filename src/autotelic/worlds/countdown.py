"""Countdown: reach a target from numbers, each used exactly once, with + - * and /; prompt '3,7,2:13', solved by '2*3+7'.

Division is exact: values are fractions and nothing is rounded. Several expressions are right, so an answer is judged by its value; for
votes, expressions that differ only in the order or grouping of sums and products parse to the same answer.
"""

import operator
import random
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import permutations
from typing import Any, NamedTuple

from pydantic import model_validator

from autotelic.errors import DataError
from autotelic.types import Settings, Task
from autotelic.worlds.base import GeneratedWorld, Longest, Span, check_span

LONGEST_EXPRESSION = 120
"""Characters of the longest text that is parsed, which also bounds the depth of its parentheses."""
_PROMPT = re.compile(r"([0-9]{1,6}(?:,[0-9]{1,6}){1,4}):([0-9]{1,9})")
_TOKEN = re.compile(r"[0-9]{1,9}|[-+*/()]")
_OPPOSITE = {"+": "-", "-": "+", "*": "/", "/": "*"}
_APPLY: dict[str, Callable[[Fraction, Fraction], Fraction]] = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


class CountdownKnobs(Settings):
    """Difficulty of countdowns."""

    numbers: Span = (3, 3)
    """How many numbers; of a range, every count is equally likely."""
    largest: int = 9
    """Numbers are uniform in 1 to `largest`."""
    target: Span = (1, 50)
    """Where targets lie."""

    @model_validator(mode="after")
    def _fits(self) -> "CountdownKnobs":
        check_span("numbers", self.numbers, 2, 4)
        check_span("largest", (self.largest, self.largest), 1, 999)
        check_span("target", self.target, 0, 10**8)
        return self


class Expression(NamedTuple):
    """A sum, a product or a number in canonical form: no sum is a direct part of a sum, no product of a product."""

    kind: str
    """'+', '*' or '' for a number."""
    parts: tuple[tuple[str, "Expression"], ...]
    """(sign, part), '+' or '-' in a sum, '*' or '/' in a product; sorted."""
    value: Fraction
    text: str

    @property
    def leaves(self) -> list[int]:
        """The numbers it uses."""
        return [leaf for _, part in self.parts for leaf in part.leaves] if self.parts else [int(self.text)]


def number(value: int) -> Expression:
    """The expression of a number."""
    return Expression("", (), Fraction(value), str(value))


def combine(left: Expression, op: str, right: Expression) -> Expression:
    """left op right, canonical; raises ZeroDivisionError."""
    kind = "+" if op in "+-" else "*"
    value = _APPLY[op](left.value, right.value)
    parts = sorted(
        [*_parts(left, kind, False), *_parts(right, kind, op != kind)], key=lambda part: (part[0] in "-/", len(part[1].text), part[1].text)
    )
    text = "".join(sign + (f"({part.text})" if kind == "*" and part.kind == "+" else part.text) for sign, part in parts)
    return Expression(kind, tuple(parts), value, text.removeprefix(kind))


def _parts(inner: Expression, kind: str, opposite: bool) -> list[tuple[str, Expression]]:
    parts = inner.parts if inner.kind == kind else ((kind, inner),)
    return [(_OPPOSITE[sign] if opposite else sign, part) for sign, part in parts]


def parse_expression(text: str) -> Expression | None:
    """The canonical form of an expression of whole numbers, + - * / and parentheses; None when it is none or divides by zero."""
    text = text.strip()
    if len(text) > LONGEST_EXPRESSION or _TOKEN.sub("", text).strip():
        return None
    tokens = _TOKEN.findall(text)
    try:
        found = _sum(tokens)
    except (ValueError, IndexError, ZeroDivisionError):
        return None
    return None if tokens else found


def _sum(tokens: list[str]) -> Expression:
    found = _product(tokens)
    while tokens and tokens[0] in "+-":
        found = combine(found, tokens.pop(0), _product(tokens))
    return found


def _product(tokens: list[str]) -> Expression:
    found = _atom(tokens)
    while tokens and tokens[0] in "*/":
        found = combine(found, tokens.pop(0), _atom(tokens))
    return found


def _atom(tokens: list[str]) -> Expression:
    token = tokens.pop(0)
    if token != "(":
        return number(int(token))
    found = _sum(tokens)
    if tokens.pop(0) != ")":
        raise ValueError("unbalanced parentheses")
    return found


@lru_cache(maxsize=65_536)
def solution(numbers: tuple[int, ...], target: int) -> str | None:
    """An expression in canonical form that uses each number once and reaches the target; None when there is none.

    Exhaustive: the first that a search finds which prefers + to -, - to * and * to /.
    """
    found = _search([(Fraction(value), str(value)) for value in numbers], target)
    made = parse_expression(found) if found else None
    return made.text if made else None


def _search(parts: Sequence[tuple[Fraction, str]], target: int) -> str | None:
    """The first expression of (value, text) parts that has the value; joins every pair by every operation and searches what is left."""
    if len(parts) == 1:
        return parts[0][1] if parts[0][0] == target else None
    for i, j in permutations(range(len(parts)), 2):
        (left, left_text), (right, right_text) = parts[i], parts[j]
        rest = [part for k, part in enumerate(parts) if k not in (i, j)]
        for op in "+-*/" if i < j else "-/":
            if op == "/" and not right:
                continue
            value = _APPLY[op](left, right)
            if found := _search([*rest, (value, f"({left_text}{op}{right_text})")], target):
                return found
    return None


def read(prompt: str) -> tuple[tuple[int, ...], int]:
    """(numbers, target) of a prompt; raises DataError when it is none."""
    if not (found := _PROMPT.fullmatch(prompt)):
        raise DataError(f"not a countdown prompt: {prompt!r}")
    return tuple(map(int, found[1].split(","))), int(found[2])


class Countdown(GeneratedWorld[CountdownKnobs]):
    """Solvable countdowns; tags: numbers (how many)."""

    name = "countdown"
    alphabet = "()*+,-/0123456789:"
    settings = CountdownKnobs

    def draw(self, rng: random.Random, knobs: CountdownKnobs) -> tuple[str, dict[str, Any]]:
        """Uniform numbers joined by random operations until a target in range comes out, so that every task can be solved."""
        for _ in range(10_000):
            values = [rng.randint(1, knobs.largest) for _ in range(rng.randint(*knobs.numbers))]
            made = _joined(rng, [number(value) for value in values])
            if made and made.value.denominator == 1 and knobs.target[0] <= made.value <= knobs.target[1]:
                return f"{','.join(map(str, values))}:{made.value}", {"numbers": len(values)}
        raise DataError(f"world 'countdown': no target in {knobs.target[0]}-{knobs.target[1]} is reachable from numbers up to {knobs.largest}")

    def identity(self, prompt: str) -> object:
        """Numbers in order of size, and the target."""
        numbers, target = read(prompt)
        return sorted(numbers), target

    def solve(self, prompt: str) -> str:
        """`solution`; raises DataError when the prompt has no solution."""
        numbers, target = read(prompt)
        found = solution(tuple(sorted(numbers)), target)
        if found is None:
            raise DataError(f"no expression solves {prompt!r}")
        return found

    def parse(self, text: str) -> str | None:
        """The expression that the whole text is, in canonical form."""
        found = parse_expression(text)
        return found.text if found else None

    def verify(self, task: Task, answer: str | None) -> float:
        """1.0 when the expression uses every number exactly once and its value is the target."""
        numbers, target = read(str(task.prompt))
        found = parse_expression(answer or "")
        return float(found is not None and found.value == target and sorted(found.leaves) == sorted(numbers))

    def bounds(self, knobs: CountdownKnobs) -> Longest:
        """Numbers with commas, ':' and the target; numbers, the operations between them and a pair of parentheses for all but one."""
        many, width = knobs.numbers[1], len(str(knobs.largest))
        return Longest(many * (width + 1) + len(str(knobs.target[1])), many * width + (many - 1) + 2 * (many - 2))


def _joined(rng: random.Random, parts: list[Expression]) -> Expression | None:
    """Random pairs joined by random operations until one expression is left; None where that divided by zero."""
    while len(parts) > 1:
        rng.shuffle(parts)
        left, right = parts.pop(), parts.pop()
        op = rng.choice("+-*/")
        if op == "/" and not right.value:
            return None
        parts.append(combine(left, op, right))
    return parts[0]
