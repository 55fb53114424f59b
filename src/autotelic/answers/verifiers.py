"""Where an answer stands in a text, and when two answers are equal: the one place for both.

Pure functions over strings. Not rewards: a world or a recipe turns what these return into a number.
"""

import ast
import re
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

LONGEST = 2_000
"""Characters of an answer that the comparisons look at; a longer one has no canonical form, which bounds the work of hostile texts."""

_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_NUMBER = re.compile(rf"(?<![\w.])[-+]?(?:{_DIGITS}(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]{{1,3}}(?![0-9]))?(?:/[0-9]+(?![0-9.]))?")
_FRACTION = re.compile(r"([-+]?)\\[dt]?frac\{([0-9]+)\}\{([0-9]+)\}")
_FUNCTIONS = {"Abs", "acos", "asin", "atan", "cos", "cosh", "cot", "csc", "erf", "exp", "log", "pi", "sec", "sin", "sinh", "sqrt", "tan", "tanh"}


def boxed(text: str) -> str | None:
    r"""What stands in the last closed `\boxed{...}`, braces balanced; None when there is none."""
    start = len(text)
    while (start := text.rfind(r"\boxed{", 0, start)) >= 0:
        depth = 0
        for place in range(start + 6, len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if not depth:
                return text[start + 7 : place].strip() or None
    return None


def _last(pattern: str, text: str) -> str | None:
    found = re.findall(pattern, text)
    return found[-1].strip() or None if found else None


def last_line(text: str) -> str | None:
    """The last line that is not blank, stripped."""
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else None


PLACES: dict[str, Callable[[str], str | None]] = {
    "boxed": boxed,
    "hashes": lambda text: _last(r"####[ \t]*([^\n]+)", text),
    "answer": lambda text: _last(r"(?i)\banswer[ \t]*:[ \t]*([^\n]+)", text),
    "tag": lambda text: _last(r"(?is)<answer>((?:(?!<answer>).)*?)</answer>", text),
    "answer-block": lambda text: _last(r"(?is).*\banswer[ \t]*:(.+)", text),
    "dollars": lambda text: _last(r"\$([^$\n]+)\$", text),
    "line": last_line,
    "whole": lambda text: text.strip() or None,
}
r"""Ways to mark an answer: \boxed{x}; '#### x'; 'answer: x' to the end of the line; <answer>x</answer>; 'answer:' and all that
follows; $x$; the last line; the whole text. Each takes the last occurrence and gives None where there is none."""


def extract(text: str, places: Iterable[str]) -> str | None:
    """The answer of a text: the first of `places` (keys of PLACES) that finds one, stripped."""
    return next((found for place in places if (found := PLACES[place](text)) is not None), None)


def canonical_number(text: str) -> str | None:
    r"""A number as a reduced fraction ('3', '-7/2'), so that equal numbers are equal strings; None when `text` is not one number.

    Reads '1,234', '+3.50', '1e3', '7/2', '\frac{7}{2}', and drops a currency sign, a percent sign, '$...$' and a final period.
    """
    text = text[: LONGEST + 1].strip().strip("$€£ ").removesuffix(r"\%").removesuffix("%").rstrip(".").replace(r"\$", "").strip()
    if fraction := _FRACTION.fullmatch(text):
        text = "{}{}/{}".format(*fraction.groups())
    if len(text) > LONGEST or not _NUMBER.fullmatch(text):
        return None
    above, _, below = text.replace(",", "").partition("/")
    try:
        return str(Fraction(above) / Fraction(below or 1))
    except ZeroDivisionError:
        return None


def last_number(text: str) -> str | None:
    """The last number that stands in a text, canonical; the text itself where it is one number; None when there is none."""
    if whole := canonical_number(text):
        return whole
    found = list(_NUMBER.finditer(text, max(0, len(text) - LONGEST)))
    return canonical_number(found[-1].group()) if found else None


def canonical_math(text: str) -> str:
    """A number in its canonical form, other LaTeX without the spaces that mean nothing. Equal expressions may still differ: see `same_math`."""
    return canonical_number(text) or re.sub(r"(?<![A-Za-z])\s+|\s+(?![A-Za-z])", "", text.strip())


def plain_arithmetic(text: str) -> bool:
    """Whether a text is an expression of numbers, one-letter names, + - * / ** and known functions whose powers stay small.

    What passes can be handed to a parser that evaluates, such as SymPy's: it calls nothing, reads no attribute and ends soon.
    """
    try:
        return len(text) <= LONGEST and _power(ast.parse(text.strip(), mode="eval").body) <= 1_000
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False


def harmless(text: str) -> bool:
    """Whether a scorer that hands a text to `eval` runs nothing: it is no expression, or a literal, a name or plain arithmetic."""
    if len(text) > 10 * LONGEST:
        return False
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return True
    except (MemoryError, RecursionError):
        return False
    try:
        ast.literal_eval(tree)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return isinstance(tree.body, ast.Name) or plain_arithmetic(text)
    return True


def _power(node: ast.expr) -> float:
    """The product of the exponents that stand over one another in an expression; raises ValueError where it is not plain arithmetic."""
    match node:
        case ast.Constant(value=int() | float()):
            return 1
        case ast.Name(id=name) if len(name) == 1 or name in _FUNCTIONS:
            return 1
        case ast.UnaryOp(op=ast.UAdd() | ast.USub(), operand=inner):
            return _power(inner)
        case ast.BinOp(left=base, op=ast.Pow(), right=exponent):
            return _power(base) * _exponent(exponent)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div(), right=right):
            return max(_power(left), _power(right))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            return _power(argument)
    raise ValueError("not plain arithmetic")


