"""What a person sees while a run is under way: a live panel on a terminal, one plain line per round elsewhere, only the verdict when quiet.

The loop calls the methods; each only notes a fact or prints a line. The panel is drawn twice a second from what was noted, so
calls cost microseconds. Nothing here is kept: the store holds the numbers and `runs.page` shows them.
"""

import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from math import ceil, isfinite, nan
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from autotelic.errors import harmless
from autotelic.measures.budget import UNLIMITED, USED, Budget
from autotelic.measures.stats import wilson
from autotelic.measures.verdict import Verdict, Word
from autotelic.types import Metrics

RECENT = 5
"""The time left is estimated from so many of the newest rounds."""
NAMED = 6
"""So many slices are told each by its name; more by the first and the last."""
PHASES = ("sample", "learn", "probe", "own")
"""What the seconds of a round go to, as its metrics name it."""
WORD_STYLES = {Word.IMPROVED: "bold green", Word.UNCHANGED: "bold", Word.UNKNOWN: "bold yellow"}


class Progress:
    """The view of one run. A context manager, so that an error leaves the terminal as it was."""

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        self.quiet = quiet
        self.console = console or Console(file=sys.stdout)
        screen = self.console.is_terminal and not self.console.is_dumb_terminal and self.console.file.isatty()
        self._proxy, self._tasks = "", 0
        self._round, self._rounds = 0, 0
        self._budget: Budget | None = None
        self._phase, self._phase_start = "", time.monotonic()
        self._round_start = time.monotonic()
        self._first: Metrics = {}
        self._now: Metrics = {}
        self._phases: list[str] = []
        self._took: deque[float] = deque(maxlen=RECENT)
        self._live = Live(console=self.console, get_renderable=self._panel, refresh_per_second=2, transient=True) if screen and not quiet else None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Take the panel off the terminal; may be called at any time."""
        if self._live and self._live.is_started:
            self._live.stop()

    def start(self, config: Mapping[str, Any], history: Sequence[Metrics], rounds: int) -> None:
        """Begin: `config` is the run's `config.json`, `history` the metrics of rounds already committed when a run is resumed."""
        recipe, run = config.get("recipe") or {}, config.get("run") or {}
        self._proxy = recipe.get("proxy") or ""
        self._rounds, self._budget = rounds, Budget(**run["budget"]) if run.get("budget") else None
        probe = config.get("probe")
        self._tasks = int(probe.get("tasks", 0)) if isinstance(probe, Mapping) else 0
        for metrics in history:
            self._keep(metrics)
        parts = [name_of(recipe), *(str(run.get(part) or "") for part in ("model", "tasks")), f"seed {run.get('seed', 0)}", arithmetic(run)]
        self.note(" | ".join(part for part in parts if part))
        if self._live:
            self._live.start()

    def round_started(self, number: int, total: int) -> None:
        """Round `number` of `total` begins; round 0 is the first probe."""
        self._round, self._rounds, self._round_start = number, total, time.monotonic()
        self.phase("")

    def phase(self, name: str) -> None:
        """What the loop does now: sampling, judging, learning, probing."""
        self._phase, self._phase_start = name, time.monotonic()

    def round_done(self, number: int, metrics: Metrics) -> None:
        """Round `number` is committed with these metrics."""
        if number:
            self._took.append(time.monotonic() - self._round_start)
        self._round, self._phases = number, phases(metrics, self._now)
        self._keep(metrics)
        if not self._live:
            self.note(self._line(metrics))

    def note(self, text: str) -> None:
        """Something that happened, such as a round rolled back, as a line of its own that stays."""
        if not self.quiet:
            self._print(text)

    def finished(self, verdict: Verdict, paths: Mapping[str, Path]) -> None:
        """Show the verdict with its reasons, and where things are: `paths` maps a word such as 'report' to a path."""
        self.close()
        self._print(f"verdict: {verdict.word}", WORD_STYLES.get(verdict.word, "bold red"))
        for reason in verdict.reasons:
            self._print(f"  - {reason}")
        wide = max(map(len, paths), default=0)
        for name, path in paths.items():
            self._print(f"{name:{wide}}  {path}")

    def _keep(self, metrics: Metrics) -> None:
        for name, value in metrics.items():
            self._first.setdefault(name, value)
        self._now.update(metrics)

    def _print(self, text: str, style: str = "") -> None:
        """A line as it is, not wrapped, without control codes where no terminal reads it."""
        self.console.print(Text(harmless(text), style=style if self.console.file.isatty() else ""), soft_wrap=True, highlight=False)

    def _line(self, metrics: Metrics) -> str:
        """One round in one line."""
        parts = [self._where(), *self._truths(metrics)]
        if "frontier" in metrics:
            parts.append(f"frontier {metrics['frontier']:g}")
        name, labels, values = slices(metrics)
        if len(labels) > 1 and (name or len(labels) > NAMED):
            parts.append(f"{name}{labels[0]}..{labels[-1]}: " + " ".join(f"{value:.2f}" for value in values))
        elif len(labels) > 1:
            parts.append(", ".join(f"{label} {value:.2f}" for label, value in zip(labels, values, strict=True)))
        if metrics.get("seconds/total"):
            parts.append(": ".join([f"{metrics['seconds/total']:.1f} s", *filter(None, [", ".join(self._phases)])]))
        left = self.left()
        return "  ".join(parts + ([f"{duration(left)} left"] if isfinite(left) and self._round < self._rounds else []))

    def _where(self) -> str:
        """The round, of how many, and how much of the budget is used."""
        where = f"round {self._round}" + (f"/{self._rounds}" if self._rounds < UNLIMITED else "")
        return where + (f", {int(100 * self._share())}% of {self._budget}" if self._budget else "")

    def _share(self) -> float:
        """How much of what there is to do is done: of the rounds, or of the budget where that is further."""
        used = self._now.get(USED, 0.0) / self._budget.amount if self._budget else 0.0
        return min(max(used, self._round / max(self._rounds, 1)), 1.0)

    def _truths(self, metrics: Metrics) -> list[str]:
        """Truth, with its 95% interval, and proxy, with their change since the first round that had them."""
        parts = []
        for word, name in (("truth", "probe/accuracy"), ("proxy", self._proxy)):
            now, first = metrics.get(name, nan), self._first.get(name, nan)
            if isfinite(now):
                parts.append(f"{word} {now:.3f}" + (f" ({now - first:+.3f})" if isfinite(first) and first != now else ""))
        if parts and self._tasks and isfinite(metrics.get("probe/accuracy", nan)):
            low, high = wilson(metrics["probe/accuracy"] * self._tasks, self._tasks)
            parts[0] += f" [{low:.2f}, {high:.2f}]"
        return parts

    def left(self) -> float:
        """Seconds until the last round is done, from the pace of the newest rounds; NaN before the first is done."""
        if not self._took:
            return nan
        pace = sum(self._took) / len(self._took)
        under_way = time.monotonic() - self._round_start if self._phase else 0.0
        rounds = self._rounds_left() + (1 if self._phase else 0)
        return max(pace * rounds - under_way, 0.0)

    def _rounds_left(self) -> float:
        """After this one, as many as there are to be, or as the budget allows where rounds use as much as so far; NaN where nothing is used yet."""
        left = float(self._rounds - self._round)
        if self._budget is None:
            return left
        used = self._now.get(USED, 0.0)
        return min(left, ceil(max(self._budget.amount - used, 0.0) / (used / self._round))) if used and self._round else nan

    def _panel(self) -> RenderableType:
        """The live view: name and bar, truth and proxy, a heat row of slices, seconds by phase."""
        busy = f"{self._phase} {time.monotonic() - self._phase_start:.0f} s" if self._phase else ""
        left = f"{duration(self.left())} left" if isfinite(self.left()) else ""
        head = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=1.0, completed=self._share(), width=24)
        head.add_row(Text(self._where(), style="bold"), bar, Text(busy), Text(left))
        facts = [*self._truths(self._now)] + ([f"frontier {self._now['frontier']:g}"] if "frontier" in self._now else [])
        rows: list[RenderableType] = [head, Text("   ".join(facts))]
        name, labels, values = slices(self._now)
        if len(labels) > 1:
            rows += heat_rows(name, labels, values, self.console.width)
        if self._phases:
            rows.append(Text("last round: " + ", ".join(self._phases), style="dim"))
        return Group(*rows)


