"""A run is gone on with by what it was begun with: settings, defaults, versions."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from command import call
from committed import contents
from small import small

import autotelic
from autotelic.runs import loop
from autotelic.runs.page import write_report
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader
from autotelic.systems.label_free.srt.recipe import SelfRewardedTraining


def begun(folder: Path, rounds: int = 1) -> Path:
    loop.start({**small("srt", rounds=rounds), "out": str(folder)}, Progress(quiet=True))
    return folder


def write_0_2_0(folder: Path) -> Path:
    """A run directory as autotelic 0.2.0 wrote it: no format, no manifests, model and tasks beside settings that do not name them."""
    recipe = {"name": "srt", "system": "SRT", "paper": "arXiv:2505.21444", "family": "label-free", "line": "", "proxy": "rewards/agreement/mean"}
    config = {
        "autotelic": "0.2.0", "recipe": {**recipe, "settings": {"rounds": 2, "group_size": 4}}, "run": {"recipe": "srt", "model": None, "tasks": None},
        "rounds": 2, "seed": 0, "model": "chain-medium", "tasks": "chain", "parameters": 230_016, "pool": 48, "engine": "native",
        "probe": {"tasks": 6, "samples": 2, "every": 1, "probe_is_train": False}, "machine": {"cores": 2}, "libraries": {"torch": "2.9.0"},
    }  # fmt: skip
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for number in range(2):
        round_folder = folder / "rounds" / f"{number:05d}"
        round_folder.mkdir(parents=True)
        for name, value in {"metrics.json": {"round": number, "metrics": {"probe/accuracy": 0.5}}, "state.json": {"round": number}}.items():
            (round_folder / name).write_text(json.dumps(value), encoding="utf-8")
        for name in ("pool.jsonl", "rollouts.jsonl", "policy.solver.safetensors"):
            (round_folder / name).write_bytes(b"")
    return folder


def test_a_run_of_0_2_0_is_refused_with_the_reason_and_still_has_a_report(tmp_path: Path) -> None:
    run = write_0_2_0(tmp_path / "run")
    files = sorted(path for path in run.rglob("*"))
    complaint = call("resume", run).complaint
    assert f"{run}: was made by an earlier autotelic (0.2.0), whose rounds have no digests and whose formulas were others" in complaint
    assert sorted(path for path in run.rglob("*")) == files
    page = write_report(run).read_text(encoding="utf-8")
    assert "1 of 2 rounds are committed" in page and "damaged" not in page.split("<details>")[0]


@pytest.mark.parametrize(("version", "refused"), [("99.0.0", True), (f"{autotelic.__version__}.post1", False)])
def test_versions_of_autotelic_are_compared(version: str, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, made = begun(tmp_path / "run", rounds=0), autotelic.__version__
    monkeypatch.setattr(autotelic, "__version__", version)
    found = call("resume", run, "--rounds", 1)
    assert found.status == refused
    assert not refused or f"{run}: was made by autotelic {made}, and this is {version}" in found.complaint
    assert RunReader(run).last == (0 if refused else 1)


def test_other_libraries_are_told(tmp_path: Path) -> None:
    run = begun(tmp_path / "run", rounds=0)
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    config["libraries"]["numpy"] = "1.0"
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    found = call("resume", run, "--rounds", 1)
    assert found.status == 0 and found.err.startswith("the run began with numpy 1.0, and this is ") and found.err.count("\n") == 1


def test_other_defaults_do_not_change_a_resumed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Model and tasks that the user never named, and the wishes of the recipe for the run."""
    whole = begun(tmp_path / "whole", rounds=2)
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    shutil.rmtree(run / "rounds" / "00002")
    monkeypatch.setattr(SelfRewardedTraining, "about", replace(SelfRewardedTraining.about, model="chain-good", tasks="addition"))
    monkeypatch.setattr(SelfRewardedTraining, "run_defaults", {"precision": "bf16"})
    assert call("resume", run).status == 0
    assert contents(run, 2) == contents(whole, 2)


def test_settings_are_written_once(tmp_path: Path) -> None:
    config = RunReader(begun(tmp_path / "run", rounds=0)).config
    about = SelfRewardedTraining.about
    assert (config["run"]["model"], config["run"]["tasks"]) == (about.model, about.tasks)
    assert not config.keys() & {*config["run"], *config["recipe"]["settings"]} - {"recipe", "probe", "engine"}
