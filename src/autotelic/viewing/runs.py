"""The runs below a folder, and what of each is shown: where it stands, the verdict so far, curves, seconds, the gate, the pool. Not its rollouts.

Committed rounds do not change, so each is read once, through `RunReader`. A run is asked for by its path below the folder and only looked up among those
that were found there, so that no name leads elsewhere.
"""

import os
from collections.abc import Iterator
from itertools import pairwise
from math import isfinite
from pathlib import Path
from threading import RLock
from time import time_ns
from typing import Any

from autotelic.errors import AutotelicError, DataError, nearest
from autotelic.measures.champion import PROMOTED
from autotelic.measures.gate import GateSettings
from autotelic.measures.metrics import find
from autotelic.measures.probe import ProbeResult
from autotelic.measures.selection import ROLLED_BACK, Selection, parts
from autotelic.measures.verdict import Verdict, judge
from autotelic.runs.again import as_text
from autotelic.runs.page import HEADLINES
from autotelic.runs.progress import name_of
from autotelic.runs.reading import RunReader
from autotelic.types import Metrics
from autotelic.viewing.pools import Pool

DEPTH = 6
"""Folders below the one that is shown in which runs are looked for."""
MOST_POINTS = 1000
"""Longer curves are thinned; no page has more pixels for one."""
PHASES = ("sample", "learn", "probe", "own")
FOREIGN = (KeyError, TypeError, ValueError, AttributeError)
"""What files raise that are JSON and of another shape."""
VERDICT = -1
"""The place of the verdict's fault among those of rounds."""
DECISIONS = ("rolled back", "promoted", "warned")
Row = dict[str, Any]


