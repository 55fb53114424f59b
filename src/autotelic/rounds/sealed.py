"""What a recipe without labels sees of tasks, pool and world: everything but what is true. Not what monitors and yardsticks see, which is open.

A recipe whose `reads_answers` is False runs its `round` behind these views: reading a gold answer through them raises `GoldLeak`. Tasks that the
recipe makes itself (`Context.proposal`) are open, because their answers are the model's own; so are the labeled seeds that it declares (`About.seeds`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NoReturn

from autotelic.errors import GoldLeak
from autotelic.tasks.columns import GOLD_COLUMNS
from autotelic.tasks.pool import TaskPool
from autotelic.tasks.samplers import Sampler
from autotelic.types import Skill, Task, World

SEALED = "sealed"
"""Tag of a task that was born in the run, and whose answer is the world's."""


def leak(what: str) -> NoReturn:
    """Raises GoldLeak."""
    raise GoldLeak(f"a recipe that declares needs_answers=False reached for {what}; monitors and yardsticks may, through `ctx.audit` and `measure`")


class Hidden(Mapping[str, Any]):
    """The hidden fields of a sealed task without those that hold gold."""

    def __init__(self, fields: Mapping[str, Any], task: str) -> None:
        self._fields, self._task = fields, task

    def __getitem__(self, name: str) -> Any:
        return leak(f"the hidden field {name!r} of task {self._task!r}") if name in GOLD_COLUMNS and name in self._fields else self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._fields if name not in GOLD_COLUMNS)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class SealedTask(Task):
    """A task whose gold answer cannot be read. `unsealed` gives the task back to monitors, yardsticks and the store."""

    __slots__ = ("opened",)
    opened: Task

    def __init__(self, task: Task) -> None:
        for name, value in (
            ("id", task.id),
            ("prompt", task.prompt),
            ("hidden", Hidden(task.hidden, task.id)),
            ("tags", task.tags),
            ("opened", task),
        ):
            object.__setattr__(self, name, value)

    @property
    def answer(self) -> str | None:
        """Raises GoldLeak where the task has one; None where it has none, which is no secret."""
        return None if self.opened.answer is None else leak(f"the gold answer of task {self.id!r}")

    @property
    def labeled(self) -> bool:
        return self.opened.labeled

    def changed(self, **changes: Any) -> Task:
        return sealed(self.opened.changed(**{**changes, **({"hidden": _opened(changes["hidden"])} if "hidden" in changes else {})}))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SealedTask) and self.opened == other.opened

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"SealedTask({self.id!r})"

    def __reduce__(self) -> tuple[Callable[[Task], Task], tuple[Task]]:
        return sealed, (self.opened,)


def _opened(hidden: Mapping[str, Any]) -> Mapping[str, Any]:
    return hidden._fields if isinstance(hidden, Hidden) else hidden


def sealed(task: Task) -> Task:
    """The task without its gold answer."""
    return task if isinstance(task, SealedTask) else SealedTask(task)


def unsealed(task: Task) -> Task:
    """The task as it is. Not for the rounds of recipes."""
    return task.opened if isinstance(task, SealedTask) else task


def _marked(task: Task) -> Task:
    """A task as the pool keeps it, with a tag that says whether its answer was sealed."""
    return task.opened.changed(tags={**task.tags, SEALED: True}) if isinstance(task, SealedTask) else task


class SealedPool(TaskPool):
    """A pool that hands out sealed tasks. It is the same pool: what is drawn, added or evicted through it is so for all."""

    __slots__ = ("seeds",)

    def __init__(self, inner: TaskPool, seeds: bool = False) -> None:
        """seeds: whether the tasks with the tag `seed`, with whose labels the system begins, are open."""
        self.__dict__ = inner.__dict__
        self.seeds = seeds

    def __getitem__(self, name: str) -> Task:
        return self._shown(super().__getitem__(name))

    @property
    def tasks(self) -> list[Task]:
        return [self._shown(task) for task in super().tasks]

    def draw(self, count: int, sampler: Sampler | None = None) -> list[Task]:
        return [self._shown(task) for task in super().draw(count, sampler)]

    def add(self, tasks: Iterable[Task], why: str) -> None:
        super().add([_marked(task) for task in tasks], why)

    def evict(self, rule: Callable[[Task], bool], why: str) -> int:
        return super().evict(lambda task: rule(self._shown(task)), why)

    def _shown(self, task: Task) -> Task:
        """Tasks that were born in the run are open where their answers are the model's own."""
        own = "born" in task.tags and SEALED not in task.tags
        return task if own or (self.seeds and "seed" in task.tags) else sealed(task)


SHOWN = frozenset(
    [
        "name",
        "knobs",
        "alphabet",
        "kin",
        "parse",
        "tasks",
        "task",
        "stream",
        "seeds",
        "held_out",
        "identity",
        "problem",
        "bounds",
        "longest",
        "names",
        "documents",
        "stated",
        "asked",
        "open",
        "skill",
    ]
)
"""What is shown of a world: what names, makes, puts and reads its tasks, and the documents and rules that it gives to everybody. All else is closed."""
MADE = frozenset(("tasks", "task", "stream", "seeds"))
"""Of these, what returns tasks."""


def sealed_world(world: World, environment: bool = False) -> World:
    """The world without what tells the truth: all but SHOWN raises GoldLeak, and the tasks it makes are sealed.

    With `environment` it verifies answers, as an interpreter does that runs a proposed program.
    """
    view: World = object.__new__(_sealed_class(type(world)))
    object.__setattr__(view, "_sight", (world, environment))
    return view


@cache
def _sealed_class(kind: type) -> type:
    """A class whose instances are of `kind` for `isinstance`."""
    return type(f"Sealed{kind.__name__}", (_Sealed, kind), {})


class _Sealed:
    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__"):
            return object.__getattribute__(self, name)
        world, environment = object.__getattribute__(self, "_sight")
        if name == "verify" and environment:
            return lambda task, answer: world.verify(unsealed(task), answer)
        if name not in SHOWN:
            getattr(world, name)  # an AttributeError where the world has no such thing
            leak(f"`{name}` of the world {world.name!r}")
        found = getattr(world, name)
        if name == "skill":
            return lambda *given, **named: untold(found(*given, **named))
        return (lambda *given, **named: _seal_all(found(*given, **named))) if name in MADE else found


def untold(skill: Skill) -> Skill:
    """A skill whose truth raises GoldLeak, where it has one."""
    return skill if skill.truth is None else replace(skill, truth=lambda task, text: leak(f"the truth of the skill {skill.name!r}"))


def _seal_all(made: Any) -> Any:
    """Tasks, several or one, sealed."""
    if isinstance(made, Task):
        return sealed(made)
    if isinstance(made, Sequence):
        return [sealed(task) for task in made]
    return (task and sealed(task) for task in made)
