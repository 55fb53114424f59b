"""Mirrors of a run's metrics: each tracker, where it is installed, holds what the run directory holds; one that fails costs no run."""

import json
import sqlite3
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from small import small

from autotelic.errors import AutotelicError, SettingError
from autotelic.measures.verdict import Verdict, Word
from autotelic.runs import loop
from autotelic.runs.opening import plan
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader
from autotelic.runs.settings import resolve
from autotelic.runs.trackers import TRACKERS, Mirror, mirrored
from autotelic.types import Metrics


class Kept:
    """A tracker in memory, which fails from a round on."""

    def __init__(self, fails: int) -> None:
        self.fails, self.rounds, self.word = fails, dict[int, Metrics](), ""

    def log(self, number: int, metrics: Metrics) -> None:
        if number >= self.fails:
            raise ConnectionError("no route")
        self.rounds[number] = metrics

    def close(self, verdict: Verdict | None) -> None:
        self.word = str(verdict.word) if verdict else "stopped"


def run(folder: Path, tracker: str, rounds: int = 2) -> dict[int, Metrics]:
    """A small run that is mirrored to a tracker; its metrics by round."""
    loop.start(small("srt", rounds=rounds, report_to=tracker, out=str(folder)), Progress(quiet=True))
    return RunReader.of(folder).history()


def records(data: bytes) -> Iterator[bytes]:
    """The records of a file of wandb: a head of 7 bytes, then LevelDB's log, in blocks of 32 KiB; a chunk has a checksum, a length and a kind."""
    place, whole = 7, b""
    while place + 7 <= len(data):
        if (left := -place % 32768) and left < 7:
            place += left
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        whole, place = whole + data[place + 7 : place + 7 + length], place + 7 + length
        if kind in (1, 4):
            yield whole
            whole = b""


def test_one_that_fails_is_left_out_and_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = Kept(fails=9), Kept(fails=1)
    mirror = Mirror({"good": good, "bad": bad})
    for number in range(3):
        mirror.log(number, {"loss": float(number)})
    mirror.close(Verdict(Word.IMPROVED))
    assert (good.rounds, good.word) == ({0: {"loss": 0.0}, 1: {"loss": 1.0}, 2: {"loss": 2.0}}, "improved")
    assert (bad.rounds, bad.word) == ({0: {"loss": 0.0}}, "")
    assert capsys.readouterr().err == "metrics are not mirrored to bad any more: ConnectionError: no route\n"


def test_a_run_that_is_stopped_closes_its_trackers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(fails=9)
    monkeypatch.setitem(TRACKERS, "tensorboard", lambda folder, config, done: kept)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt), mirrored(["tensorboard"], tmp_path, {}, None) as mirror:
        mirror.log(0, {"loss": 1.0})
        raise KeyboardInterrupt
    assert (kept.rounds, kept.word) == ({0: {"loss": 1.0}}, "stopped")


def test_names_are_read_as_a_command_line_has_them() -> None:
    assert resolve({"report_to": "[wandb,tensorboard]"})[0].report_to == ("wandb", "tensorboard")
    with pytest.raises(SettingError, match=r"report_to\.0 = 'wandbb': input should be 'tensorboard', 'wandb' or 'trackio'"):
        resolve({"report_to": "wandbb"})


@pytest.mark.parametrize("name", sorted(TRACKERS))
def test_a_package_that_is_not_there_is_named_with_its_extra(name: str) -> None:
    if find_spec(name) is not None:
        pytest.skip(f"{name} is installed")
    with pytest.raises(SettingError, match=rf'pip install "autotelic\[{name}\]"'):
        plan(small("srt", report_to=[name]))


def test_what_cannot_be_opened_ends_the_run_before_its_first_round(tmp_path: Path) -> None:
    with pytest.raises(AutotelicError, match="report_to = 'wandb': cannot be opened"), mirrored(["wandb"], tmp_path / "none", {}, None):
        raise AssertionError


def test_tensorboard_holds_every_number(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason='needs pip install "autotelic[tensorboard]"')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(tmp_path / "run", "tensorboard", rounds=1)
    loop.resume(tmp_path / "run", 2, Progress(quiet=True))
    history = RunReader.of(tmp_path / "run").history()
    found = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    for name in ("probe/accuracy", "loss", "rewards/agreement/mean"):
        assert {event.step: event.value for event in found.Scalars(name)} == pytest.approx({n: m[name] for n, m in history.items() if name in m})


def test_wandb_offline_holds_every_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason='needs pip install "autotelic[wandb]"')
    from wandb.proto import wandb_internal_pb2

    monkeypatch.setenv("WANDB_MODE", "offline")
    history = run(tmp_path / "run", "wandb")
    found = {}
    for data in records(next((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")).read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        row = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        if "_step" in row:
            found[row["_step"]] = {name: value for name, value in row.items() if not name.startswith("_")}
    assert found == history


def test_trackio_holds_every_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip("trackio", reason='needs pip install "autotelic[trackio]"')
    history = run(tmp_path / "run", "trackio")
    with sqlite3.connect(next((tmp_path / "trackio").glob("*.db"))) as database:
        found = {step: json.loads(metrics) for step, metrics in database.execute("select step, metrics from metrics where run_name like 'run-%'")}
    assert {step: {name: row[name] for name in history[step]} for step, row in found.items()} == history
