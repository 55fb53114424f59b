"""The one reader of run directories, for the report, the studies, the command, and the store that goes on with a run. It writes nothing."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from autotelic.errors import DataError
from autotelic.jsonfiles import read_json
from autotelic.measures.probe import ProbeResult
from autotelic.measures.verdict import Verdict
from autotelic.runs.lock import signed
from autotelic.runs.sealing import digest_of, fault, intact, read_sealed
from autotelic.types import Metrics

FORMAT = 2
"""Of run directories, in their config.json. Those of autotelic 0.2.0 have none: their rounds have no digests."""
WEIGHTS = ".safetensors"
FREE = frozenset(
    {
        "device",
        "endpoint.in_flight",
        "endpoint.retries",
        "endpoint.timeout",
        "engine",
        "keep_checkpoints",
        "keep_every",
        "keep_tokens",
        "optimizer.checkpointing",
        "optimizer.processes",
        "out",
        "report_to",
        "threads",
        "workers",
    }
)
"""Settings that may be other ones when a run is resumed: where it is and what it runs on."""


def is_weights(name: str) -> bool:
    """Whether a file of a round holds tensors."""
    return name.endswith(WEIGHTS)


def is_record(name: str) -> bool:
    """Whether a file of a round holds anything else."""
    return not is_weights(name)


def is_needed(number: int) -> Callable[[str], bool]:
    """Tells the files of a round without which no later round can be gone on from: the pool is made from the events of all rounds, and every round is
    compared with round 0."""
    names = {"pool.jsonl", *(["config.json", "metrics.json", "probe.json"] if number == 0 else [])}
    return names.__contains__


class RunReader:
    """What a run directory holds, finished or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rounds = folder / "rounds"

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The reader of a run directory.

        Raises:
            DataError: it is none, its config.json is damaged, or not the one that its rounds were made with.
        """
        reader = cls(folder)
        copy = reader.round(0) / "config.json"
        if not (folder / "config.json").is_file():
            raise DataError(f"{folder}: no config.json, so this is not a run directory" + (f"; {copy} is a copy of it" if copy.exists() else ""))
        if missing := {"run", "recipe"} - reader.config.keys():
            raise DataError(f"{folder}: config.json has no {min(missing)!r}, so this is not a run directory")
        check_settings(reader)
        return reader

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved config: settings of recipe and run, and facts about both."""
        try:
            return read_json(self.folder / "config.json")
        except DataError as error:
            copy = self.round(0) / "config.json"
            raise DataError(f"{error}; {copy} is a copy of it" if copy.exists() else str(error)) from error

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe's entry of the config."""
        recipe = self.config["recipe"]
        return recipe if isinstance(recipe, dict) else {"name": recipe}

    @property
    def settings(self) -> dict[str, Any]:
        """All settings by name, those of the recipe and those of the run."""
        return {**(self.config["run"] or {}), **(self.recipe.get("settings") or {})}

    @cached_property
    def fingerprint(self) -> str:
        """The digest of all settings that no round may differ in."""
        return digest_of(fixed(self.config))

    @property
    def numbers(self) -> list[int]:
        """The committed rounds in order."""
        return sorted(int(path.name) for path in self.rounds.iterdir() if path.name.isdigit()) if self.rounds.is_dir() else []

    @property
    def last(self) -> int | None:
        """The newest committed round; None when not even round 0 is."""
        return max(self.numbers, default=None)

    def round(self, number: int) -> Path:
        """The folder of a round."""
        return self.rounds / f"{number:05d}"

    def fault(self, number: int, names: Callable[[str], bool] | None = None) -> str | None:
        """What is wrong with a round, or with those of its files whose names pass; None where they are as they were committed."""
        return fault(self.round(number), self.fingerprint, names) if self.config.get("format") else None

    def faults(self) -> list[str]:
        """What is wrong with the rounds, weights aside: rounds that are missing, files that are missing or have changed."""
        found = (self.fault(number, is_record) for number in range((self.last or 0) + 1 if self.numbers else 0))
        return [one for one in found if one]

    def metrics(self, number: int) -> Metrics:
        """Metrics of one committed round."""
        metrics: Metrics = read_json(self.round(number) / "metrics.json")["metrics"]
        return metrics

    def history(self) -> dict[int, Metrics]:
        """Metrics of all committed rounds by number; damaged ones are left out."""
        return {number: self.metrics(number) for number in self.numbers if not self.fault(number, "metrics.json".__eq__)}

    def rollouts(self, number: int) -> Iterator[dict[str, Any]]:
        """The rollouts of a round as they were kept, read one by one.

        Raises:
            DataError: a line that is no JSON object.
        """
        path = self.rollouts_file(number)
        return objects(path) if path.exists() else iter(())

    def rollouts_file(self, number: int) -> Path:
        """Where the rollouts of a round are kept, for those that read them otherwise than one by one."""
        return self.round(number) / "rollouts.jsonl"

    def pool(self, number: int) -> Iterator[dict[str, Any]]:
        """What happened to the task pool in a round, in order.

        Raises:
            DataError: a line that is no JSON object.
        """
        path = self.round(number) / "pool.jsonl"
        return objects(path) if path.exists() else iter(())

    @property
    def worker(self) -> dict[str, Any] | None:
        """The process that works on the run, as it signed: "process", "host", "started", "command"; None where there is none."""
        return signed(self.folder)

    def probe(self, name: str) -> ProbeResult | None:
        """The outcomes of the probe "first" or "last", where there are any.

        Raises:
            DataError: the file is damaged.
        """
        raw = self._output(f"probe/{name}.json")
        return ProbeResult.from_json(raw) if raw else None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict, where there is one.

        Raises:
            DataError: the file is damaged.
        """
        raw = self._output("verdict.json")
        return Verdict.from_json(raw) if raw else None

    @property
    def events(self) -> list[dict[str, Any]]:
        """What happened to the run beside its rounds, in order: "time", "event", "text". A last line that a kill cut short is left out."""
        path = self.folder / "events.jsonl"
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        found = []
        for line in lines:
            try:
                found.append(dict(json.loads(line)))
            except (ValueError, TypeError):
                continue
        return found

    def _output(self, name: str) -> dict[str, Any] | None:
        """A file that is made from the rounds."""
        path = self.folder / name
        if not path.exists():
            return None
        try:
            return read_sealed(path)
        except DataError as error:
            raise DataError(f"{error}; `autotelic resume {self.folder}` writes it again") from error


def check_settings(run: RunReader) -> None:
    """Raises DataError where config.json has been changed since the first round."""
    copy = run.round(0) / "config.json"
    if not intact(copy):
        return  # what is wrong with the rounds is told when they are looked at
    before, now = fixed(read_json(copy)), fixed(run.config)
    changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    if changed:
        key = changed[0]
        more = f" (and {len(changed) - 1} more)" if changed[1:] else ""
        raise DataError(
            f"{run.folder / 'config.json'}: {key} is {json.dumps(now.get(key))}, and the rounds were made with {json.dumps(before.get(key))}{more}: "
            f"put it back, or begin another run; {copy} is the config as it was"
        )


def objects(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines.

    Raises:
        DataError: a line that is no JSON object, by number.
    """
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield dict(json.loads(line))
            except (ValueError, TypeError) as error:
                raise DataError(f"{path}, line {number}: {error}") from error


def fixed(config: Mapping[str, Any]) -> dict[str, Any]:
    """What no round of a run may differ in, by dotted name: all settings but the free ones, the version of autotelic, the digests of what it began with."""
    recipe = config["recipe"]
    facts = {"recipe": recipe.get("name"), **{key: config.get(key) for key in ("autotelic", "format", "digests")}}
    values = flat({**facts, **config["run"], **recipe.get("settings", {})})
    return {key: value for key, value in values.items() if key not in FREE}


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values of nested groups by dotted name."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {f"{prefix}{key}": value}
    return found
