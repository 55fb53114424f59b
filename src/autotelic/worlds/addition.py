"""Addition by the number of digits, in a layout where one digit's work looks the same at every place.

Both operands are written with the same number of digits, least significant first, in a window of fixed width behind a random number of '#',
which also fill the rest: 123 + 56 at shift 2 in a window of 6 is '##321#+##650#=', solved by '##9710'. The sum stands at the operands' shift and
has one digit more: digit i of one operand, of the other and of the sum are the same distance apart for every i. Layout after the
reversed format of Self-Improving Transformers (arXiv:2502.01612), to which the fixed window and the shift are added.
"""

import random
import re
from typing import Any, NamedTuple

from pydantic import model_validator

from autotelic.errors import DataError
from autotelic.types import Settings, Task
from autotelic.worlds.base import GeneratedWorld, Longest, Span, check_span

_PROMPT = re.compile(r"(#*)([0-9]{1,1000})(#*)\+(#*)([0-9]{1,1000})(#*)=")
_ANSWER = re.compile(r"#*([0-9]{1,1001})")


class AdditionKnobs(Settings):
    """Difficulty of additions."""

    digits: Span = (1, 4)
    """The larger operand has exactly this many digits; of a range, every number is equally likely."""
    window: int = 20
    """Places of an operand's field."""
    same_length: bool = False
    """Both numbers have `digits` digits; otherwise the other one has 1 to `digits`, equally likely, and is written with leading zeros."""

    @model_validator(mode="after")
    def _fits(self) -> "AdditionKnobs":
        check_span("window", (self.window, self.window), 1, 1_000)
        check_span(f"digits (window {self.window})", self.digits, 1, self.window)
        return self


class Sum(NamedTuple):
    """What a prompt says."""

    a: int
    b: int
    shift: int
    digits: int
    """Digits that both operands are written with, leading zeros included."""


def write(a: int, b: int, shift: int, window: int, digits: int | None = None) -> str:
    """The prompt of a + b, both written with `digits` digits, or as many as the longer has.

    Raises:
        DataError: an operand is negative or too long, or digits and shift do not fit the window.
    """
    length = max(len(str(a)), len(str(b)))
    digits = digits or length
    if min(a, b, shift) < 0 or length > digits or shift + digits > window:
        raise DataError(f"{a} + {b} with {digits} digits at shift {shift} does not fit a window of {window}")
    return "+".join(("#" * shift + str(number).zfill(digits)[::-1]).ljust(window, "#") for number in (a, b)) + "="


def read(prompt: str) -> Sum:
    """What a prompt that `write` could have made says.

    Raises:
        DataError: it is none.
    """
    if found := _PROMPT.fullmatch(prompt):
        said = Sum(int(found[2][::-1]), int(found[5][::-1]), len(found[1]), len(found[2]))
        if write(said.a, said.b, said.shift, prompt.index("+"), max(said.digits, len(found[5]))) == prompt:
            return said
    raise DataError(f"not an addition prompt: {prompt!r}")


def field(total: int, shift: int, digits: int) -> str:
    """The completion that states a sum: the shift, then one digit more than the operands have, least significant first."""
    return "#" * shift + str(total).zfill(digits + 1)[::-1]


def answer_of(text: str) -> str | None:
    """The sum that a completion states, as a decimal number without leading zeros; None unless it is '#'s, then digits to the end."""
    found = _ANSWER.fullmatch(text)
    return str(int(found[1][::-1])) if found else None


def well_formed(task: Task, text: str) -> bool:
    """Whether a completion has the form of a sum of this task: its shift, and one digit more than the operands. Says nothing of its truth."""
    said, answer = of(task), answer_of(text)
    return answer is not None and text == field(int(answer), said.shift, said.digits)


def swapped(task: Task, shift: int) -> Task:
    """The task with its operands exchanged, at another shift: the same sum."""
    said = of(task)
    return _view(task, said.b, said.a, shift, said.digits, "swapped")


def shifted(task: Task, shift: int) -> Task:
    """The task at another shift: the same sum. Raises DataError when the operands do not fit the window there."""
    said = of(task)
    return _view(task, said.a, said.b, shift, said.digits, "shifted")


def room(task: Task) -> int:
    """The largest shift at which the task, and so every part of it, fits its window."""
    return str(task.prompt).index("+") - of(task).digits


def lower(task: Task, k: int, shift: int) -> Task:
    """The task of the low `k` digits: its sum has the low `k` digits of the task's sum, and above them the carry."""
    said = of(task)
    return _view(task, said.a % 10**k, said.b % 10**k, shift, k, "lower")


def upper(task: Task, k: int, carry: int, shift: int) -> Task | None:
    """The task of the digits above the low `k`, with a carry put into the lowest digit of one operand: its sum is the task's sum without its low
    `k` digits. None where that digit is 9 in both operands, so that the carry would have to be added rather than written."""
    said = of(task)
    a, b = said.a // 10**k, said.b // 10**k
    if carry and a % 10 < 9:
        a += 1
    elif carry and b % 10 < 9:
        b += 1
    elif carry:
        return None
    return _view(task, a, b, shift, said.digits - k, "upper")


def of(task: Task) -> Sum:
    """`read` of a task's prompt."""
    if not isinstance(task.prompt, str):
        raise DataError(f"task {task.id!r} is not an addition: its prompt is a list of chat messages")
    return read(task.prompt)


def _view(task: Task, a: int, b: int, shift: int, digits: int, view: str) -> Task:
    prompt = write(a, b, shift, str(task.prompt).index("+"), digits)
    made = Addition().task(prompt, {"digits": digits, "parents": [task.id], "view": view})
    # A view of a task without a label must not bring one in.
    return task.changed(id=made.id, prompt=prompt, answer=made.answer if task.labeled else None, hidden=made.hidden, tags=made.tags)


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
        said = read(prompt)
        return Task(made.id, prompt, made.answer, {"a": said.a, "b": said.b}, made.tags)

    def identity(self, prompt: str) -> object:
        """The operands in order of size: exchanged and shifted versions of a task stay in its split."""
        return sorted(read(prompt)[:2])

    def solve(self, prompt: str) -> str:
        """`field` of the sum."""
        said = read(prompt)
        return field(said.a + said.b, said.shift, said.digits)

    def parse(self, text: str) -> str | None:
        """`answer_of`."""
        return answer_of(text)

    def bounds(self, knobs: AdditionKnobs) -> Longest:
        """Two fields, '+' and '='; one field that is one wider."""
        return Longest(2 * knobs.window + 2, knobs.window + 1)


def _number(rng: random.Random, digits: int) -> int:
    """Uniform among the numbers of exactly `digits` digits; 0 counts as one digit."""
    return rng.randint(10 ** (digits - 1) if digits > 1 else 0, 10**digits - 1)
