"""Chains modulo 10 as text: how a prompt is written, what its operations are, and the worked steps that solve it. No tasks, no teacher."""

import re
from collections.abc import Callable

PROMPT = re.compile(r"[0-9](?:[-+*][0-9])+=")
_ANSWER = re.compile(r"(?s)(?:.*;)?\s*#([0-9])\s*")


def written_out(prompt: str, result: Callable[[int, str, int], int]) -> str:
    """The worked steps of a chain when `result` gives the result of each equation; every result is carried on."""
    value, steps = int(prompt[0]), []
    for op, digit in operations(prompt):
        found = result(value, op, digit)
        steps.append(f"{value}{op}{digit}={found};")
        value = found
    return "".join(steps) + f"#{value}"


def operations(prompt: str) -> list[tuple[str, int]]:
    """The operations of a chain prompt, in order: (sign, right operand)."""
    return [(op, int(digit)) for op, digit in zip(prompt[1:-1:2], prompt[2:-1:2], strict=True)]


def apply(left: int, op: str, right: int) -> int:
    """left op right modulo 10, of two digits; `op` is '+', '-' or '*'."""
    return {"+": left + right, "-": left - right, "*": left * right}[op] % 10


def answer(text: str) -> str | None:
    """The digit after a final '#' that opens the text or follows a ';'; None where there is none."""
    found = _ANSWER.fullmatch(text)
    return found[1] if found else None