def _exponent(node: ast.expr) -> float:
    match node:
        case ast.UnaryOp(op=ast.UAdd() | ast.USub(), operand=inner):
            return _exponent(inner)
        case ast.BinOp(left=ast.Constant(value=int() as above), op=ast.Div(), right=ast.Constant(value=int() as below)) if below:
            return max(1, above, below)
        case ast.Constant(value=int() | float() as value):
            return max(1, value)
        case ast.Name(id=name) if len(name) == 1:
            return 1
    raise ValueError("an exponent that is an expression")


def same_math(gold: str, answer: str) -> bool:
    """Whether two LaTeX or plain answers are mathematically equal, by math-verify; False where either cannot be read.

    math-verify stops itself with a signal, which only the main thread may set; elsewhere it runs without. Answers whose evaluation
    would not end soon (towers of powers, factorials of large numbers) are unequal to everything on either thread.

    Raises:
        ImportError: math-verify is not installed.
    """
    import threading

    from math_verify import verify

    on_main = threading.current_thread() is threading.main_thread()
    expected, given = _read_math(gold, on_main), _read_math(answer, on_main)
    return bool(expected and given and verify(expected, given, timeout_seconds=5 if on_main else None))


def _read_math(text: str, on_main: bool) -> list[Any]:
    """What math-verify reads in an answer: the SymPy expression and its text; empty where it reads nothing or refuses to."""
    from math_verify import parse

    if not text or len(text) > LONGEST:
        return []
    found = parse(f"${text.strip('$')}$", parsing_timeout=5 if on_main else None) or parse(text, parsing_timeout=5 if on_main else None)
    return found if found and _bits(found[0]) <= 100_000 else []


def _bits(node: Any) -> float:
    """An upper bound on the bits of the numbers that evaluating a SymPy expression makes; infinite where it cannot be bounded."""
    inner = [_bits(argument) for argument in getattr(node, "args", ())]
    kind = type(node).__name__
    if kind == "Pow":
        base = node.args[0]
        if inner[1] > 12 or (base.free_symbols and not base.is_Symbol and inner[1] > 6):
            return float("inf")
        return inner[0] * 2 ** inner[1]
    if kind in {"factorial", "factorial2", "subfactorial", "gamma", "binomial"}:
        return float("inf") if any(bits > 12 for bits in inner) else 50_000
    if getattr(node, "is_Rational", False):
        return float(max(node.p.bit_length(), node.q.bit_length(), 1))
    return max(1.0, sum(inner))
