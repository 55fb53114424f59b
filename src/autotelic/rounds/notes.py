"""What a round writes down: metrics, counts, groups for monitors and store, and what is to be looked at with the truth afterwards. One part of the context."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from random import Random

from autotelic.measures.meter import Meter
from autotelic.rounds.sealed import unsealed
from autotelic.streams import generator
from autotelic.types import Group, Metrics, Task, World


class Truth:
    """What is true of tasks, for monitors: it reaches through the seal, and says None where a task has no answer."""

    def __init__(self, world: World) -> None:
        self.world = world

    def verify(self, task: Task, answer: str | None) -> float | None:
        """1.0 for a right answer, 0.0 for a wrong one, None where nobody knows."""
        task = unsealed(task)
        return None if task.answer is None else self.world.verify(task, answer)


Monitor = Callable[[Truth], Metrics]


class Notes:
    """Metrics, groups and counts of the round at hand."""

    def __init__(self, seed: int, meter: Meter) -> None:
        self.seed, self.meter = seed, meter
        self.round = 0
        self.groups: list[Group] = []
        """Every group sampled in this round, for the monitors and the store."""
        self.labels: list[tuple[Task, str | None]] = []
        """The labels that the recipe made in this round, for the monitors; see `label`."""
        self.metrics: Metrics = {}
        self.trained_on: dict[str, float] = {}
        """Ids of the rollouts and texts that reached a learner in this round, with the sum of their weights."""
        self.on_phase: Callable[[str], None] = lambda name: None
        """Told what the round does now; the loop points it at the progress display."""
        self._monitors: list[Monitor] = []
        self._drawn: Counter[tuple[str, str]] = Counter()

    def note(self, groups: Sequence[Group]) -> None:
        """Show groups to the round's monitors and keep them in its store; `sample` and `play` do so by themselves."""
        self.groups += [group for group in groups if group.rollouts]

    def log(self, **metrics: float) -> None:
        """Note metrics of this round; a name noted twice keeps the later value."""
        self.metrics.update({name: float(value) for name, value in metrics.items()})

    def count(self, name: str, by: float = 1.0) -> None:
        """Count something that happened in this round, such as a proposal that did not parse."""
        self.metrics[name] = self.metrics.get(name, 0.0) + by

    def audit(self, monitor: Monitor) -> None:
        """Have something worked out with the truth when the round is over, such as the share of self-made labels that are right.

        What it returns is logged. Nothing of it can reach the round, so recipes that need no answers may use it.
        """
        self._monitors.append(monitor)

    def label(self, task: Task, label: str | None) -> None:
        """Note which label this round gives a task, None where it gives none, as below a vote's threshold. The monitors tell from it how many tasks
        got a label (`label/coverage`) and how many labels are right (`label/purity`); nothing is trained on these."""
        self.labels.append((task, label))

    def audited(self, world: World) -> Metrics:
        """What the monitors of the round say; they are then forgotten."""
        monitors, self._monitors = self._monitors, []
        return {name: float(value) for monitor in monitors for name, value in monitor(Truth(world)).items()}

    def open_notes(self) -> None:
        """Take the seals off the tasks of all groups that were noted, for monitors and store."""
        self.labels = [(unsealed(task), label) for task, label in self.labels]
        for group in self.groups:
            group.task = unsealed(group.task)
            for rollout in group:
                rollout.task = unsealed(rollout.task)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What happens inside leaves no trace in the round, its counts of tokens included: for yardsticks."""
        kept = self.groups, self.labels, self.metrics, self._drawn, self.trained_on, self._monitors
        spent = replace(self.meter)
        self.groups, self.labels, self.metrics, self._drawn, self.trained_on, self._monitors = [], [], {}, Counter(), {}, []
        try:
            yield
        finally:
            self.groups, self.labels, self.metrics, self._drawn, self.trained_on, self._monitors = kept
            self.meter.set(spent)

    def random(self, *parts: object) -> Random:
        """A generator keyed by seed, round and `parts`."""
        return generator(self.seed, self.round, *parts)
