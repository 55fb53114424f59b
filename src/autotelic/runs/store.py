"""A run's directory, written. A round is committed whole, by one rename, or not at all, with digests of its files. What is not under `rounds/` is made
from what is, but for `config.json`, of which round 0 keeps a copy, and `events.jsonl`, which is for people. Reading is `runs.reading`."""

import json
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from itertools import count
from math import isfinite
from pathlib import Path
from time import strftime
from types import TracebackType
from typing import Any, Literal, Self

from safetensors.torch import load_file, save_file
from torch import Tensor

import autotelic
from autotelic.errors import AutotelicError, DataError
from autotelic.jsonfiles import flush, read_json, read_lines, write_json, write_lines
from autotelic.measures.probe import ProbeResult
from autotelic.measures.verdict import Verdict
from autotelic.runs.disk import GONE, explained
from autotelic.runs.lock import LOCK, Lock
from autotelic.runs.reading import FORMAT, WEIGHTS, RunReader, is_needed, is_record, is_weights, objects
from autotelic.runs.sealing import drop, read_manifest, write_manifest, write_sealed
from autotelic.types import Group, Metrics, Rollout, TurnKind

Tensors = dict[str, dict[str, Tensor]]
"""Named sets of named tensors, such as "policy.solver" to its weights."""


