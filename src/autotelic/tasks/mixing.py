"""Tasks from several sources, mixed by weight: files, data sets and worlds whose answers are read alike. What opens the sources is in `runs.tasks`.

Each source keeps its own splits and judges its own tasks. A task of a mix has its source as a tag and before its id.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import Any

from autotelic.errors import DataError, SettingError
from autotelic.tasks.columns import PART, SOURCE, contradiction, identity
from autotelic.tasks.english import SHOWN, Texts, english
from autotelic.tasks.file_world import FileWorld
from autotelic.tasks.language import Language, skill_of
from autotelic.tasks.prompting import Template
from autotelic.tasks.samplers import turns
from autotelic.tasks.splits import known_split
from autotelic.types import Environment, Skill, Task, World


@dataclass(frozen=True, slots=True)
class Part:
    """One of the sources of a mix."""

    name: str
    weight: float
    """How often its tasks come, beside the weights of the others."""
    world: World


class MixedWorld:
    """A world of several: where a run has so many tasks, they come by weight; a source that has no more leaves its place to the others.

    Of worlds that are generated it has no skills: what a judge or a proposer is told differs from one to the other. Files are asked about in one language.

    Args:
        parts: the sources, with names of their own.
        texts, language: as of `FileWorld`, where all parts are files.

    Raises:
        SettingError: fewer than two parts, or the answers of two are not read alike.
    """

    def __init__(self, parts: Sequence[Part], *, texts: Texts | None = None, language: Language | None = None) -> None:
        self.name = " + ".join(part.name for part in parts)
        self.parts = {part.name: part for part in parts}
        if len(self.parts) < 2 or len(self.parts) < len(parts):
            raise SettingError(f"{self.name}: a mix needs two sources or more, each with another name")
        for part in parts[1:]:
            _check_alike(parts[0], part)
        files = [part.world for part in parts if isinstance(part.world, FileWorld)]
        self.repeated = sum(file.repeated for file in files)
        """Records of the files that said nothing new."""
        self.prompt_column = files[0].prompt_column if files else "prompt"
        self.language: Language = {}
        if len(files) == len(parts):
            shown = [file.splits["train"][:SHOWN] for file in files]
            examples = [tasks[place].prompt for place in range(SHOWN) for tasks in shown if place < len(tasks)]
            self.language = language or english(texts or Texts(), self, examples[:SHOWN])

    @property
    def weights(self) -> dict[str, float]:
        """By source."""
        return {name: part.weight for name, part in self.parts.items()}

    def tasks(self, count: int, *, seed: int, split: str = "train", **knobs: Any) -> list[Task]:
        """`count` tasks of a split, the sources by turns and by weight; fewer where all are files that have no more. Fewer are a prefix of more.

        Raises:
            SettingError: an unknown split, a knob (there are none), a negative count, or a world that has no more tasks.
        """
        known_split(split)
        if knobs:
            raise SettingError(f"{self.name}: a mix has no knob {next(iter(knobs))!r}; knobs are those of its sources")
        if count < 0:
            raise SettingError(f"{self.name}: the number of tasks must be 0 or more, got {count}")
        order = list(islice(turns(self.weights, {name: _room(part.world, split) for name, part in self.parts.items()}), count))
        wanted = Counter(order)
        drawn = {name: iter(part.world.tasks(wanted[name], seed=seed, split=split)) for name, part in self.parts.items()}
        return [_mixed(self.parts[name], next(drawn[name])) for name in order]

    def place(self, task: Task) -> tuple[int, int]:
        """Where a task of the mix stands: the place of its source, and in a file its own."""
        name, world = task.tags[SOURCE], self._of(task)
        return list(self.parts).index(name), world.place(task.changed(id=task.id.removeprefix(f"{name}/"))) if isinstance(world, FileWorld) else 0

    def task(self, prompt: str) -> Task:
        """The task of a problem that somebody wrote, as the first source puts it that knows its answer, else the first that takes it.

        Raises:
            DataError: it says nothing, or all sources are worlds that do not know it.
        """
        taken = []
        for part in self.parts.values():
            with suppress(AttributeError, DataError):  # not every world puts problems of others
                taken.append(_mixed(part, part.world.task(prompt)))  # type: ignore[attr-defined]
        if not taken:
            raise DataError(f"{self.name}: no source knows the problem {prompt[:80]!r}")
        return next((task for task in taken if task.labeled), taken[0])

    def skill(self, name: str) -> Skill:
        """A skill of `tasks.english` of a mix of files; raises SettingError for another, and for worlds."""
        return skill_of(self.name, self.language, name)

    def parse(self, text: str) -> str | None:
        """The answer in a completion, which all sources read alike."""
        return next(iter(self.parts.values())).world.parse(text)

    def verify(self, task: Task, answer: str | None) -> float:
        """What the task's own source says."""
        return self._of(task).verify(task, answer)

    def gold(self, task: Task) -> str:
        """The completion that the task's own source accepts; raises DataError where it has none."""
        return self._of(task).gold(task)

    def open(self, task: Task) -> Environment:
        """The environment that a task opens in its own source; raises DataError where it opens none."""
        opens: Callable[[Task], Environment] | None = getattr(self._of(task), "open", None)
        if opens is None:
            raise DataError(f"{self.name}: the task {task.id!r} opens no environment")
        return opens(task)

    def held_out(self, prompt: str) -> bool:
        """Whether a prompt poses a problem of a split that training must leave alone, in any of the worlds."""
        return any(ask(prompt) for part in self.parts.values() if (ask := getattr(part.world, "held_out", None)))

    def _of(self, task: Task) -> World:
        if (name := task.tags.get(SOURCE)) not in self.parts:
            raise DataError(f"{self.name}: the task {task.id!r} is of none of these sources")
        return self.parts[name].world


def reading(world: World) -> Hashable:
    """How the answer in a completion is found: equal for worlds that read alike."""
    return getattr(world, "reading", type(world).parse)


def _check_alike(first: Part, other: Part) -> None:
    one, two = reading(first.world), reading(other.world)
    if one == two:
        return
    ways = [way for part, way in ((first, one), (other, two)) if not isinstance(part.world, FileWorld)]
    cure = f"; with verifier={ways[0][0]} they are" if len(ways) == 1 and isinstance(ways[0], tuple) else ""
    raise SettingError(f"tasks: the answers of {first.name!r} and {other.name!r} are not read alike, and what is mixed must be{cure}")


def _room(world: World, split: str) -> float:
    return len(world.splits[split]) if isinstance(world, FileWorld) else inf


def _mixed(part: Part, task: Task) -> Task:
    """A task as the mix has it: results are told by source, and of a file with a slice column by source and slice."""
    slice = task.tags.get(PART) if isinstance(part.world, FileWorld) else None
    tags: Mapping[str, Any] = {**task.tags, SOURCE: part.name, PART: f"{part.name}, {slice}" if slice else part.name}
    return task.changed(id=f"{part.name}/{task.id}", tags=tags)


def news(tasks: Sequence[Task], before: dict[int, Task], template: Template | None) -> Iterator[Task]:
    """The tasks of a file that pose what no file before it did, and these are noted in `before`, so that nothing that one file holds out is trained on
    from another.

    Raises:
        DataError: a prompt of a file before it has another answer here.
    """
    found = {}
    for task in tasks:
        what = identity(task, template)
        if what not in before:
            found[what] = task
            yield task
        elif None not in (task.answer, before[what].answer) and task.answer != before[what].answer:
            raise contradiction(task, before[what], "the prompt", "answer")
    before |= found
