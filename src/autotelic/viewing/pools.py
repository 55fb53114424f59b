"""What became of a run's task pool: its growth by round, and where its tasks came from. The pool itself is `tasks.pool`."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

MOST_TASKS = 100_000
"""Tasks of a run whose lineage is kept at hand, the newest."""
SHORT = 400
"""Characters of a prompt that a list shows."""


@dataclass(slots=True)
class Change:
    """What one round did to the pool."""

    added: Counter[str] = field(default_factory=Counter)
    """By the reason that was given."""
    evicted: Counter[str] = field(default_factory=Counter)
    updated: int = 0


class Pool:
    """The changes of all rounds that were read, and the tasks that came in with them."""

    def __init__(self) -> None:
        self.changes: dict[int, Change] = {}
        self.tasks: dict[str, dict[str, Any]] = {}

    def read(self, number: int, events: Iterable[dict[str, Any]]) -> None:
        """Take in what happened in a round."""
        change = self.changes[number] = Change()
        for event in events:
            if event["event"] == "add":
                change.added[str(event.get("why"))] += 1
                self._born(number, event)
            elif event["event"] == "evict":
                change.evicted[str(event.get("why"))] += 1
                self.tasks.get(event["id"], {}).update(evicted=number, because=event.get("why"))
            else:
                change.updated += 1
                self.tasks.get(event["id"], {}).setdefault("stats", {}).update(event["stats"])

    def forget(self, number: int) -> None:
        """A round is gone, or will be read again."""
        if self.changes.pop(number, None):
            self.tasks = {name: task for name, task in self.tasks.items() if task["round"] != number}

    def _born(self, number: int, event: dict[str, Any]) -> None:
        task = event["task"]
        tags = task.get("tags") or {}
        parents = tags.get("parents") or []
        self.tasks[task["id"]] = {
            "id": task["id"],
            "round": number,
            "why": event.get("why"),
            "prompt": str(task.get("prompt"))[:SHORT],
            "answer": task.get("answer"),
            "parents": [str(one) for one in parents] if isinstance(parents, list) else [str(parents)],
        }
        if len(self.tasks) > MOST_TASKS:
            del self.tasks[next(iter(self.tasks))]

    def growth(self, start: int) -> list[dict[str, Any]]:
        """The pool by round: its size, what came and what went, by reason. `start` is its size before the first round."""
        size, found = start, []
        for number, change in sorted(self.changes.items()):
            size += change.added.total() - change.evicted.total()
            found.append({"round": number, "size": size, "added": dict(change.added), "evicted": dict(change.evicted)})
        return found

    def newest(self, text: str, first: int, count: int) -> tuple[int, list[dict[str, Any]]]:
        """How many tasks have a text in their id, prompt or answer, and `count` of them from place `first`, the newest first."""
        wanted = text.lower()
        found = [task for task in self.tasks.values() if wanted in f"{task['id']}\n{task['prompt']}\n{task['answer']}".lower()]
        return len(found), sorted(found, key=lambda task: -task["round"])[first : first + count]
