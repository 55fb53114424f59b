"""A toy language with its interpreter, and three kinds of problem about its programs: what comes out, what went in, which program it was.

A program is a line of letters, applied from left to right to a list of digits: R reverses, S sorts, L rotates left by one place, I adds 1 to every
digit modulo 10, E keeps the even digits. Programs have no side effects and no randomness, and always halt: at most `LONGEST_PROGRAM` steps on at
most `LONGEST_LIST` digits. A list that E leaves empty is an error.

| kind | prompt | solved by |
|---|---|---|
| deduction | 'd:RI:417=' | what comes out, with worked steps: '714;#825' |
| abduction | 'a:RI:825=' | any list from which it comes, worked backwards: '714;#417' |
| induction | 'i:417>825,30>14=' | any program that also holds on pairs that are not shown: '#RI' |

The prompts '*d:RI:417;S:52=' and '*i:RI=' ask for a problem of that kind: for a program with a list, such as 'SL:302', after some for reference, and
for lists to show a given program on, such as '417,30,52,9'. The teacher of `lesson` teaches both, solving and posing.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import permutations, product
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import BeforeValidator, Field, model_validator

from autotelic.errors import DataError
from autotelic.streams import generator, key
from autotelic.types import Settings, Task
from autotelic.worlds.base import GeneratedWorld, Lesson, Longest, Rates, Span, check_span

Kind = Literal["deduction", "abduction", "induction"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_NEXT, _BACK = str.maketrans("0123456789", "1234567890"), str.maketrans("1234567890", "0123456789")
_EVEN, _ODD = "02468", "13579"
OPERATIONS: dict[str, Callable[[str], str]] = {
    "R": lambda data: data[::-1],
    "S": lambda data: "".join(sorted(data)),
    "L": lambda data: data[1:] + data[:1],
    "I": lambda data: data.translate(_NEXT),
    "E": lambda data: "".join(digit for digit in data if digit in _EVEN),
}
LONGEST_PROGRAM, LONGEST_LIST = 8, 6
_PROGRAM, _LIST = f"[{''.join(OPERATIONS)}]{{1,{LONGEST_PROGRAM}}}", f"[0-9]{{1,{LONGEST_LIST}}}"
_GIVEN = re.compile(rf"([da]):({_PROGRAM}):({_LIST})=")
_PAIRS = re.compile(rf"i:({_LIST}>{_LIST}(?:,{_LIST}>{_LIST})*)=")
_ANSWER = re.compile(rf"(?s)(?:.*;)?\s*#({_LIST}|{_PROGRAM})\s*")
_SNIPPET = re.compile(rf"({_PROGRAM}):({_LIST})")
_LISTS = re.compile(rf"{_LIST}(?:,{_LIST})*")


# ---- the interpreter


def trace(program: str, data: str) -> list[str] | None:
    """The list after every step, of a program of `OPERATIONS` on digits; None when it fails: an empty list, or a limit."""
    if len(program) > LONGEST_PROGRAM or not 0 < len(data) <= LONGEST_LIST:
        return None
    values = []
    for letter in program:
        data = OPERATIONS[letter](data)
        if not data:
            return None
        values.append(data)
    return values


def run(program: str, data: str) -> str | None:
    """What comes out of a program; None when it fails."""
    values = trace(program, data)
    return values[-1] if values else None


def before(letter: str, data: str) -> Iterator[str]:
    """Lists from which one step gives `data`, the plainest first; of those for E only the ones with at most one odd digit more."""
    match letter:
        case "R":
            yield data[::-1]
        case "L":
            yield data[-1] + data[:-1]
        case "I":
            yield data.translate(_BACK)
        case "S" if data == "".join(sorted(data)):
            yield from dict.fromkeys("".join(order) for order in permutations(data))
        case "E" if not set(data) - set(_EVEN):
            yield data
            if len(data) < LONGEST_LIST:
                yield from (data[:place] + odd + data[place:] for place in range(len(data) + 1) for odd in _ODD)


def backwards(program: str, data: str) -> list[str] | None:
    """The lists before each step, last step first, from which a program gives `data`; None when the search of `before` finds none."""
    if not program:
        return []
    for earlier in before(program[-1], data):
        rest = backwards(program[:-1], earlier)
        if rest is not None:
            return [earlier, *rest]
    return None


def shortest(pairs: Sequence[tuple[str, str]]) -> str | None:
    """The shortest program that turns the first list of every pair into the second, the first in the alphabet of those; None if there is none."""
    goal = tuple(after for _, after in pairs)
    layer = {tuple(data for data, _ in pairs): ""}
    seen = set(layer)
    for _ in range(LONGEST_PROGRAM):
        following: dict[tuple[str, ...], str] = {}
        for state, program in layer.items():
            for letter in sorted(OPERATIONS):
                found = tuple(OPERATIONS[letter](data) for data in state)
                if all(found) and found == goal:
                    return program + letter
                if all(found) and found not in seen:
                    seen.add(found)
                    following[found] = program + letter
        layer = following
    return None


# ---- problems


class Snippet(NamedTuple):
    """A program with the lists it is shown on."""

    program: str
    data: tuple[str, ...]


def asking(kind: Kind, references: Sequence[Snippet]) -> str:
    """The prompt for a problem of a kind after some references; induction takes the program of the first."""
    shown = references[0].program if kind == "induction" else ";".join(f"{item.program}:{item.data[0]}" for item in references)
    return f"*{kind[0]}:{shown}="


def read(kind: Kind, program: str, text: str) -> Snippet | None:
    """What a proposer wrote; None when it has not the form. `program` is that which an induction problem is to be about."""
    if kind == "induction":
        return Snippet(program, tuple(dict.fromkeys(text.split(",")))) if _LISTS.fullmatch(text) else None
    found = _SNIPPET.fullmatch(text)
    return Snippet(found[1], (found[2],)) if found else None


def pose(kind: Kind, snippet: Snippet, shown: int) -> tuple[str, dict[str, Any]] | None:
    """(prompt, hidden) of a problem; None when the program fails on a list, or induction has not `shown` lists to show and as many to hide.

    `hidden` holds the snippet and, for induction, the pairs on which a program is judged.
    """
    program, data = snippet
    after = [run(program, item) for item in data]
    if None in after or not data:
        return None
    hidden: dict[str, Any] = {"program": program, "data": list(data)}
    if kind == "deduction":
        return f"d:{program}:{data[0]}=", hidden
    if kind == "abduction":
        return f"a:{program}:{after[0]}=", hidden
    if len(data) < 2 * shown:
        return None
    pairs = [f"{item}>{found}" for item, found in zip(data, after, strict=True)][: 2 * shown]
    return f"i:{','.join(pairs[:shown])}=", {**hidden, "pairs": [pair.split(">") for pair in pairs[shown:]]}


def longest(kind: Kind, references: int, shown: int) -> tuple[str, str]:
    """The longest prompts of a kind that there can be: for a problem after some references, and that of a problem; to see whether a model has room."""
    program, data = "R" * LONGEST_PROGRAM, "1" * LONGEST_LIST
    pairs = ",".join([f"{data}>{data}"] * shown)
    return asking(kind, [Snippet(program, (data,))] * references), f"i:{pairs}=" if kind == "induction" else f"{kind[0]}:{program}:{data}="


def snippet_of(task: Task) -> Snippet:
    """What a problem was made of by `pose`."""
    return Snippet(task.hidden["program"], tuple(task.hidden["data"]))


def _names(value: object) -> object:
    return tuple(value.split(",")) if isinstance(value, str) else value


class ProgramsKnobs(Settings):
    """Difficulty of problems about programs, and what the teacher teaches."""

    kinds: Annotated[tuple[Kind, ...], BeforeValidator(_names)] = KINDS
    """Written 'deduction,abduction'."""
    ops: Span = (1, 3)
    """Letters of a program; of a range, every number is equally likely."""
    digits: Span = (2, 3)
    """Digits of a list, at random."""
    pairs: int = Field(3, ge=1, le=5)
    """Pairs that an induction problem shows; as many are hidden."""
    slips: float = Field(0.0, ge=0.0, le=1.0)
    """Share of the letters R, S and L, and of the digits under I and E, of which the teacher of `lesson` is unsure."""
    slip_rates: Rates = (0.2, 0.8)
    """How often it gets a step wrong there, a number of its own for each: another letter's step, another digit, a digit kept or dropped."""
    posing: float = Field(0.3, ge=0.0, le=1.0)
    """Share of the lessons that show how to pose a problem."""
    references: int = Field(2, ge=1, le=4)
    """Most snippets that the teacher shows before posing one."""

    @model_validator(mode="after")
    def _fits(self) -> "ProgramsKnobs":
        check_span("ops", self.ops, 1, LONGEST_PROGRAM)
        check_span("digits", self.digits, 1, LONGEST_LIST)
        if not self.kinds:
            raise ValueError("kinds must name at least one kind")
        return self


