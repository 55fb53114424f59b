"""What a run directory holds at one moment, for pages that show it: rounds, probes, verdict, events. Reading itself is `runs.reading`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotelic.measures.probe import ProbeResult
from autotelic.measures.verdict import Verdict
from autotelic.runs.reading import RunReader
from autotelic.types import Metrics


@dataclass(slots=True)
class RunFiles:
    """What a run directory held at one moment; whatever is missing is empty."""

    reader: RunReader
    rounds: list[tuple[int, Metrics]]
    first: ProbeResult | None
    last: ProbeResult | None
    verdict: Verdict | None
    events: list[str]
    """What happened to the run beside its rounds."""
    faults: list[str]
    """What is wrong with its files."""

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config."""
        return self.reader.config

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe's entry of the config."""
        return self.reader.recipe

    @property
    def settings(self) -> dict[str, Any]:
        """All settings of recipe and run by name."""
        return self.reader.settings

    @property
    def done(self) -> int:
        """The last committed round; 0 before training."""
        return self.rounds[-1][0] if self.rounds else 0

    @property
    def span(self) -> tuple[float, float]:
        """The rounds that every chart spans, so that charts can be read beside one another."""
        return 0.0, float(max(self.done, 1))

    @property
    def alarms(self) -> list[str]:
        """The alarms among the events."""
        found = (event.partition(", ")[2] for event in self.events)
        return [text.removeprefix("alarm: ") for text in found if text.startswith("alarm: ")]

    def series(self, name: str) -> tuple[list[float], list[float]]:
        """Rounds and values of a metric, of the rounds that have it."""
        known = [(float(r), metrics[name]) for r, metrics in self.rounds if name in metrics]
        return [r for r, _ in known], [value for _, value in known]

    def names(self) -> list[str]:
        """All metrics, in order of first appearance."""
        return list(dict.fromkeys(name for _, metrics in self.rounds for name in metrics))


def read_run(path: Path) -> RunFiles:
    """What a run directory holds, finished or not.

    Raises:
        DataError: it is no run directory, or a file that is made from its rounds is damaged.
    """
    run = RunReader.of(path)
    return RunFiles(
        run,
        sorted(run.history().items()),
        run.probe("first"),
        run.probe("last"),
        run.verdict,
        [f"{event.get('time')}, {event.get('event')}: {event.get('text')}" for event in run.events],
        run.faults(),
    )
