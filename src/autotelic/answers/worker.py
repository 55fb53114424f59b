"""The process in which math-verify compares answers: a pair a line on standard input, a verdict a line on standard output.

Not imported by the package: `mathematics` starts it. Every comparison has a limit of processor time, at which the system ends the process, and the
whole process one of memory. It ends with its input, and so with the process that started it.
"""

import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any

MEMORY = 2 * 2**30
"""Bytes of address space."""


def main(seconds: float) -> None:
    """Answer until the input ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # What the libraries print is no verdict.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        import math_verify  # noqa: F401
    except Exception as error:
        replies.write(f"{type(error).__name__}: {error}".replace("\n", " ") + "\n")
        return
    _limit_memory()
    replies.write("ready\n")
    for line in sys.stdin:
        gold, answer = json.loads(line)
        _limit_time(seconds)
        equal = _equal(gold, answer)
        _limit_time(0)
        replies.write("equal\n" if equal else "different\n")


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _limit_time(seconds: float) -> None:
    """End this process after more processor time; 0 takes the limit back. Where the system has no such timer, `mathematics` has the last word."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _equal(gold: str, answer: str) -> bool:
    from math_verify import verify

    try:
        expected, given = _read(gold), _read(answer)
        return bool(expected and given and verify(expected, given, timeout_seconds=None))
    except (Exception, MemoryError, RecursionError):
        return False


def _read(text: str) -> list[Any]:
    """What math-verify reads in an answer: the SymPy expression and its text; empty where it reads nothing or refuses to."""
    from math_verify import parse

    found: list[Any] = parse(f"${text.strip('$')}$", parsing_timeout=None) or parse(text, parsing_timeout=None)
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


if __name__ == "__main__":
    main(float(sys.argv[1]))
