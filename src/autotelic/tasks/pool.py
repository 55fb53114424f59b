"""The only mutable container of tasks: draws, additions with lineage, statistics, evictions, and a log of all of it for the run's store."""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import asdict
from typing import Any

from autotelic.errors import DataError
from autotelic.streams import generator
from autotelic.tasks.samplers import Sampler, Shuffled
from autotelic.types import Task


class TaskPool:
    """Tasks by id, in order of birth. What it starts with is rebuilt from the run's settings; every change after that is an event."""

    def __init__(self, tasks: Iterable[Task], seed: int, sampler: Sampler | None = None) -> None:
        self.seed = seed
        self.sampler = sampler or Shuffled()
        self.stats: dict[str, dict[str, float]] = {}
        self._tasks: dict[str, Task] = {}
        self._draws = 0
        self._events: list[dict[str, Any]] = []
        for task in tasks:
            self._insert(task)

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

    def draw(self, count: int, sampler: Sampler | None = None) -> list[Task]:
        """`count` tasks by the pool's sampler or another, each at most once; fewer if there are no more."""
        self._draws += 1
        random = generator("pool", self.seed, self._draws)
        return [self._tasks[name] for name in (sampler or self.sampler).pick(list(self._tasks), count, random)]

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

    def evict(self, rule: Callable[[Task], bool], why: str) -> int:
        """Drop the tasks for which `rule` holds; returns how many."""
        gone = [name for name, task in self._tasks.items() if rule(task)]
        for name in gone:
            del self._tasks[name]
            self._events.append({"event": "evict", "why": why, "id": name})
        return len(gone)

    def take_events(self) -> list[dict[str, Any]]:
        """What has happened since the last call; the store writes it with the round."""
        events, self._events = self._events, []
        return events

    def state(self) -> dict[str, Any]:
        """What a resumed run needs beside the events."""
        return {"draws": self._draws, "sampler": deepcopy(self.sampler.state)}

    def restore(self, state: dict[str, Any], events: Sequence[dict[str, Any]]) -> None:
        """Replay the events of all committed rounds on the tasks the run began with."""
        for event in events:
            if event["event"] == "add":
                self._insert(Task(**event["task"]))
            elif event["event"] == "evict":
                self._tasks.pop(event["id"], None)
            else:
                self.stats.setdefault(event["id"], {}).update(event["stats"])
        self._draws, self.sampler.state = state["draws"], deepcopy(state["sampler"])
        self._events = []

    def _insert(self, task: Task) -> None:
        if task.id in self._tasks:
            raise DataError(f"the pool already holds a task with id {task.id!r}")
        self._tasks[task.id] = task
