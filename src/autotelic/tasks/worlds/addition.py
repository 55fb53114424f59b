"""Addition by the number of digits, in a layout where one digit's work looks the same at every place.

Numbers stand reversed (least significant digit first) in a window of fixed width behind a random number of '#', which also fill
the rest: 123 + 456 at shift 2 in a window of 6 is '##321#+##654#=', solved by '##975##'. The answer's field is one wider, so
that a sum may grow by a digit, and its digits stand at the operands' shift: digit i of one operand, of the other and of the sum are
the same distance apart for every i. Layout after the reversed format of Self-Improving Transformers (arXiv:2502.01612), to which
the fixed window and the shift are added.
"""

import random
import re
from typing import Any

from pydantic import model_validator

from autotelic.errors import DataError
from autotelic.tasks.worlds.base import GeneratedWorld, Longest, Span, check_span
from autotelic.types import Settings, Task

_PROMPT = re.compile(r"(#*)([0-9]{1,1000})(#*)\+(#*)([0-9]{1,1000})(#*)=")
_ANSWER = re.compile(r"#*([0-9]+)#*")


class AdditionKnobs(Settings):
    """Difficulty of additions."""

    digits: Span = (1, 4)
    """The larger operand has exactly this many digits; of a range, every number is equally likely."""
    window: int = 20
    """Places of an operand's field."""
    same_length: bool = False
    """Both operands have `digits` digits; otherwise the other one has 1 to `digits`, equally likely."""

    @model_validator(mode="after")
    def _fits(self) -> "AdditionKnobs":
        check_span("window", (self.window, self.window), 1, 1_000)
        check_span(f"digits (window {self.window})", self.digits, 1, self.window)
        return self


def write(a: int, b: int, shift: int, window: int) -> str:
    """The prompt of a + b.

    Raises:
        DataError: an operand is negative, or it and the shift do not fit the window.
    """
    fields = ["#" * shift + str(number)[::-1] for number in (a, b)]
    if min(a, b, shift) < 0 or max(map(len, fields)) > window:
        raise DataError(f"{a} + {b} at shift {shift} does not fit a window of {window}")
    return "+".join(field.ljust(window, "#") for field in fields) + "="


def read(prompt: str) -> tuple[int, int, int]:
    """(a, b, shift) of a prompt that `write` could have made.

    Raises:
        DataError: it is none.
    """
    if found := _PROMPT.fullmatch(prompt):
        a, b, shift = int(found[2][::-1]), int(found[5][::-1]), len(found[1])
        if write(a, b, shift, prompt.index("+")) == prompt:
            return a, b, shift
    raise DataError(f"not an addition prompt: {prompt!r}")


def answer_of(text: str) -> str | None:
    """The sum that a completion states, as a decimal string; None unless it is '#'s, reversed digits without leading zero, '#'s."""
    found = _ANSWER.fullmatch(text.strip())
    digits = found[1][::-1] if found else ""
    return digits if digits and (digits == "0" or digits[0] != "0") else None


def swapped(task: Task) -> Task:
    """The task with its operands exchanged: the same sum."""
    a, b, shift = _of(task)
    return _view(task, b, a, shift, "swapped")


def shifted(task: Task, shift: int) -> Task:
    """The task at another shift: the same sum. Raises DataError when the operands do not fit the window there."""
    a, b, _ = _of(task)
    return _view(task, a, b, shift, "shifted")


def truncated(task: Task, k: int) -> Task:
    """The task of the low `k` digits of both operands: its sum has the low `k` digits of the task's sum."""
    if k < 1:
        raise DataError(f"an operand keeps at least one digit, got {k}")
    a, b, shift = _of(task)
    return _view(task, a % 10**k, b % 10**k, shift, "truncated")


def _of(task: Task) -> tuple[int, int, int]:
    if not isinstance(task.prompt, str):
        raise DataError(f"task {task.id!r} is not an addition: its prompt is a list of chat messages")
    return read(task.prompt)


def _view(task: Task, a: int, b: int, shift: int, view: str) -> Task:
    prompt = write(a, b, shift, str(task.prompt).index("+"))
    made = Addition().task(prompt, {**task.tags, "digits": len(str(max(a, b))), "parents": [task.id], "view": view})
    # A view of a task without a label must not bring one in.
    return Task(made.id, prompt, None if task.answer is None else made.answer, {"a": a, "b": b}, made.tags)


class Addition(GeneratedWorld[AdditionKnobs]):
    """Sums of two whole numbers; tags: digits."""

    name = "addition"
    alphabet = "#+0123456789="
    settings = AdditionKnobs

    def draw(self, rng: random.Random, knobs: AdditionKnobs) -> tuple[str, dict[str, Any]]:
        """A prompt at a random shift, the longer operand on a random side."""
        digits = rng.randint(*knobs.digits)
        a, b = _number(rng, digits), _number(rng, digits if knobs.same_length else rng.randint(1, digits))
        if rng.random() < 0.5:
            a, b = b, a
        return write(a, b, rng.randint(0, knobs.window - digits), knobs.window), {"digits": digits}

    def task(self, prompt: str, tags: dict[str, Any] | None = None) -> Task:
        """The task of a prompt; hidden: a, b."""
        made = super().task(prompt, tags)
        a, b, _ = read(prompt)
        return Task(made.id, prompt, made.answer, {"a": a, "b": b}, made.tags)

    def identity(self, prompt: str) -> object:
        """The operands in order of size: exchanged and shifted versions of a task stay in its split."""
        return sorted(read(prompt)[:2])

    def solve(self, prompt: str) -> str:
        """The field of the sum."""
        a, b, shift = read(prompt)
        return ("#" * shift + str(a + b)[::-1]).ljust(prompt.index("+") + 1, "#")

    def parse(self, text: str) -> str | None:
        """`answer_of`."""
        return answer_of(text)

    def bounds(self, knobs: AdditionKnobs) -> Longest:
        """Two fields, '+' and '='; one field that is one wider."""
        return Longest(2 * knobs.window + 2, knobs.window + 1)


def _number(rng: random.Random, digits: int) -> int:
    """Uniform among the numbers of exactly `digits` digits; 0 counts as one digit."""
    return rng.randint(10 ** (digits - 1) if digits > 1 else 0, 10**digits - 1)
