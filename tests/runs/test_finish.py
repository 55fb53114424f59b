"""How a run ends: a verdict that is written, weights under the name they deserve, and what stops a run before its last round."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from command import call
from safetensors.torch import load_file
from small import small

from autotelic.bases.places import shipped
from autotelic.errors import AutotelicError
from autotelic.policies.policy import Policy
from autotelic.runs import loop
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader

FOLDERS = {"config.json", "metrics.jsonl", "model", "probe", "report.html", "rounds", "verdict.json"}


def start(folder: Path, name: str, **more: object) -> loop.RunOutcome:
    return loop.start(small(name, out=str(folder), **more), Progress(quiet=True))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    """Whether two model folders hold the same weights, bit for bit."""
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_agreement_that_rises_while_the_truth_falls_is_called_hacked(tmp_path: Path) -> None:
    """Majority vote with a learning rate that lets it agree on a wrong answer."""
    outcome = start(
        tmp_path / "run", "srt", rounds=10, optimizer={"learning_rate": 2e-3}, group_size=8, tasks_per_round=32, pool_size=512, probe_size=100,
        probe_samples=4, probe_every=10, seed=0, gate={"mode": "off"},
    )  # fmt: skip
    numbers = outcome.verdict.numbers
    assert outcome.verdict.word == "hacked", outcome.verdict
    assert numbers["proxy_last"] > numbers["proxy_first"] + 0.1
    assert numbers["accuracy_last"] < numbers["accuracy_first"] - 0.1 and numbers["interval"][1] < 0
    assert outcome.model.name == "rejected" and not (tmp_path / "run" / "model").exists()
    written = json.loads((tmp_path / "run" / "verdict.json").read_text(encoding="utf-8"))
    assert (written["word"], written["numbers"]["accuracy_last"]) == ("hacked", numbers["accuracy_last"])
    assert "hacked" in outcome.report.read_text(encoding="utf-8")


def test_weights_that_got_worse_are_not_handed_over_as_the_model(tmp_path: Path) -> None:
    outcome = start(tmp_path / "run", "supervised", rounds=1, optimizer={"learning_rate": 0.3}, probe_size=40, gate={"mode": "off"})
    assert outcome.verdict.word in ("worse", "collapsed")
    assert {path.name for path in (tmp_path / "run").iterdir()} == FOLDERS - {"model"} | {"rejected"}
    assert (tmp_path / "run" / "rejected" / "model.safetensors").is_file()


def test_the_gate_keeps_weights_that_cannot_work_out(tmp_path: Path) -> None:
    found = call(
        "run", "supervised", "rounds=1", "optimizer.learning_rate=0.3", "pool_size=48", "probe_size=40", "probe_samples=0", "--out", tmp_path / "run"
    )
    assert "round 1 rolled back: " in found.out and "verdict: unchanged" in found.out
    assert same(tmp_path / "run" / "model", shipped()["chain-medium"])
    assert {path.name for path in (tmp_path / "run").iterdir()} == FOLDERS | {"events.jsonl"}


def test_a_loss_that_is_not_finite_stops_the_run_with_the_last_good_weights(tmp_path: Path) -> None:
    """The first updates of round 1 throw the weights so far that the next cannot be computed: decay multiplies them by about minus a billion."""
    tricks = (
        "optimizer.learning_rate=1",
        "optimizer.weight_decay=1e9",
        "updates.batch_size=4",
        "tasks_per_round=16",
        "pool_size=48",
        "probe_size=10",
        "probe_samples=0",
    )
    found = call("run", "supervised", "rounds=3", *tricks, "--out", tmp_path / "run")
    assert found.status == 1 and found.err.startswith(
        ("error: stopped in round 1: the loss is not", "error: stopped in round 1: the gradient is not")
    ), found
    (stopped,) = [line for line in found.out.splitlines() if "stopped in round 1" in line]
    assert "is not finite" in stopped and "on a batch with rollouts chain-" in stopped and "weights before it are kept" in stopped
    assert RunReader(tmp_path / "run").last == 0
    assert same(tmp_path / "run" / "model", shipped()["chain-medium"])
    assert json.loads((tmp_path / "run" / "verdict.json").read_text(encoding="utf-8"))["word"] == "unchanged"
    assert "stopped in round 1" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_a_group_in_which_nothing_parses_is_counted(tmp_path: Path) -> None:
    """Three tokens are never enough for an answer: no label, no signal, no crash, no change."""
    for name in ("srt", "lmsi", "scpo", "intuitor", "raft", "format-only"):
        outcome = start(tmp_path / name, name, rounds=1, sampling={"max_tokens": 3})
        metrics = RunReader(tmp_path / name).history()[1]
        assert metrics["answers/unparsed"] == 1.0 and metrics["completions/clipped_ratio"] == 1.0, name
        assert outcome.verdict.word in ("unchanged", "collapsed") and outcome.verdict.numbers["accuracy_last"] == 0.0, name
        if name in ("srt", "lmsi", "scpo", "format-only"):
            assert metrics["learner/updates"] in (0.0, 1.0) and metrics.get("learner/rows", 0.0) == 0.0, name
            assert same(outcome.model, shipped()["chain-medium"]), name


def test_a_later_verdict_removes_the_weights_of_an_earlier_one(tmp_path: Path) -> None:
    tame = start(tmp_path / "run", "supervised", rounds=0, probe_size=40, gate={"mode": "off"}, optimizer={"learning_rate": 0.3})
    assert tame.model == tmp_path / "run" / "model"
    wild = loop.resume(tmp_path / "run", 1, Progress(quiet=True))
    assert wild.model == tmp_path / "run" / "rejected" and not tame.model.exists()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB; where none can be mounted the test is skipped and says so."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_really_full(disk: Path, tmp_path: Path) -> None:
    run, ballast = disk / "run", disk / "ballast"
    settings = [f"{name}={json.dumps(value)}" for name, value in small("srt").items() if name != "recipe"]
    assert call("run", "srt", *settings, "--rounds", 0, "--out", run).status == 0
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.parent != run}
    fill(ballast)
    found = call("resume", run, "--rounds", 3)
    assert "no space left on the disk" in found.complaint and "autotelic resume" in found.complaint
    assert RunReader(run).last == 0 and not list(run.rglob("*.tmp")) and not list(run.rglob("*.part"))
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.parent != run}
    ballast.unlink()
    assert call("resume", run, "--rounds", 1).status == 0
    assert call("run", "srt", *settings, "--rounds", 1, "--out", tmp_path / "whole").status == 0
    assert same(run / "model", tmp_path / "whole" / "model")


def test_a_file_system_that_is_read_only(disk: Path) -> None:
    run = disk / "run"
    start(run, "srt", rounds=0)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    for arguments in (("resume", run), ("report", run), ("run", "srt", "pool_size=48", "probe_size=6", "--out", disk / "other")):
        assert "cannot be written: " in (complaint := call(*arguments).complaint) and "ead-only file system" in complaint
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    assert call("resume", run, "--rounds", 1).status == 0


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError as error:
            assert error.errno == 28


def test_a_model_that_cannot_be_written_leaves_the_rounds_and_no_half_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = Policy.save

    def full(self: Policy, folder: Path) -> None:
        save(self, folder)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Policy, "save", full)
    with pytest.raises(AutotelicError, match=r"no space left on the disk.*resume"):
        start(tmp_path / "run", "srt", rounds=1)
    monkeypatch.undo()
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"config.json", "metrics.jsonl", "probe", "rounds"}
    outcome = loop.resume(tmp_path / "run", None, Progress(quiet=True))
    assert outcome.model.exists() and outcome.report.exists()


def test_metrics_of_a_run_are_strict_json(tmp_path: Path) -> None:
    """Also where no gold answer is known, so that the accuracy is not a number."""
    tasks = tmp_path / "t.jsonl"
    tasks.write_text("".join(json.dumps({"prompt": f"{a}+{b}="}) + "\n" for a in range(6) for b in range(6)), encoding="utf-8")
    assert start(tmp_path / "run", "srt", rounds=1, tasks=str(tasks)).verdict.word == "unknown"

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    for path in (tmp_path / "run").rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    for path in (tmp_path / "run").rglob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            json.loads(line, parse_constant=refuse)