def arithmetic(run: Mapping[str, Any]) -> str:
    """Threads and precision, where they are not the plain ones."""
    threads, precision = run.get("threads") or 1, run.get("precision") or "fp32"
    return ", ".join([f"{threads} threads"] * (threads > 1) + [f"{precision}"] * (precision != "fp32"))


def name_of(part: Any) -> str:
    """The name of a part of the configuration, which is a name or has one."""
    return str((part.get("name") if isinstance(part, Mapping) else part) or "")


def phases(metrics: Metrics, before: Metrics) -> list[str]:
    """Where the seconds of a round went, as far as they show, and how many tokens a second a phase took; `before` has the counts up to the round."""
    counts = {"sample": "tokens/sampled", "learn": "tokens/trained", "probe": "tokens/probe"}
    found = []
    for name in PHASES:
        if (seconds := metrics.get(f"seconds/{name}", 0.0)) < 0.05:
            continue
        count = metrics.get(counts.get(name, ""), 0.0)
        tokens = count if name == "probe" else count - before.get(counts.get(name, ""), 0.0)
        found.append(f"{name} {seconds:.1f} s" + (f" ({tokens / seconds:,.0f} tokens/s)" if tokens > 0 else ""))
    return found


def slices(metrics: Metrics) -> tuple[str, list[str], list[float]]:
    """Common start of the slices' names, what differs, and their accuracies: 'digits ', ['4', '5'], [1.0, 0.9]."""
    prefix = "probe/accuracy/"
    found = {harmless(name.removeprefix(prefix)): value for name, value in metrics.items() if name.startswith(prefix)}
    names = list(found)
    heads = {name.rpartition(" ")[0] for name in names}
    common = f"{heads.pop()} " if len(heads) == 1 and len(names) > 1 and "" not in heads else ""
    return common, [name.removeprefix(common) for name in names], list(found.values())


def heat_rows(name: str, labels: Sequence[str], values: Sequence[float], width: int) -> list[RenderableType]:
    """Two rows, names over accuracies in percent, on backgrounds from dark to green; what does not fit the width is left out."""
    wide = max(5, *(len(label) + 2 for label in labels))
    fit = max((width - len(name) - 1) // wide, 1)
    top, bottom = Text(f"{name:<{len(name) + 1}}"), Text(" " * (len(name) + 1))
    for label, value in list(zip(labels, values, strict=True))[:fit]:
        top.append(f"{label:^{wide}}")
        shade = f"rgb({30 + round(20 * value)},{40 + round(90 * value)},{50 + round(20 * value)})" if isfinite(value) else "black"
        bottom.append(f"{f'{value:.0%}' if isfinite(value) else '-':^{wide}}", style=f"white on {shade}")
    return [top, bottom]


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
