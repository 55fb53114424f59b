"""What the generated worlds share: typed knobs, keyed streams of distinct tasks, splits that cannot overlap.

Not a world itself. A task belongs to a split by a hash of what identifies it, so the splits are disjoint whatever the seeds and knobs.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import count as integers
from types import MappingProxyType
from typing import Annotated, Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from pydantic import BeforeValidator, ValidationError

from autotelic import streams
from autotelic.errors import DataError, SettingError, nearest
from autotelic.tasks.language import Language, skill_of
from autotelic.tasks.splits import Split, known_split, split_of
from autotelic.types import Settings, Skill, Task, World

PATIENCE = 2_000
"""Draws in a row that may repeat a task or fall into another split before the supply counts as exhausted."""


def distinct(candidates: Iterator[Task | None], count: int, patience: int, what: str) -> list[Task]:
    """The first `count` tasks of an endless stream whose prompts differ; None in the stream is a draw that is not wanted.

    Raises:
        SettingError: `count` is negative, or the stream gave nothing new `patience` times in a row.
    """
    if count < 0:
        raise SettingError(f"{what}: the number of tasks must be 0 or more, got {count}")
    found: dict[str, Task] = {}
    misses = 0
    while len(found) < count and misses < patience:
        task = next(candidates)
        new = task is not None and found.setdefault(str(task.prompt), task) is task
        misses = 0 if new else misses + 1
    if len(found) < count:
        raise SettingError(f"{what}: {count} distinct tasks asked for, only about {len(found)} exist; widen the knobs or ask for fewer")
    return list(found.values())


def _span(value: object) -> object:
    """(low, high) of 3, '3', '1-4' or a pair."""
    if isinstance(value, str):
        value = tuple(value.split("-")) if "-" in value else value
    return value if isinstance(value, (tuple, list)) else (value, value)


Span = Annotated[tuple[int, int], BeforeValidator(_span)]
"""An inclusive range of whole numbers; one number stands for itself. Written '3' or '1-4' in a world's spec."""
Rates = Annotated[tuple[float, float], BeforeValidator(_span)]
"""A range of shares, written '0.2-0.8' in a world's spec."""


def check_span(name: str, span: tuple[int, int], low: int, high: int) -> None:
    """Raises ValueError, which Settings report, unless low <= span[0] <= span[1] <= high."""
    if not low <= span[0] <= span[1] <= high:
        raise ValueError(f"{name} must be a range within {low} to {high}, got {span[0]}-{span[1]}")


@runtime_checkable
class Disturbing(Protocol):
    """A world that writes into what is sampled."""

    def disturb(self, text: str, start: int, stream: int) -> tuple[int, str] | None:
        """See `types.Disturb`."""


WorldType = TypeVar("WorldType")


def expect(world: World, kind: type[WorldType], need: str) -> WorldType:
    """The world, which must be of a kind that a system needs; `need` says which system and what for.

    Raises:
        SettingError: it is another.
    """
    if not isinstance(world, kind):
        raise SettingError(f"{need}; it runs on the world {getattr(kind, 'name', kind.__name__)!r}, not on {world.name!r}")
    return world


class Longest(NamedTuple):
    """Upper bounds in characters, to size a context with."""

    prompt: int
    completion: int


class Lesson(NamedTuple):
    """What a teacher shows a base model. The completion is ended by the end token and is all that is learned."""

    turns: tuple[str, ...]
    """The texts of the prompt, oldest first; the end token stands between them, as it does where a model ended its own text."""
    completion: str


Knobs = TypeVar("Knobs", bound=Settings)