class Runs:
    """The runs below a folder, by their path below it. A run that cannot be read is there with what is wrong with it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._known: dict[str, Watched] = {}
        self._lock = RLock()

    def all(self) -> dict[str, "Watched"]:
        """Those that are there at the moment."""
        with self._lock:
            found = {path.relative_to(self.root).as_posix(): path for path in folders(self.root)}
            self._known = {name: self._known.get(name) or Watched(name, path) for name, path in found.items()}
            return dict(self._known)

    def __getitem__(self, name: str) -> "Watched":
        """A run by its name. Raises DataError where none is called so."""
        if found := self._known.get(name) or self.all().get(name):
            return found
        raise DataError(f"no run {name!r}; {nearest(name, self._known)}")


def folders(root: Path) -> Iterator[Path]:
    """The run directories below a folder, itself among them. Links are not followed, and nothing is looked for inside of a run."""
    for path, inner, files in os.walk(root):
        folder = Path(path)
        if "config.json" in files and "rounds" in inner:
            inner.clear()
            yield folder
        elif len(folder.relative_to(root).parts) >= DEPTH:
            inner.clear()
        inner[:] = sorted(name for name in inner if not name.startswith(".") and not (folder / name).is_symlink())


class Watched:
    """One run, and what was read of it so far."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.lock = RLock()
        self.history: dict[int, Metrics] = {}
        self.faults: dict[int, str] = {}
        self.pool = Pool()
        self._stamps: dict[int, tuple[int, ...]] = {}
        self._seen: tuple[int, ...] = ()
        self._config: tuple[int, ...] = ()
        self._reader: RunReader | None = None
        self._judged: tuple[object, Verdict | None] = (None, None)

    @property
    def reader(self) -> RunReader:
        """Reads the run; a new one where its config has changed.

        Raises:
            DataError: the run cannot be read.
        """
        with self.lock:
            for path in (self.folder / "config.json", self.folder / "rounds"):
                if path.is_symlink():
                    raise DataError(f"{path}: is a link, and links are not followed")
            now = stamp(self.folder / "config.json")
            if self._reader is None or now != self._config:
                self._reader, self._config = RunReader.of(self.folder), now
                self._stamps.clear()
                self._seen = ()
            return self._reader

    def refresh(self) -> RunReader:
        """Read the rounds that were committed, or changed, since the last time.

        Raises:
            DataError: the run cannot be read.
        """
        with self.lock:
            reader, seen = self.reader, settled(self.folder / "rounds")
            if seen and seen == self._seen:
                return reader
            now = {number: stamp(reader.round(number) / "metrics.json") for number in reader.numbers}
            for number in self._stamps.keys() - now.keys():
                self._forget(number)
            for number, one in now.items():
                if self._stamps.get(number) != one:
                    self._read(reader, number)
            self._stamps, self._seen = now, seen
            return reader

    def _forget(self, number: int) -> None:
        self.history.pop(number, None)
        self.faults.pop(number, None)
        self.pool.forget(number)

    def _read(self, reader: RunReader, number: int) -> None:
        self._forget(number)
        if fault := reader.fault(number, {"metrics.json", "pool.jsonl"}.__contains__):
            self.faults[number] = fault
            return
        try:
            self.history[number] = {name: value for name, value in reader.metrics(number).items() if isfinite(value)}
            self.pool.read(number, reader.pool(number))
        except (DataError, OSError, KeyError, TypeError, AttributeError) as error:
            self.faults[number] = f"round {number}: {error}"

    @property
    def rounds(self) -> list[tuple[int, Metrics]]:
        """The rounds with their metrics, in order."""
        return sorted(self.history.items())

    def series(self, name: str) -> list[tuple[int, float]]:
        """A metric by round, of the rounds that have it."""
        return [(number, metrics[name]) for number, metrics in self.rounds if name in metrics]

    def curve(self, name: str) -> list[tuple[int, float]]:
        """The same, thinned where it is long; the first and the last stay."""
        found = self.series(name)
        step = -(-len(found) // MOST_POINTS) or 1
        return found if step == 1 else [*found[:-1:step], found[-1]]

    def verdict(self) -> tuple[Verdict | None, bool]:
        """The verdict, or what it would be were the newest probe the last; and whether it is final."""
        reader = self.refresh()
        with self.lock:
            key = tuple(stamp(self.folder / name) for name in ("verdict.json", "probe/last.json"))
            if self._judged[0] != key:
                self.faults.pop(VERDICT, None)
                try:
                    verdict = reader.verdict or so_far(reader, [metrics for _, metrics in self.rounds])
                except (AutotelicError, OSError, *FOREIGN) as error:
                    verdict, self.faults[VERDICT] = None, f"no verdict can be read: {error}"
                self._judged = key, verdict
            return self._judged[1], bool(key[0])

    def summary(self) -> Row:
        """What the list of runs says of it; of one that cannot be read, what is wrong."""
        try:
            return self._summary()
        except (AutotelicError, OSError, *FOREIGN) as error:
            return {"id": self.name, "error": str(error) or type(error).__name__}

    def _summary(self) -> Row:
        reader = self.refresh()
        verdict, final = self.verdict()
        accuracy = [metrics["probe/accuracy"] for _, metrics in self.rounds if "probe/accuracy" in metrics and not metrics.get(ROLLED_BACK)]
        settings, worker, rates = reader.settings, reader.worker, speeds(self.rounds)
        return {
            "id": self.name,
            "recipe": name_of(reader.recipe),
            "model": settings.get("model"),
            "tasks": settings.get("tasks"),
            "seed": settings.get("seed"),
            "round": reader.last,
            "rounds": settings.get("rounds"),
            "state": "running" if worker else "finished" if final else "stopped",
            "word": verdict and verdict.word,
            "final": final,
            "first": accuracy[0] if accuracy else None,
            "last": accuracy[-1] if accuracy else None,
            "speed": rates[-1][1] if rates else None,
            "faults": len(self.faults),
            "written": max((found[1] for found in self._stamps.values() if found), default=0) / 1e9,
            "stamp": str(hash((tuple(self._stamps.items()), final, bool(worker)))),
        }

    def detail(self) -> Row:
        """Everything about it but its curves, its pool and its rollouts.

        Raises:
            DataError: the run cannot be read.
        """
        try:
            return self._detail()
        except FOREIGN as error:
            raise DataError(f"{self.folder}: holds what no run of this version writes: {type(error).__name__}: {error}") from error

    def _detail(self) -> Row:
        reader = self.refresh()
        verdict, _ = self.verdict()
        return {
            **self._summary(),
            "facts": facts(reader),
            "worker": reader.worker,
            "headline": HEADLINES[verdict.word] if verdict else "No two probes yet, so there is no verdict.",
            "reasons": verdict.reasons if verdict else [],
            "names": self.names(),
            "phases": [[number, *(metrics.get(f"seconds/{phase}", 0.0) for phase in PHASES)] for number, metrics in self.rounds if number],
            "speeds": speeds(self.rounds),
            "gate": decisions(reader, self.rounds),
            "alarms": [one for one in reader.events if one.get("event") == "alarm"][-20:],
            "events": reader.events[-200:],
            "faults": [*(fault for _, fault in sorted(self.faults.items())), *missing(reader)],
            "settings": as_text(reader.settings),
            "recipe": reader.recipe,
        }

    def names(self) -> list[Row]:
        """The metrics that it logs, each with its unit and meaning where they are declared."""
        found = sorted({name for metrics in self.history.values() for name in metrics})
        told = ((name, find(name)) for name in found)
        return [{"name": name, "unit": one.unit if one else "", "meaning": one.meaning if one else ""} for name, one in told]


def stamp(path: Path) -> tuple[int, ...]:
    """What tells whether a file or a folder has been replaced; empty where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def settled(folder: Path) -> tuple[int, ...]:
    """The stamp of a folder that has not changed for a second, so that the next change gives another one; empty of others."""
    found = stamp(folder)
    return found if found and time_ns() - found[1] > 10**9 else ()


def so_far(reader: RunReader, history: list[Metrics]) -> Verdict | None:
    """The verdict on the weights that were probed last, as `runs.loop` would give it."""
    first, last = reader.probe("first"), reader.probe("last")
    if first is None or last is None:
        return None
    trained = bool((reader.config.get("probe") or {}).get("probe_is_train"))
    first, last = judging(reader, first), judging(reader, last)
    return judge(first, last, history, reader.recipe.get("proxy"), trained)


def judging(reader: RunReader, result: ProbeResult) -> ProbeResult:
    """The part of a probe that the verdict rests on: where tasks choose the weights, the others."""
    gate, select = GateSettings(**reader.settings.get("gate") or {}), Selection(**reader.settings.get("select") or {})
    if not (gate.decides or select.chooses):
        return result
    return parts(result, gate.share if gate.decides else select.share)[1]


def facts(reader: RunReader) -> Row:
    """What was run on what, in words."""
    recipe, config = reader.recipe, reader.config
    about = " · ".join(str(recipe[key]) for key in ("system", "family", "paper") if recipe.get(key))
    probe, machine = config.get("probe") or {}, config.get("machine") or {}
    found = {
        "System": about,
        "In a line": recipe.get("line"),
        "Proxy for the truth": recipe.get("proxy") or "none",
        "Parameters": f"{config['parameters']:,}" if isinstance(config.get("parameters"), int) else None,
        "Probe": f"{probe['tasks']} tasks" if probe.get("tasks") else None,
        "Engine": config.get("engine"),
        "Machine": ", ".join(f"{key} {value}" for key, value in machine.items()) if isinstance(machine, dict) else None,
        "autotelic": config.get("autotelic"),
        "Folder": str(reader.folder),
    }
    return {key: str(value) for key, value in found.items() if value}


def speeds(rounds: list[tuple[int, Metrics]]) -> list[tuple[int, float]]:
    """Tokens that were sampled a second of sampling, by round."""
    found = []
    for (_, before), (number, now) in pairwise(rounds):
        seconds, tokens = now.get("seconds/sample", 0.0), now.get("tokens/sampled", 0.0) - before.get("tokens/sampled", 0.0)
        if seconds > 0 and tokens >= 0:
            found.append((number, tokens / seconds))
    return found


def decisions(reader: RunReader, rounds: list[tuple[int, Metrics]]) -> list[Row]:
    """What the gate decided and why; rounds of which it said nothing passed."""
    told = [one for one in reader.events if one.get("event") in DECISIONS]
    found = [{"what": str(one["event"]), "why": str(one.get("text", "")), "time": one.get("time")} for one in told]
    counts = {name: sum(metrics.get(key, 0.0) > 0 for _, metrics in rounds) for name, key in (("rolled back", ROLLED_BACK), ("promoted", PROMOTED))}
    return [*found, {"what": "in all", "why": f"{counts['rolled back']} rolled back, {counts['promoted']} promoted, of {len(rounds)} rounds"}]


def missing(reader: RunReader) -> list[str]:
    """Rounds that are not there, between others that are."""
    numbers = set(reader.numbers)
    return [f"{reader.round(number)}: is missing" for number in range(max(numbers, default=0)) if number not in numbers]
