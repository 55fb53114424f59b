"""Unit tests as the gold answer of a task: programs are run in the sandbox, and what they give is compared outside of it.

Tests are lines of assertions, a JSON list of them, or a list of such lists, which are tiers: a later tier counts only where all before it passed.
"""

import ast
import functools
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from autotelic.sandbox import Program, Sandbox

NAMES = ("tests", "partial-tests")
"""The verifiers: all tests or nothing, and the share of them."""
_KNOWN: dict[Program, tuple[str | None, ...]] = {}
"""The values of programs that were run."""
_MOST_KNOWN = 20_000
_FENCED = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Check:
    """One assertion: what is worked out inside, and the `repr` of what it must be, which stays outside."""

    expression: str
    expected: str


Tiers = tuple[tuple[Check, ...], ...]


def code_in(text: str) -> str | None:
    """The program of a completion: its last fenced block of Python, else all of it; None where that is no Python or says nothing."""
    blocks = _FENCED.findall(text)
    code = (blocks[-1] if blocks else text).strip()
    try:
        return code if ast.parse(code).body else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@functools.lru_cache(maxsize=4096)
def tiers_in(tests: str) -> Tiers | None:
    """The tests of a gold answer; None where one cannot be read."""
    try:
        found = json.loads(tests)
    except ValueError:
        found = [tests]
    if not isinstance(found, list) or not found:
        return None
    nested = found if all(isinstance(tier, list) for tier in found) else [found]
    try:
        tiers = tuple(tuple(check for text in tier for check in _checks(str(text))) for tier in nested)
    except (SyntaxError, ValueError):
        return None
    return tiers if all(tiers) else None


def _checks(text: str) -> list[Check]:
    return [_check(line) for line in ast.parse(text).body]


def _check(line: ast.stmt) -> Check:
    """`assert CALL == LITERAL` is compared outside; of any other assertion it is asked whether it holds."""
    if not isinstance(line, ast.Assert):
        raise ValueError(f"not an assertion: {ast.unparse(line)}")
    test = line.test
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
        try:
            return Check(ast.unparse(test.left), repr(ast.literal_eval(test.comparators[0])))
        except ValueError:
            pass  # the right side is no literal
    return Check(f"bool({ast.unparse(test)})", "True")


def score(code: str, tests: str) -> float:
    """The share of the tests that a program passes: each tier counts the same, and none behind the first that is not whole."""
    tiers = tiers_in(tests) or ()
    program = _asked(code, tiers)
    values = iter(_KNOWN[program] if program in _KNOWN else _run([program])[0])
    total = 0.0
    for tier in tiers:
        passed = [_equal(next(values, None), check.expected) for check in tier]
        total += sum(passed) / len(tier)
        if not all(passed):
            break
    return total / max(len(tiers), 1)


def run_ahead(codes: Iterable[str], tests: str) -> None:
    """Run programs that were not yet run with these tests, several at once; `score` then knows what came of them."""
    tiers = tiers_in(tests) or ()
    _run([program for program in dict.fromkeys(_asked(code, tiers) for code in codes) if program not in _KNOWN])


def _run(programs: list[Program]) -> list[tuple[str | None, ...]]:
    """What programs give for their checks. It is remembered, unless the clock ended one, which may end otherwise on a quieter machine."""
    results = _sandbox(os.getpid()).run_all(programs)
    if len(_KNOWN) > _MOST_KNOWN:
        _KNOWN.clear()
    _KNOWN.update({program: result.values for program, result in zip(programs, results, strict=True) if result.ended not in ("wall", "lost")})
    return [result.values for result in results]


def _asked(code: str, tiers: Tiers) -> Program:
    return Program(code, tuple(check.expression for tier in tiers for check in tier))


def _equal(value: str | None, expected: str) -> bool:
    """Whether a value that a program gave, as text, equals what is right: 1.0 equals 1."""
    if value is None or value == expected:
        return value is not None
    try:
        return bool(ast.literal_eval(value) == ast.literal_eval(expected))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return False


@functools.cache
def _sandbox(process: int) -> Sandbox:
    """The sandbox of this process: the number is the key, so that a forked process has one of its own."""
    return Sandbox(workers=min(os.cpu_count() or 1, 8))