class Store(RunReader):
    """Writes one run directory, whose lock it holds until it is closed. A context manager."""

    def __init__(self, folder: Path, lock: Lock) -> None:
        super().__init__(folder)
        self._lock = lock

    @classmethod
    def create(cls, folder: Path, config: dict[str, Any]) -> Self:
        """A new run directory with its resolved config.

        Raises:
            DataError: there is something in it already.
            AutotelicError: it cannot be written, or another process works on it.
        """
        check_vacant(folder)
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        store = cls(folder, Lock.take(folder))
        try:
            check_vacant(folder)  # once more: it may have been another's until it was locked
            with explained(folder, folder):
                write_json(folder / "config.json", config)
                store.rounds.mkdir()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open(cls, folder: Path) -> Self:
        """An existing run directory, to go on with; what a killed run left half-written is removed.

        Raises:
            DataError: it is none, another version of autotelic made it, or its settings are not those of its rounds.
            AutotelicError: it cannot be written, or another process works on it.
        """
        check_version(RunReader.of(folder))
        store = cls(folder, Lock.take(folder))
        try:
            store._clear()
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Let other processes work on the directory."""
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _clear(self) -> None:
        """Remove what a killed run left half-written."""
        with explained(self.folder, self.folder):
            self.rounds.mkdir(exist_ok=True)
            for partial in self.rounds.glob("*.tmp"):
                shutil.rmtree(partial)

    def step_back(self) -> tuple[int | None, list[str]]:
        """The newest round from which the run can go on, None where none was committed; and what damage there is, in words.

        Rounds after it are moved to `damaged/`, and the files that are made from rounds are made again.

        Raises:
            DataError: rounds were committed, and the run can go on from none of them.
        """
        number, why = self._newest_sound()
        if number is None:
            return None, []
        words = [f"{why}; going on from round {number}"] if why else []
        words += [f"{one}; the run goes on without it" for one in (self.fault(past, is_record) for past in range(number)) if one]
        with explained(self.folder, self.folder):
            for one in words:
                self.note("damage", one)
            for gone in reversed([one for one in self.numbers if one > number]):
                self._set_aside(gone)
            write_lines(self.folder / "metrics.jsonl", ({"round": one, "metrics": row} for one, row in self.history().items()))
        self.save_probe("first", ProbeResult.from_json(read_json(self.round(0) / "probe.json")))
        return number, words

    def _newest_sound(self) -> tuple[int | None, str | None]:
        """The newest round that is whole, weights too, after rounds of which all that is needed is there; and the first fault on the way to it."""
        last = max([*self.numbers, *self._noted()], default=None)
        if last is None:
            return None, None
        needed = (self.fault(one, is_needed(one)) for one in range(last + 1))
        whole, why = next(((one - 1, found) for one, found in enumerate(needed) if found), (last, None))
        for number in range(whole, -1, -1):
            if not self._has_weights(number):
                break
            if (found := self.fault(number)) is None:
                return number, why
            why = why or found
        raise DataError(f"{why or f'{self.rounds}: the weights are gone'}; the run cannot go on, since no round before that has its weights")

    def _noted(self) -> list[int]:
        """The rounds that `metrics.jsonl` tells of: one that is not there any more is missed."""
        path = self.folder / "metrics.jsonl"
        with suppress(DataError, OSError, KeyError, ValueError, TypeError):
            return [int(row["round"]) for row in objects(path)]
        return []

    def _has_weights(self, number: int) -> bool:
        """Whether a round was left its weights, damaged or not."""
        try:
            return any(map(is_weights, read_manifest(self.round(number)).kept))
        except DataError:
            return True

    def _set_aside(self, number: int) -> None:
        """Move a round to `damaged/`."""
        away = self.folder / "damaged"
        away.mkdir(exist_ok=True)
        names = (f"{number:05d}" if i == 1 else f"{number:05d}-{i}" for i in count(1))
        self.round(number).rename(next(away / name for name in names if not (away / name).exists()))

    def commit(
        self,
        number: int,
        *,
        metrics: Metrics,
        state: dict[str, Any],
        events: list[dict[str, Any]],
        groups: Iterable[Group],
        tensors: Tensors,
        keep: int,
        every: int | None = None,
        trained_on: Mapping[str, float] | None = None,
        kept: Mapping[str, Mapping[str, Any]] | None = None,
        same: Collection[str] = (),
        probe: ProbeResult | None = None,
        spare: int | None = None,
    ) -> None:
        """Write a round and make it the newest, then drop the weights of all but the `keep` newest rounds, of the round `spare` and of each round that
        `every` divides. Metrics that are not finite are left out.

        `kept` has further fields of rollouts, by id. `same` names the sets of tensors that are those of the round before: their files are linked, not written. `probe` is what the probe saw in
        this round, where there was one.

        Raises:
            AutotelicError: no space left, or the directory cannot be written; the round is then not committed and nothing else is touched.
        """
        metrics, trained_on, kept = {name: value for name, value in metrics.items() if isfinite(value)}, trained_on or {}, kept or {}
        final, partial = self.round(number), self.rounds / f"{number:05d}.tmp"
        self._check()
        with explained(partial, self.folder):
            partial.mkdir()
            write_json(partial / "metrics.json", {"round": number, "metrics": metrics})
            write_json(partial / "state.json", state)
            write_lines(partial / "pool.jsonl", events)
            rollouts = [rollout for group in groups for rollout in group]
            rows = ({**rollout_row(rollout, trained_on.get(rollout.id)), **kept.get(rollout.id, {})} for rollout in rollouts)
            write_lines(partial / "rollouts.jsonl", rows)
            if probe is not None:
                write_json(partial / "probe.json", probe.to_json())
            if number == 0:
                shutil.copyfile(self.folder / "config.json", partial / "config.json")
            for name, values in tensors.items():
                save_file(values, partial / f"{name}{WEIGHTS}")
            write_manifest(partial, self.fingerprint, self._linked(number - 1, partial, same))
            for path in partial.iterdir():
                flush(path)
            flush(partial)
            partial.rename(final)
            flush(self.rounds)
            with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps({"round": number, "metrics": metrics}) + "\n")
        self._weighty.add(number)
        self.drop_weights(number - keep, spare, every)

    def _check(self) -> None:
        """Raises AutotelicError where the directory is not this run's any more."""
        if not self._lock.holds:
            raise AutotelicError(GONE.format(self.folder))

    def _linked(self, before: int, partial: Path, same: Collection[str]) -> dict[str, str]:
        """Put the files of the sets `same` of the round before into a new one; their digests by name."""
        names = [f"{name}{WEIGHTS}" for name in same]
        for name in names:
            try:
                os.link(self.round(before) / name, partial / name)
            except OSError:  # a file system without links
                shutil.copyfile(self.round(before) / name, partial / name)
        return {name: read_manifest(self.round(before)).files[name] for name in names}

    def drop_weights(self, number: int, spare: int | None, every: int | None) -> None:
        """Of all rounds up to one, but for those that are kept. The oldest go first. Does what a kill after a commit has left undone, too."""
        with explained(self.rounds, self.folder):
            for one in sorted(self._weighty):
                if one <= number and one != spare and not (every and one % every == 0):
                    drop(self.round(one), [path.name for path in self.round(one).glob(f"*{WEIGHTS}")])
                    self._weighty.discard(one)

    @cached_property
    def _weighty(self) -> set[int]:
        """Rounds that have weights. The disk is asked once, as there may be thousands of rounds."""
        return {int(path.parent.name) for path in self.rounds.glob(f"[0-9]*/*{WEIGHTS}") if path.parent.name.isdigit()}

    def restore(self, number: int) -> tuple[dict[str, Any], list[dict[str, Any]], Tensors]:
        """State of a committed round, pool events of all rounds up to it, and its tensors."""
        folder = self.round(number)
        names = [name for name in read_manifest(folder).kept if is_weights(name)]
        tensors = {name.removesuffix(WEIGHTS): load_file(folder / name) for name in names}
        events = [event for past in range(number + 1) for event in read_lines(self.round(past) / "pool.jsonl")]
        return read_json(folder / "state.json"), events, tensors

    def note(self, event: str, text: str) -> None:
        """Add to `events.jsonl`."""
        with explained(self.folder, self.folder), (self.folder / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": strftime("%Y-%m-%d %H:%M:%S"), "event": event, "text": text}, ensure_ascii=False) + "\n")

    def save_probe(self, name: str, result: ProbeResult) -> None:
        """Keep the outcomes of a probe under `probe/NAME.json`."""
        with explained(self.folder, self.folder):
            (self.folder / "probe").mkdir(exist_ok=True)
            write_sealed(self.folder / "probe" / f"{name}.json", result.to_json())

    def save_verdict(self, verdict: Verdict) -> None:
        """Write `verdict.json`."""
        with explained(self.folder, self.folder):
            write_sealed(self.folder / "verdict.json", verdict.to_json())

    def save_model(self, name: Literal["model", "rejected"], save: Callable[[Path], None]) -> Path:
        """The folder that `save` writes, under `name`, whole or not at all; what an earlier verdict left under either name goes."""
        return self._save_whole(self.folder / name, save, replaces=(self.folder / "model", self.folder / "rejected"))

    def save_other(self, name: str, save: Callable[[Path], None]) -> Path:
        """A further trained policy, under `others/NAME`, whole or not at all."""
        final = self.folder / "others" / name
        return self._save_whole(final, save, replaces=(final,))

    def _save_whole(self, final: Path, save: Callable[[Path], None], replaces: Iterable[Path]) -> Path:
        """The folder that `save` writes beside its place and that is moved there when it is whole, in place of others."""
        self._check()
        partial = final.with_name(f"{final.name}.tmp")
        with explained(partial, self.folder):
            shutil.rmtree(partial, ignore_errors=True)
            save(partial)
            for old in replaces:
                shutil.rmtree(old, ignore_errors=True)
            partial.rename(final)
        return final


def check_vacant(folder: Path) -> None:
    """Raises DataError unless a new run can begin in `folder`: it does not exist, or is empty."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; choose another --out")
    if folder.exists() and any(path.name != LOCK for path in folder.iterdir()):
        raise DataError(f"{folder}: is not empty; choose another --out, or continue the run in it with `autotelic resume {folder}`")


def check_version(run: RunReader) -> None:
    """Raises DataError where a run cannot be gone on with because another version of autotelic made it."""
    made, here = str(run.config.get("autotelic")), autotelic.__version__
    if run.config.get("format") is None:
        raise DataError(
            f"{run.folder}: was made by an earlier autotelic ({made}), whose rounds have no digests and whose formulas were others; resume it by that one"
        )
    if run.config["format"] != FORMAT or made.split(".")[:2] != here.split(".")[:2]:
        raise DataError(f"{run.folder}: was made by autotelic {made}, and this is {here}, which may compute otherwise; resume it by that one")


def rollout_row(rollout: Rollout, weight: float | None = None) -> dict[str, Any]:
    """What is kept of a rollout: the text that the model read and wrote, token counts, rewards, and the weight with which it was trained on, if it was."""
    action = rollout.actions[-1] if rollout.actions else None
    return {
        "id": rollout.id,
        "task": rollout.task.id,
        "role": rollout.keys.get("role"),
        "parent": rollout.parent,
        "prompt": rollout.turns[0].text if rollout.turns else "",
        "text": rollout.text,
        "answer": rollout.answer,
        "gold": rollout.task.answer,
        "rewards": rollout.rewards,
        "advantage": rollout.advantage,
        "trained": weight is not None,
        "weight": weight,
        "tokens": sum(len(turn.tokens) for turn in rollout.turns if turn.kind is TurnKind.ACTION),
        "keys": {name: value for name, value in rollout.keys.items() if name not in ("role", "task") and plain(value)},
        "turns": [[turn.kind, turn.role, turn.text] for turn in rollout.turns[1:]] if len(rollout.turns) > 2 else [],
        "stop": action.stop if action else None,
        "version": action.version if action else None,
    }


def plain(value: Any) -> bool:
    """Whether a value can stand in a file as it is."""
    return value is None or isinstance(value, str | int | float | bool) or (isinstance(value, list | tuple) and all(map(plain, value)))
