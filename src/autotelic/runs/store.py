"""A run's directory. A round is committed whole, by one rename, or not at all; whatever is not under `rounds/` is made from what is."""

import errno
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from safetensors.torch import load_file, save_file
from torch import Tensor

from autotelic.errors import AutotelicError, DataError
from autotelic.jsonfiles import flush, read_json, read_lines, write_json, write_lines
from autotelic.measures.probe import ProbeResult
from autotelic.measures.verdict import Verdict
from autotelic.types import Group, Metrics, Rollout, TurnKind

Tensors = dict[str, dict[str, Tensor]]
"""Named sets of named tensors, such as "policy.solver" to its weights."""


class Store:
    """Reads and writes one run directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rounds = folder / "rounds"

    @classmethod
    def create(cls, folder: Path, config: dict[str, Any]) -> "Store":
        """A new run directory with its resolved config.

        Raises:
            DataError: there is something in it already.
            AutotelicError: it cannot be written.
        """
        check_vacant(folder)
        store = cls(folder)
        with explained(folder):
            store.rounds.mkdir(parents=True, exist_ok=True)
            write_json(folder / "config.json", config)
        return store

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """An existing run directory; what a killed run left half-written is removed.

        Raises:
            DataError: it is none.
        """
        if not (folder / "config.json").is_file():
            raise DataError(f"{folder}: no config.json; this is not a run directory")
        store = cls(folder)
        if missing := {"run", "recipe", "rounds"} - store.config.keys():
            raise DataError(f"{folder}: config.json has no {min(missing)!r}; this is not a run directory")
        for partial in store.rounds.glob("*.tmp"):
            shutil.rmtree(partial)
        return store

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config."""
        return read_json(self.folder / "config.json")

    @property
    def last(self) -> int | None:
        """The newest committed round; None when not even round 0 is."""
        done = [int(path.name) for path in self.rounds.iterdir() if path.name.isdigit()] if self.rounds.is_dir() else []
        return max(done, default=None)

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
        trained_on: Mapping[str, float] | None = None,
    ) -> None:
        """Write a round and make it the newest, then drop the weights of all but the `keep` newest rounds. Metrics that are not finite are left out.

        Raises:
            AutotelicError: no space left, or the directory cannot be written; the round is then not committed and nothing else is touched.
        """
        metrics, trained_on = {name: value for name, value in metrics.items() if isfinite(value)}, trained_on or {}
        final, partial = self.rounds / f"{number:05d}", self.rounds / f"{number:05d}.tmp"
        with explained(partial):
            partial.mkdir(parents=True)
            write_json(partial / "metrics.json", {"round": number, "metrics": metrics})
            write_json(partial / "state.json", state)
            write_lines(partial / "pool.jsonl", events)
            write_lines(partial / "rollouts.jsonl", (rollout_row(rollout, trained_on.get(rollout.id)) for group in groups for rollout in group))
            for name, values in tensors.items():
                save_file(values, partial / f"{name}.safetensors")
            for path in partial.iterdir():
                flush(path)
            partial.rename(final)
            flush(self.rounds)
            with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps({"round": number, "metrics": metrics}) + "\n")
        self._drop_weights(number - keep)

    def _drop_weights(self, number: int) -> None:
        """Of a round and those before it, back to the first that has none: all older ones have lost theirs already."""
        while number >= 0 and (weights := list((self.rounds / f"{number:05d}").glob("*.safetensors"))):
            for path in weights:
                path.unlink()
            number -= 1

    def restore(self, number: int) -> tuple[dict[str, Any], list[dict[str, Any]], Tensors]:
        """State of a committed round, pool events of all rounds up to it, and its tensors."""
        folder = self.rounds / f"{number:05d}"
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        tensors = {path.name.removesuffix(".safetensors"): load_file(path) for path in sorted(folder.glob("*.safetensors"))}
        if not tensors:
            raise DataError(f"{folder}: its weights are gone; only the newest rounds keep them")
        events = [event for past in range(number + 1) for event in read_lines(self.rounds / f"{past:05d}" / "pool.jsonl")]
        return state, events, tensors

    def metrics(self, number: int) -> Metrics:
        """Metrics of one committed round."""
        metrics: Metrics = json.loads((self.rounds / f"{number:05d}" / "metrics.json").read_text(encoding="utf-8"))["metrics"]
        return metrics

    def history(self) -> list[Metrics]:
        """Metrics of all committed rounds, from round 0; `metrics.jsonl` is written anew from them."""
        rows = [json.loads((path / "metrics.json").read_text(encoding="utf-8")) for path in sorted(self.rounds.iterdir()) if path.name.isdigit()]
        with explained(self.folder):
            write_lines(self.folder / "metrics.jsonl", rows)
        return [row["metrics"] for row in rows]

    def save_probe(self, name: str, result: ProbeResult) -> None:
        """Keep the outcomes of a probe under `probe/NAME.json`."""
        with explained(self.folder):
            (self.folder / "probe").mkdir(exist_ok=True)
            write_json(self.folder / "probe" / f"{name}.json", result.to_json())

    def load_probe(self, name: str) -> ProbeResult | None:
        """The outcomes kept under a name."""
        path = self.folder / "probe" / f"{name}.json"
        return ProbeResult.from_json(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def save_verdict(self, verdict: Verdict) -> None:
        """Write `verdict.json`."""
        with explained(self.folder):
            write_json(self.folder / "verdict.json", asdict(verdict))

    def save_model(self, name: Literal["model", "rejected"], save: Callable[[Path], None]) -> Path:
        """The folder that `save` writes, under `name`, whole or not at all; what an earlier verdict left under either name goes."""
        return self._save_whole(self.folder / name, save, replaces=(self.folder / "model", self.folder / "rejected"))

    def save_other(self, name: str, save: Callable[[Path], None]) -> Path:
        """A further trained policy, under `others/NAME`, whole or not at all."""
        final = self.folder / "others" / name
        return self._save_whole(final, save, replaces=(final,))

    def _save_whole(self, final: Path, save: Callable[[Path], None], replaces: Iterable[Path]) -> Path:
        """The folder that `save` writes beside its place and that is moved there when it is whole, in place of others."""
        partial = final.with_name(f"{final.name}.tmp")
        with explained(partial):
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
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder}: is not empty; choose another --out, or continue the run in it with `autotelic resume {folder}`")


class explained:
    """A context in which failures of the file system become errors a user can act on."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, OSError) and "SafetensorError" not in type(error).__name__:
            return
        if self.path.name.endswith(".tmp"):
            shutil.rmtree(self.path, ignore_errors=True)
        for part in self.path.glob("*.part"):
            part.unlink()
        full = getattr(error, "errno", None) == errno.ENOSPC or "os error 28" in str(error)
        reason = "no space left on the disk" if full else str(error)
        raise AutotelicError(
            f"{self.path}: cannot be written: {reason}; all rounds committed before are intact, and `autotelic resume` goes on from them"
        ) from error


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
        "turns": [[turn.kind, turn.role, turn.text] for turn in rollout.turns[1:]] if len(rollout.turns) > 2 else [],
        "stop": action.stop if action else None,
        "version": action.version if action else None,
    }
