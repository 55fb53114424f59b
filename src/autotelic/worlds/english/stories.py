"""Short arithmetic stories in English, for models that already speak it. The stories are data, in `stories.toml`; what is here fills, reads and solves them.

A prompt is read back by the story that it was filled from, so that the answer follows from the text alone. Some stories are never trained on, whatever
their numbers: in the probe they are the slice "new templates". Elsewhere a problem is its story and its numbers, whoever is in it.
"""

import ast
import random
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from typing import Any

from pydantic import Field, model_validator

from autotelic.errors import DataError
from autotelic.streams import key
from autotelic.tasks.columns import PART
from autotelic.tasks.splits import Split
from autotelic.worlds.base import Longest, Span, check_span
from autotelic.worlds.english.base import EnglishKnobs, EnglishWorld

SMALL = "kmn"
"""Letters of numbers that are never larger than 9, such as those of people who share."""
NEW = "new "
"""What stands before the sum of a story that is never trained on."""
TRIES = 10_000
_PLACE = re.compile(r"\{(\w+)\}|\[([^\]]*)\]")
_PRONOUNS = {"he": ("she", "he"), "He": ("She", "He"), "his": ("her", "his"), "His": ("Her", "His"), "him": ("her", "him")}
_SIGNS: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


class StoryKnobs(EnglishKnobs):
    """Difficulty of stories."""

    steps: Span = (1, 1)
    """Operations; of a range, every number is equally likely."""
    largest: int = Field(10, ge=9, le=1000)
    """Of the numbers in a story. No step goes beyond ten times as much."""

    @model_validator(mode="after")
    def _fits(self) -> "StoryKnobs":
        check_span("steps", self.steps, 1, 3)
        return self


@dataclass(frozen=True, eq=False)
class Story:
    """A template."""

    sum: str
    """How the answer is computed, such as 'n*a+b'."""
    text: str
    words: Mapping[str, list[str]]
    """The lists of its theme."""
    new: bool
    """Whether it is never trained on."""

    @classmethod
    def read(cls, line: str, theme: Mapping[str, list[str]]) -> "Story":
        """From a line such as 'a+b | text', of new ones 'new a+b | text'."""
        way, text = line.split(" | ", 1)
        return cls(way.removeprefix(NEW), text, theme, way.startswith(NEW))

    @property
    def steps(self) -> int:
        """How many operations its sum has."""
        return sum(isinstance(node, ast.BinOp) for node in ast.walk(ast.parse(self.sum)))

    @cached_property
    def letters(self) -> list[str]:
        """Of its numbers, in order of the text."""
        return list(dict.fromkeys(found[1] for found in _PLACE.finditer(self.text) if found[1] and re.fullmatch("[a-z]", found[1])))


@cache
def names() -> tuple[list[str], list[str]]:
    """Names of girls and of boys."""
    raw = _data()["names"]
    return raw["girls"], raw["boys"]


@cache
def things() -> list[str]:
    """All words of one part that the stories count, each once."""
    lists = (words for name, theme in _data().items() if name != "names" for key, words in theme.items() if key != "stories")
    return sorted({word for words in lists for word in words if re.fullmatch("[a-z]+s", word)})


@cache
def stories() -> tuple[Story, ...]:
    """All stories."""
    themes = [theme for name, theme in _data().items() if name != "names"]
    return tuple(Story.read(line, theme) for theme in themes for line in theme["stories"])


@cache
def with_steps(steps: int) -> tuple[Story, ...]:
    """The stories with so many steps."""
    return tuple(story for story in stories() if story.steps == steps)


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(files("autotelic.worlds.english").joinpath("stories.toml").read_text(encoding="utf-8"))


# ---- from a story to a problem


def filled(story: Story, values: Mapping[str, int], rng: random.Random) -> str:
    """A story with these numbers, and with people, things and wordings drawn at random."""
    girls, boys = names()
    people = dict(zip("ABC", rng.sample([*girls, *boys], 3), strict=True))
    chosen: dict[str, str] = {}

    def fill(place: re.Match[str]) -> str:
        name, either = place.groups()
        if name is None:
            return str(rng.choice(either.split("|")))
        if name in _PRONOUNS:
            return _PRONOUNS[name][people["A"] in boys]
        if name in people:
            return people[name]
        return str(values[name]) if name in values else chosen.setdefault(name, rng.choice(story.words[name]))

    return _PLACE.sub(fill, story.text)


def numbers(story: Story, largest: int, rng: random.Random) -> dict[str, int]:
    """Numbers at random, with which every step of the sum comes out whole, at least 2 and at most ten times `largest`."""
    for _ in range(TRIES):
        values = {letter: rng.randint(2, min(largest, 9) if letter in SMALL else largest) for letter in story.letters}
        if all(2 <= result <= 10 * largest for _, result in worked(story.sum, values)):
            return values
    raise DataError(f"no numbers up to {largest} fit the story {story.text!r}")


