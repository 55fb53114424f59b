"""A run's metrics mirrored to TensorBoard, Weights & Biases and trackio, which are extras. The run directory has all of them whatever happens here."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from autotelic.errors import AutotelicError, SettingError
from autotelic.measures.verdict import Verdict
from autotelic.runs.reading import flat
from autotelic.streams import key
from autotelic.types import Metrics

Name = Literal["tensorboard", "wandb", "trackio"]
PROJECT = "autotelic"
"""Where runs go where the tracker's own environment variable, such as WANDB_PROJECT, says nothing else."""


class Tracker(Protocol):
    """One place that metrics are mirrored to. What it raises costs the mirror and not the run."""

    def log(self, number: int, metrics: Metrics) -> None:
        """The numbers of a round."""

    def close(self, verdict: Verdict | None) -> None:
        """The end: with the verdict, or without where the run was stopped."""


class TensorBoard:
    """Event files in `tensorboard/` of the run directory."""

    def __init__(self, folder: Path, config: Mapping[str, Any], done: int | None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer: Any = SummaryWriter(str(folder / "tensorboard"), purge_step=None if done is None else done + 1)
        self.writer.add_text("config", "\n".join(f"    {key} = {value!r}" for key, value in flat(config).items()), 0)

    def log(self, number: int, metrics: Metrics) -> None:
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, number)
        self.writer.flush()

    def close(self, verdict: Verdict | None) -> None:
        if verdict is not None:
            self.writer.add_text("verdict", in_words(verdict))
        self.writer.close()


class WandB:
    """A run of Weights & Biases, under an id that goes on where this run does; files in `wandb/` of the run directory."""

    def __init__(self, folder: Path, config: Mapping[str, Any], done: int | None) -> None:
        import wandb

        project, quiet = os.environ.get("WANDB_PROJECT", PROJECT), wandb.Settings(console="off", silent=True)
        (folder / "wandb").mkdir(exist_ok=True)
        self.run = wandb.init(
            project=project, name=folder.name, id=identity(folder), resume="allow", config=dict(config), dir=str(folder), settings=quiet
        )

    def log(self, number: int, metrics: Metrics) -> None:
        self.run.log(metrics, step=number)

    def close(self, verdict: Verdict | None) -> None:
        if verdict is not None:
            self.run.summary["verdict"], self.run.summary["reasons"] = str(verdict.word), list(verdict.reasons)
        self.run.finish(exit_code=int(verdict is None))


class Trackio:
    """A run of trackio, in its own local store (TRACKIO_DIR), or on a Space (TRACKIO_SPACE_ID)."""

    def __init__(self, folder: Path, config: Mapping[str, Any], done: int | None) -> None:
        import trackio

        self.library: Any = trackio
        project = os.environ.get("TRACKIO_PROJECT", PROJECT)
        with silent():
            trackio.init(project=project, name=f"{folder.name}-{identity(folder)}", resume="allow", config=flat(config), embed=False)

    def log(self, number: int, metrics: Metrics) -> None:
        self.library.log(dict(metrics), step=number)

    def close(self, verdict: Verdict | None) -> None:
        with silent():
            self.library.finish()


TRACKERS: Mapping[str, Callable[[Path, Mapping[str, Any], int | None], Tracker]] = {"tensorboard": TensorBoard, "wandb": WandB, "trackio": Trackio}


def check_installed(names: Sequence[str]) -> None:
    """Raises SettingError where the package of a tracker is not installed."""
    for name in names:
        if find_spec(name) is None:
            raise SettingError(f'report_to = {name!r}: the package {name} is not installed: pip install "autotelic[{name}]"')


class Mirror:
    """All trackers of a run. One that fails is left out from then on, and said once."""

    def __init__(self, trackers: Mapping[str, Tracker]) -> None:
        self.trackers = dict(trackers)

    def log(self, number: int, metrics: Metrics) -> None:
        """The numbers of a committed round."""
        for name, tracker in list(self.trackers.items()):
            with self.spared(name):
                tracker.log(number, metrics)

    def close(self, verdict: Verdict | None) -> None:
        """The end of all of them."""
        for name, tracker in list(self.trackers.items()):
            with self.spared(name):
                tracker.close(verdict)
        self.trackers.clear()

    @contextmanager
    def spared(self, name: str) -> Iterator[None]:
        """Inside, what a tracker raises costs that tracker and not the run."""
        try:
            yield
        except Exception as error:
            self.trackers.pop(name, None)
            print(f"metrics are not mirrored to {name} any more: {type(error).__name__}: {error}", file=sys.stderr)


@contextmanager
def mirrored(names: Sequence[str], folder: Path, config: Mapping[str, Any], done: int | None) -> Iterator[Mirror]:
    """The trackers of a run, closed at its end, however it ends; `done` is the round from which it goes on.

    Raises:
        AutotelicError: one cannot be opened, as without an account.
    """
    mirror = Mirror({})
    try:
        for name in names:
            mirror.trackers[name] = opened(name, folder, config, done)
        yield mirror
    finally:
        mirror.close(None)


def opened(name: str, folder: Path, config: Mapping[str, Any], done: int | None) -> Tracker:
    """A tracker. Raises AutotelicError where it cannot be opened."""
    try:
        return TRACKERS[name](folder, config, done)
    except Exception as error:
        offline = "; WANDB_MODE=offline needs no account" if name == "wandb" else ""
        raise AutotelicError(f"report_to = {name!r}: cannot be opened: {type(error).__name__}: {error}{offline}") from error


def identity(folder: Path) -> str:
    """A name that stays with a run directory, and that no other has: its place's and its config's."""
    return f"{key(str(folder.resolve()), (folder / 'config.json').read_text(encoding='utf-8')):016x}"


def in_words(verdict: Verdict) -> str:
    """A verdict as Markdown."""
    return "\n".join([f"**{verdict.word}**", "", *(f"- {reason}" for reason in verdict.reasons)])


@contextmanager
def silent() -> Iterator[None]:
    """Inside, nothing is printed on standard output, which is for what the command says."""
    with redirect_stdout(sys.stderr):
        yield