class GeneratedWorld(ABC, Generic[Knobs]):
    """A world whose tasks are drawn at random under knobs. Knobs given to the world are defaults that a call of `tasks` may override.

    The right answer is computed from the prompt, never read from the task: `verify` and `gold` also hold for tasks without an answer.
    """

    name: str
    alphabet: str
    """The characters its prompts and completions use."""
    settings: type[Knobs]
    kin: str | None = None
    """The world whose splits it shares, where both pose the same problems."""
    language: Language = MappingProxyType({})
    """What a model can be asked to do beside solving its tasks, by name; `tasks.language` says what each skill is."""

    def __init__(self, **knobs: Any) -> None:
        self.knobs = self._read({}, knobs)

    def _read(self, defaults: dict[str, Any], knobs: dict[str, Any]) -> Knobs:
        """Checked knobs; SettingError names the knob and, when it is unknown, the nearest."""
        for knob in knobs:
            if knob not in self.settings.model_fields:
                raise SettingError(f"world {self.name!r} has no knob {knob!r}: {nearest(knob, self.settings.model_fields)}")
        try:
            return self.settings(**{**defaults, **knobs})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"][:1]))
            raise SettingError(f"world {self.name!r}: {where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}") from error

    def tasks(self, count: int, *, seed: int, split: str = "train", **knobs: Any) -> list[Task]:
        """`count` distinct tasks of the stream of (seed, split); fewer tasks are a prefix of more.

        Raises:
            SettingError: an unknown knob or split, a value that does not fit, or more tasks than these knobs have.
        """
        return distinct(self.stream(seed=seed, split=split, **knobs), count, PATIENCE, f"world {self.name!r}, {split}")

    def stream(self, *, seed: int, split: str = "train", **knobs: Any) -> Iterator[Task | None]:
        """Tasks of a split without end, with repeats; None for a draw that falls into another split.

        Raises:
            SettingError: an unknown knob or split, or a value that does not fit.
        """
        known_split(split)
        chosen = self._read(self.knobs.model_dump(), knobs)
        rng = streams.generator("world", self.name, seed, split)
        drawn = (self.draw(rng, chosen) for _ in integers())
        return (self.task(prompt, tags) if self.split(prompt) == split else None for prompt, tags in drawn)

    def task(self, prompt: str, tags: dict[str, Any] | None = None) -> Task:
        """The task of a prompt, with its answer; the id is a hash of the prompt.

        Raises:
            DataError: the prompt is none of this world.
        """
        return Task(f"{self.name}-{streams.key(prompt):016x}", prompt, answer=self.parse(self.solve(prompt)), tags=tags or {})

    def gold(self, task: Task) -> str:
        """The completion that solves a task."""
        return self.solve(_plain(task))

    def skill(self, name: str) -> Skill:
        """A skill of its language; raises SettingError where that has none of this name."""
        return skill_of(self.name, self.language, name)

    @property
    def taught_skills(self) -> tuple[str, ...]:
        """The skills that `lesson` teaches beside solving."""
        return ()

    def lesson(self, task: Task, rng: random.Random) -> Lesson:
        """What a teacher shows a base model: the gold completion, unless the world's knobs make the teacher worse or have it teach other skills."""
        return Lesson((_plain(task),), self.gold(task))

    def verify(self, task: Task, answer: str | None) -> float:
        """1.0 when `answer` is the one right answer, else 0.0."""
        return float(answer is not None and answer == self.parse(self.gold(task)))

    def longest(self, **knobs: Any) -> Longest:
        """The longest prompt and completion that the knobs allow, in characters."""
        return self.bounds(self._read(self.knobs.model_dump(), knobs))

    def split(self, prompt: str) -> Split:
        """The split of a problem, which follows from what it is."""
        return split_of((self.kin or self.name, self.identity(prompt)))

    def held_out(self, prompt: str) -> bool:
        """Whether a prompt, whoever wrote it, poses a problem of a split that training must leave alone; False where it poses none of this world."""
        try:
            return self.split(self.problem(prompt)) != "train"
        except DataError:
            return False

    def problem(self, prompt: str) -> str:
        """The problem that a prompt poses; worlds whose roles are shown problems inside other prompts find it there.

        Raises:
            DataError: there is none of this world.
        """
        self.solve(prompt)
        return prompt

    def identity(self, prompt: str) -> object:
        """What makes tasks the same for the splits; worlds override it where different prompts pose the same problem."""
        return prompt

    @abstractmethod
    def draw(self, rng: random.Random, knobs: Knobs) -> tuple[str, dict[str, Any]]:
        """A random prompt and its tags."""

    @abstractmethod
    def solve(self, prompt: str) -> str:
        """The completion that solves a prompt; raises DataError when the prompt is none of this world."""

    @abstractmethod
    def parse(self, text: str) -> str | None:
        """The answer in a completion, canonical; None when there is none."""

    @abstractmethod
    def bounds(self, knobs: Knobs) -> Longest:
        """`longest` of checked knobs."""


def _plain(task: Task) -> str:
    if not isinstance(task.prompt, str):
        raise DataError(f"task {task.id!r}: the prompts of generated worlds are plain text, not chat messages")
    return task.prompt