def worked(text: str, values: Mapping[str, int]) -> list[tuple[str, int]]:
    """The steps of a sum, each as it is written and what comes out; 0 where that is not whole."""
    steps: list[tuple[str, int]] = []

    def value(node: ast.expr) -> int:
        if isinstance(node, ast.Name):
            return values[node.id]
        assert isinstance(node, ast.BinOp)
        left, right, sign = value(node.left), value(node.right), _SIGNS[type(node.op)]
        steps.append((f"{left} {sign} {right}", _result(left, sign, right)))
        return steps[-1][1]

    value(ast.parse(text, mode="eval").body)
    return steps


def _result(left: int, sign: str, right: int) -> int:
    if sign == "/":
        return left // right if right and left % right == 0 else 0
    return left + right if sign == "+" else left - right if sign == "-" else left * right


# ---- from a problem to its story


@cache
def pattern(story: Story) -> re.Pattern[str]:
    """What every text matches that a story can be filled to, with any people and things."""
    seen: set[str] = set()

    def form(name: str | None, either: str) -> str:
        if name is None:
            return f"(?:{'|'.join(map(re.escape, either.split('|')))})"
        if name in _PRONOUNS:
            return f"(?:{'|'.join(_PRONOUNS[name])})"
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        kind = "[A-Z][a-z]{1,11}" if name in ("A", "B", "C") else "[0-9]{1,6}" if len(name) == 1 else "[a-z][a-z ]{0,19}"
        return f"(?P<{name}>{kind})"

    pieces = _PLACE.split(story.text)
    found = [re.escape(pieces[0])]
    for name, either, text in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        found += [form(name, either), re.escape(text)]
    return re.compile("".join(found))


@lru_cache(4096)
def understood(text: str) -> tuple[Story, dict[str, int]] | None:
    """The story that a problem tells, and its numbers; None where it tells none of these, or one that does not come out."""
    for story in stories() if len(text) < 1000 else ():
        if found := pattern(story).fullmatch(text):
            values = {letter: int(found[letter]) for letter in story.letters}
            return (story, values) if all(result > 0 for _, result in worked(story.sum, values)) else None
    return None


class WordProblems(EnglishWorld[StoryKnobs]):
    """Arithmetic stories; tags: part (steps, or that the story is a new one), steps."""

    name = "word-problems"
    settings = StoryKnobs
    examples = (
        "Ann has 5 marbles and wins 3 more. How many marbles does she have now?",
        "One tray holds 6 cookies. How many cookies do 4 of them hold?",
        "Tom has 9 apples and uses 2 of them for a pie. How many apples are left?",
        "Lily puts 8 plums on plates, 2 on each plate. How many plates does she need?",
    )

    def draw(self, rng: random.Random, knobs: StoryKnobs) -> tuple[str, dict[str, Any]]:
        """Any number of steps, any story with so many, and numbers that fit it."""
        steps = rng.randint(*knobs.steps)
        story = rng.choice(with_steps(steps))
        part = "new templates" if story.new else f"{steps} step{'s' * (steps > 1)}"
        return filled(story, numbers(story, knobs.largest, rng), rng), {PART: part, "steps": steps}

    def solve(self, prompt: str) -> str:
        """A line for each step, then the answer."""
        found = self._understood(prompt)
        steps = worked(found[0].sum, found[1])
        return "\n".join([*(f"{step} = {result}" for step, result in steps), f"Answer: {steps[-1][1]}"])

    def identity(self, prompt: str) -> object:
        """The story and its numbers: other people and things make no other problem."""
        story, values = self._understood(prompt)
        return story.sum, story.text, sorted(values.items())

    def split(self, prompt: str) -> Split:
        """Of a new story, either of the splits that training leaves alone."""
        found = super().split(prompt)
        if found != "train" or not self._understood(prompt)[0].new:
            return found
        return "probe" if key("new", self.identity(prompt)) % 2 else "validation"

    def _understood(self, prompt: str) -> tuple[Story, dict[str, int]]:
        found = understood(self.problem(prompt))
        if found is None:
            raise DataError(f"not a story of the world {self.name!r}: {prompt[:80]!r}")
        return found

    def bounds(self, knobs: StoryKnobs) -> Longest:
        """Of the longest story with the longest words behind the examples, and its steps."""
        shown = sum(len(text) + len(knobs.ask) + 50 for text in self.examples[: knobs.shots])
        return Longest(400 + len(knobs.ask) + shown, 120)
