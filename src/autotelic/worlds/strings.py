"""Operations on short strings with worked steps: prompt 'RS:bcab=', solved by 'bacb;abbc;#abbc'.

The letters before the colon are applied from left to right: R reverses, S sorts, D keeps the first of equal letters, L rotates left
by one place, N replaces every letter by the next of the world's letters (the last by the first).
"""

import random
import re
import string
from collections.abc import Callable
from typing import Any

from pydantic import model_validator

from autotelic.errors import DataError
from autotelic.types import Settings
from autotelic.worlds.base import GeneratedWorld, Longest, Span, check_span

LETTERS = string.ascii_lowercase[:8]
_NEXT = str.maketrans(LETTERS, LETTERS[1:] + LETTERS[0])
OPERATIONS: dict[str, Callable[[str], str]] = {
    "R": lambda text: text[::-1],
    "S": lambda text: "".join(sorted(text)),
    "D": lambda text: "".join(dict.fromkeys(text)),
    "L": lambda text: text[1:] + text[:1],
    "N": lambda text: text.translate(_NEXT),
}
_PROMPT = re.compile(rf"([{''.join(OPERATIONS)}]+):([{LETTERS}]+)=")
_ANSWER = re.compile(rf"(?s)(?:.*;)?\s*#([{LETTERS}]+)\s*")


class StringsKnobs(Settings):
    """Difficulty of string operations."""

    ops: Span = (1, 2)
    """Number of operations; of a range, every number is equally likely."""
    length: Span = (3, 6)
    """Letters of the string."""
    kinds: str = "".join(OPERATIONS)
    """The operations to draw from."""

    @model_validator(mode="after")
    def _fits(self) -> "StringsKnobs":
        check_span("ops", self.ops, 1, 20)
        check_span("length", self.length, 1, 100)
        if not self.kinds or (unknown := set(self.kinds) - set(OPERATIONS)):
            raise ValueError(f"kinds must be letters of {''.join(OPERATIONS)}, got {''.join(sorted(unknown)) if self.kinds else 'none'}")
        return self


class Strings(GeneratedWorld[StringsKnobs]):
    """String operations; tags: ops, length."""

    name = "strings"
    alphabet = "#:;=" + "".join(OPERATIONS) + LETTERS
    settings = StringsKnobs

    def draw(self, rng: random.Random, knobs: StringsKnobs) -> tuple[str, dict[str, Any]]:
        """Uniform letters and operations."""
        ops, length = rng.randint(*knobs.ops), rng.randint(*knobs.length)
        prompt = f"{''.join(rng.choices(knobs.kinds, k=ops))}:{''.join(rng.choices(LETTERS, k=length))}="
        return prompt, {"ops": ops, "length": length}

    def solve(self, prompt: str) -> str:
        """The string after every operation, each ended by ';', then '#' and the last one."""
        if not (found := _PROMPT.fullmatch(prompt)):
            raise DataError(f"not a strings prompt: {prompt!r}")
        text, steps = found[2], []
        for op in found[1]:
            text = OPERATIONS[op](text)
            steps.append(text + ";")
        return "".join(steps) + "#" + text

    def parse(self, text: str) -> str | None:
        """The letters after a final '#' that opens the text or follows a ';'."""
        found = _ANSWER.fullmatch(text)
        return found[1] if found else None

    def bounds(self, knobs: StringsKnobs) -> Longest:
        """Operations, string and two signs; a string and ';' a step, '#' and the answer."""
        ops, length = knobs.ops[1], knobs.length[1]
        return Longest(ops + length + 2, ops * (length + 1) + 1 + length)