class Programs(GeneratedWorld[ProgramsKnobs]):
    """Problems about short programs; tags: kind, ops, and slice, which joins them."""

    name = "programs"
    alphabet = "#*,:;=>adi0123456789" + "".join(OPERATIONS)
    settings = ProgramsKnobs

    def draw(self, rng: random.Random, knobs: ProgramsKnobs) -> tuple[str, dict[str, Any]]:
        """A program of random letters that runs on all its lists of random digits."""
        kind = rng.choice(knobs.kinds)
        while True:
            snippet = random_snippet(rng, knobs, 2 * knobs.pairs if kind == "induction" else 1)
            if found := pose(kind, snippet, knobs.pairs):
                return found[0], {**tags(kind, snippet.program), "hidden": found[1]}

    def task(self, prompt: str, tags: dict[str, Any] | None = None) -> Task:
        """As any world's; what `pose` hides is given as the tag 'hidden' and becomes the task's hidden fields."""
        known = dict(tags or {})
        bare = Task(f"{self.name}-{key(prompt):016x}", prompt, hidden=known.pop("hidden", {}), tags=known)
        return replace(bare, answer=self.parse(self.gold(bare)))

    def identity(self, prompt: str) -> object:
        """A program with what it makes of a list, whether the list is asked for or its result: from what a deduction problem shows follows the
        solution of its abduction, and the other way round. Of an induction problem the pairs in order, as they are a set."""
        if found := _PAIRS.fullmatch(prompt):
            return f"i:{','.join(sorted(found[1].split(',')))}="
        found = _GIVEN.fullmatch(prompt)
        after = run(found[2], found[3]) if found and found[1] == "d" else None
        return f"a:{found[2]}:{after}=" if found and after else prompt

    def seeds(self) -> list[Task]:
        """The problems that a system without data begins with: one program, on lists enough for each kind."""
        snippet = Snippet("R", ("345", "12", "67", "21", "543", "98", "10", "203", "405", "31"))
        posed = {kind: pose(kind, snippet, self.knobs.pairs) for kind in KINDS}
        return [self.task(made[0], {**tags(kind, snippet.program), "hidden": made[1]}) for kind, made in posed.items() if made]

    def solve(self, prompt: str) -> str:
        """Worked steps for deduction and abduction; the shortest program for induction."""
        if found := _PAIRS.fullmatch(prompt):
            program = shortest([(data, after) for data, after in (pair.split(">") for pair in found[1].split(","))])
            if program:
                return "#" + program
        elif found := _GIVEN.fullmatch(prompt):
            steps = trace(found[2], found[3]) if found[1] == "d" else backwards(found[2], found[3]) or searched(found[2], found[3])
            if steps:
                return "".join(step + ";" for step in steps[:-1]) + "#" + steps[-1]
        raise DataError(f"not a programs prompt, or one without a solution: {prompt!r}")

    def gold(self, task: Task) -> str:
        """The program that was posed, where it is known; else `solve`."""
        return "#" + task.hidden["program"] if "pairs" in task.hidden else super().gold(task)

    def lesson(self, task: Task, rng: random.Random) -> Lesson:
        """The solution of a teacher who is unsure of some steps, which it carries on; or how to pose the task after random references."""
        if rng.random() >= self.knobs.posing:
            return Lesson((str(task.prompt),), self.taught(task, rng))
        kind, own = task.tags["kind"], snippet_of(task)
        if kind == "induction":
            return Lesson((asking(kind, [own]),), ",".join(own.data))
        references = [random_snippet(rng, self.knobs, 1) for _ in range(rng.randint(1, self.knobs.references))]
        return Lesson((asking(kind, references),), f"{own.program}:{own.data[0]}")

    def taught(self, task: Task, rng: random.Random) -> str:
        """The unsure teacher's solution, one step after the other or, for abduction, before the other."""
        found = _GIVEN.fullmatch(str(task.prompt))
        if not found or not self.knobs.slips:
            return self.gold(task)
        kind, program, data = found.groups()
        right = re.split("[;#]+", self.gold(task).lstrip("#"))
        steps, previous, exact = [], data, data
        for letter, step in zip(program if kind == "d" else program[::-1], right, strict=True):
            # As long as no step has slipped the exact one is at hand, which alone says what S and E may have come from.
            known = step if previous == exact else (OPERATIONS[letter](previous) if kind == "d" else next(before(letter, previous), previous))
            previous, exact = self.believed(letter, previous, known or previous, kind == "a", rng), step
            steps.append(previous)
        return "".join(step + ";" for step in steps[:-1]) + "#" + steps[-1]

    def believed(self, letter: str, data: str, right: str, back: bool, rng: random.Random) -> str:
        """A step from `data` as the unsure teacher gives it, when `right` is the right one; backwards for abduction."""
        if letter == "I":
            return "".join(
                str((int(digit) + rng.randint(1, 9)) % 10) if self.slips(letter, old, rng) else digit for old, digit in zip(data, right, strict=True)
            )
        if letter == "E":
            return right if back else "".join(digit for digit in data if (digit in _EVEN) != self.slips(letter, digit, rng)) or right
        other = generator("slip to", letter).choice([each for each in "RSL" if each != letter])
        return (next(before(other, data), right) if back else OPERATIONS[other](data)) if self.slips(letter, "", rng) else right

    def slips(self, letter: str, digit: str, rng: random.Random) -> bool:
        """Whether the teacher gets a step wrong this time: what it is unsure of, and how much, follows from letter and digit alone."""
        belief = generator("slip", letter, digit)
        return belief.random() < self.knobs.slips and rng.random() < belief.uniform(*self.knobs.slip_rates)

    def verify(self, task: Task, answer: str | None) -> float:
        """1.0 for the right list; for any list that gives the output; for any program that holds on the hidden pairs, or on the shown ones where the
        task hides none."""
        prompt = str(task.prompt)
        if answer is None:
            return 0.0
        if found := _PAIRS.fullmatch(prompt):
            pairs = task.hidden.get("pairs") or [pair.split(">") for pair in found[1].split(",")]
            return float(bool(re.fullmatch(_PROGRAM, answer)) and all(run(answer, data) == after for data, after in pairs))
        found = _GIVEN.fullmatch(prompt)
        if not found or not re.fullmatch(_LIST, answer):
            return 0.0
        return float((run(found[2], found[3]) == answer) if found[1] == "d" else (run(found[2], answer) == found[3]))

    def parse(self, text: str) -> str | None:
        """The list or the program after a final '#' that opens the text or follows a ';'."""
        found = _ANSWER.fullmatch(text)
        return found[1] if found else None

    def bounds(self, knobs: ProgramsKnobs) -> Longest:
        """Of solving and posing alike."""
        ops, digits = knobs.ops[1], knobs.digits[1]
        prompt = max(ops + digits + 4, 2 + 2 * knobs.pairs * (digits + 1), 2 + (ops + digits + 2) * knobs.references + 1)
        return Longest(prompt, max(ops * (digits + 1), 2 * knobs.pairs * (digits + 1)) + 1)


def random_snippet(rng: random.Random, knobs: ProgramsKnobs, lists: int) -> Snippet:
    """A program of random letters and distinct lists of random digits, on which it need not run."""
    program = "".join(rng.choices("".join(OPERATIONS), k=rng.randint(*knobs.ops)))
    found: dict[str, None] = {}
    while len(found) < lists:
        found["".join(rng.choices("0123456789", k=rng.randint(*knobs.digits)))] = None
    return Snippet(program, tuple(found))


def tags(kind: Kind, program: str) -> dict[str, Any]:
    """The tags of a problem."""
    return {"slice": f"{kind} {len(program)}", "kind": kind, "ops": len(program)}


def searched(program: str, data: str) -> list[str] | None:
    """As `backwards`, by trying all lists of up to four digits."""
    for length in range(1, 5):
        for digits in product("0123456789", repeat=length):
            values = trace(program, start := "".join(digits))
            if values and values[-1] == data:
                return [*values[-2::-1], start]
    return None
