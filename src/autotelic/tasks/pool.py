"""The only mutable container of tasks: draws, additions with lineage, statistics, evictions, and a log of all of it for the run's store."""

from collections.abc import Callable, Iterable, KeysView, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from itertools import islice
from random import Random
from typing import Any

from autotelic.errors import DataError, nearest
from autotelic.streams import generator
from autotelic.tasks.samplers import Sampler, Shuffled, rank
from autotelic.types import Task


class TaskPool:
    """Tasks by id, in order of birth. What it starts with is rebuilt from the run's settings; every change after that is an event."""

    def __init__(self, tasks: Iterable[Task], seed: int, sampler: Sampler | None = None) -> None:
        """Raises SettingError where the sampler cannot pick from these tasks (`Sampler.check`), DataError where two have the same id."""
        self.seed = seed
        self.sampler = sampler or Shuffled()
        self.stats: dict[str, dict[str, float]] = {}
        self.births: list[str] = []
        """Ids of all tasks that ever came in, evicted ones too."""
        self.draws = 0
        """Draws so far."""
        self._tasks: dict[str, Task] = {}
        self._arms: dict[str, dict[str, list[str]]] = {}
        self._events: list[dict[str, Any]] = []
        for task in tasks:
            self._insert(task)
        self.sampler.check(self)

    def __len__(self) -> int:
        return len(self._tasks)

    def __getitem__(self, name: str) -> Task:
        return self._tasks[name]

    def __contains__(self, name: str) -> bool:
        return name in self._tasks

    @property
    def tasks(self) -> list[Task]:
        """All tasks, oldest first."""
        return list(self._tasks.values())

    @property
    def ids(self) -> KeysView[str]:
        """All ids, oldest first: a view that costs nothing, however large the pool is."""
        return self._tasks.keys()

    def newest(self, count: int) -> list[str]:
        """The ids of the `count` youngest tasks, oldest first."""
        return list(islice(reversed(self._tasks), count))[::-1]

    def arm(self, tag: str, name: str) -> str:
        """A task's value of a tag, as text.

        Raises:
            DataError: it has no such tag.
        """
        tags = self._tasks[name].tags
        if tag not in tags:
            raise DataError(f"task {name!r} has no tag {tag!r}, by which the sampler tells tasks apart; {nearest(tag, tags)}")
        return str(tags[tag])

    def arms(self, tag: str) -> Mapping[str, Sequence[str]]:
        """The ids with each value of a tag, values in order; kept until the pool changes.

        Raises:
            DataError: a task without the tag.
        """
        if tag not in self._arms:
            found: dict[str, list[str]] = {}
            for name in self._tasks:
                found.setdefault(self.arm(tag, name), []).append(name)
            values = sorted(found, key=lambda value: rank(self._tasks[found[value][0]].tags[tag]))
            self._arms[tag] = {value: found[value] for value in values}
        return self._arms[tag]

    def draw(self, count: int, sampler: Sampler | None = None) -> list[Task]:
        """`count` tasks by the pool's sampler or another, each at most once; fewer if there are no more. Only the pool's own sampler has a state
        that is saved."""
        self.draws += 1
        return [self._tasks[name] for name in (sampler or self.sampler).pick(self, max(count, 0), self.random(self.draws))]

    def random(self, draw: int) -> Random:
        """The generator of a draw, by number."""
        return generator("pool", self.seed, draw)

    def add(self, tasks: Iterable[Task], why: str) -> None:
        """Take in tasks; `why` is kept beside them.

        Raises:
            DataError: an id that is there already.
        """
        for task in tasks:
            self._insert(task)
            self._events.append({"event": "add", "why": why, "task": asdict(task)})

    def update(self, name: str, **stats: float) -> None:
        """Set statistics of a task, such as its solve rate."""
        self.stats.setdefault(name, {}).update(stats)
        self._events.append({"event": "update", "id": name, "stats": stats})

    def observe(self, statistic: str, found: Mapping[str, float]) -> None:
        """Set one statistic of the tasks of a round, by id, and let the sampler learn from it. Tasks that have left the pool are passed over."""
        known = {name: float(value) for name, value in found.items() if name in self}
        for name, value in known.items():
            self.update(name, **{statistic: value})
        self.sampler.observe(self, known)

    def evict(self, rule: Callable[[Task], bool], why: str) -> int:
        """Drop the tasks for which `rule` holds; returns how many."""
        gone = [name for name, task in self._tasks.items() if rule(task)]
        for name in gone:
            self._remove(name)
            self._events.append({"event": "evict", "why": why, "id": name})
        return len(gone)

    def trim(self, names: Sequence[str], most: int, why: str) -> int:
        """Drop the first of `names` until `most` of them are left; returns how many went."""
        gone = set(names[: max(len(names) - most, 0)])
        return self.evict(lambda task: task.id in gone, why) if gone else 0

    def take_events(self) -> list[dict[str, Any]]:
        """What has happened since the last call; the store writes it with the round."""
        events, self._events = self._events, []
        return events

    def state(self) -> dict[str, Any]:
        """What a resumed run needs beside the events."""
        return {"draws": self.draws, "sampler": deepcopy(self.sampler.state)}

    def restore(self, state: dict[str, Any], events: Sequence[dict[str, Any]]) -> None:
        """Replay the events of all committed rounds on the tasks the run began with."""
        for event in events:
            if event["event"] == "add":
                self._insert(Task(**event["task"]))
            elif event["event"] == "evict":
                self._remove(event["id"])
            else:
                self.stats.setdefault(event["id"], {}).update(event["stats"])
        self.draws, self.sampler.state = state["draws"], deepcopy(state["sampler"])
        self._events = []

    def _insert(self, task: Task) -> None:
        if task.id in self._tasks:
            raise DataError(f"the pool already holds a task with id {task.id!r}")
        self._tasks[task.id] = task
        self.births.append(task.id)
        self._arms.clear()

    def _remove(self, name: str) -> None:
        self._tasks.pop(name, None)
        self.stats.pop(name, None)
        self._arms.clear()
