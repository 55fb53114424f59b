"""Damage to a run directory: found before anything trains, told in one line, and worth one round at most where a round before it is whole."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command import call
from committed import contents
from small import small

from autotelic.bases.places import base_folder
from autotelic.errors import DataError
from autotelic.runs import loop
from autotelic.runs.page import write_report
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader
from autotelic.runs.store import Store

LAST = 3


def flip(path: Path) -> None:
    """One bit in the middle."""
    raw = bytearray(path.read_bytes())
    if raw:
        raw[len(raw) // 2] ^= 1
    path.write_bytes(raw or b"?")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


WAYS: tuple[Callable[[Path], None], ...] = (flip, truncate, empty, Path.unlink)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a recipe whose pool grows, so that no file of a round is empty; the newest two of rounds 0 to 3 have their weights."""
    folder = tmp_path_factory.mktemp("damage") / "whole"
    loop.start({**small("easy-to-hard", rounds=LAST, gate={"mode": "off"}), "out": str(folder)}, Progress(quiet=True))
    return folder


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A copy of it to damage."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def damages(run: Path, number: int) -> Iterator[tuple[str, Path]]:
    """Every file of a round damaged in every way, one at a time, in copies."""
    for file in sorted(path.name for path in (run / "rounds" / f"{number:05d}").iterdir()):
        for way in WAYS:
            copy = run.with_name(f"{file}-{way.__name__}")
            shutil.copytree(run, copy)
            if (path := copy / "rounds" / f"{number:05d}" / file).stat().st_size or way in (flip, Path.unlink):
                way(path)
                yield file, copy
            shutil.rmtree(copy)


def stepped(folder: Path) -> tuple[int | None, list[str]]:
    """Where a resumed run would go on, and what it says."""
    with Store.open(folder) as store:
        return store.step_back()


def test_damage_in_the_last_round_costs_that_round(run: Path) -> None:
    seen = set()
    for file, copy in damages(run, LAST):
        number, words = stepped(copy)
        assert number == LAST - 1 and len(words) == 1 and f"rounds/0000{LAST}/{file}: " in words[0] and words[0].endswith("going on from round 2"), (
            words
        )
        assert not (copy / "rounds" / f"0000{LAST}").exists() and (copy / "damaged" / f"0000{LAST}").is_dir()
        assert [event["event"] for event in RunReader(copy).events] == ["damage"] and RunReader(copy).last == 2
        seen.add(file)
    records = {"manifest.json", "metrics.json", "pool.jsonl", "probe.json", "rollouts.jsonl", "state.json"}
    assert seen == records | {"optimizer.solver.safetensors", "policy.solver.safetensors"}


def test_damage_in_round_0_or_between_is_refused_where_it_is_needed_and_told_where_it_is_not(run: Path) -> None:
    needed = {0: {"config.json", "manifest.json", "metrics.json", "pool.jsonl", "probe.json"}, 1: {"manifest.json", "pool.jsonl"}}
    for past, files in needed.items():
        for file, copy in damages(run, past):
            if file in files:
                with pytest.raises(DataError, match=rf"rounds/0000{past}/{file}: .*; the run cannot go on, since no round before"):
                    stepped(copy)
                assert RunReader(copy).last == LAST and not (copy / "damaged").exists()
            else:
                number, words = stepped(copy)
                assert number == LAST and len(words) == 1 and f"rounds/0000{past}/{file}: " in words[0] and "goes on without it" in words[0]


@pytest.mark.parametrize("file", ["policy.solver.safetensors", "optimizer.solver.safetensors", "state.json", "manifest.json"])
def test_a_run_that_stepped_back_ends_as_the_whole_run(file: str, whole: Path, run: Path) -> None:
    (flip if file != "optimizer.solver.safetensors" else Path.unlink)(run / "rounds" / f"0000{LAST}" / file)
    for name in ("metrics.jsonl", "verdict.json", "probe/first.json", "probe/last.json", "report.html", "model/model.safetensors"):
        empty(run / name)
    found = call("resume", run)
    assert found.status == 0 and found.err.count("\n") == 1 and "going on from round 2" in found.err, found
    assert contents(run, LAST) == contents(whole, LAST)
    for name in ("verdict.json", "probe/first.json", "probe/last.json", "model/model.safetensors"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()
    page = (run / "report.html").read_text(encoding="utf-8")
    assert f"{file}: " in page and "going on from round 2" in page and "damaged" not in page.split("<details>")[0]
    assert call("resume", run).err == "" and len(RunReader(run).events) == 3


def test_the_newest_round_may_be_gone(whole: Path, run: Path) -> None:
    shutil.rmtree(run / "rounds" / f"0000{LAST}")
    assert stepped(run) == (2, [f"{run}/rounds/00003: is missing; going on from round 2"])
    assert stepped(run) == (2, [])
    shutil.rmtree(run / "rounds")
    (run / "metrics.jsonl").write_bytes((whole / "metrics.jsonl").read_bytes())
    with pytest.raises(DataError, match=r"rounds/00000: is missing; the run cannot go on"):
        stepped(run)


def test_a_gap_is_noticed_by_resume_and_report(run: Path) -> None:
    shutil.rmtree(run / "rounds" / "00001")
    complaint = call("resume", run).complaint
    assert "rounds/00001: is missing; the run cannot go on" in complaint
    page = write_report(run).read_text(encoding="utf-8")
    assert "Files of this run are damaged" in page and "rounds/00001: is missing" in page


def test_rounds_keep_their_numbers_where_one_is_missing(run: Path) -> None:
    shutil.rmtree(run / "rounds" / "00001")
    history = RunReader(run).history()
    assert list(history) == [0, 2, 3]


def test_a_round_of_another_run_is_not_taken(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    loop.start({**small("easy-to-hard", rounds=1, gate={"mode": "off"}), "seed": 4, "out": str(other)}, Progress(quiet=True))
    shutil.rmtree(run / "rounds" / "00003")
    shutil.copytree(other / "rounds" / "00001", run / "rounds" / "00003")
    number, words = stepped(run)
    assert number == 2 and "rounds/00003: is of a run with other settings" in words[0]


def test_two_kept_rounds_that_are_both_damaged(run: Path) -> None:
    for number in (2, 3):
        flip(run / "rounds" / f"0000{number}" / "policy.solver.safetensors")
    complaint = call("resume", run).complaint
    assert "rounds/00003/policy.solver.safetensors: has changed since it was written; the run cannot go on" in complaint


def test_a_report_of_a_damaged_run_says_so_and_shows_the_rest(run: Path) -> None:
    flip(run / "rounds" / "00002" / "metrics.json")
    page = write_report(run).read_text(encoding="utf-8")
    assert "Files of this run are damaged" in page and "rounds/00002/metrics.json: has changed" in page
    flip(run / "rounds" / "00003" / "rollouts.jsonl")
    assert "of round 2" in write_report(run).read_text(encoding="utf-8")


@pytest.mark.parametrize("way", [flip, truncate, empty])
@pytest.mark.parametrize("name", ["verdict.json", "probe/first.json", "probe/last.json"])
def test_files_made_from_rounds_are_refused_by_the_report_that_names_the_remedy(name: str, way: Callable[[Path], None], run: Path) -> None:
    (way if way is not truncate else lambda path: path.write_bytes(path.read_bytes()[:-40]))(run / name)
    complaint = call("report", run).complaint
    assert str(run / name) in complaint and f"`autotelic resume {run}` writes it again" in complaint


def test_config_that_is_damaged_has_a_copy(run: Path) -> None:
    config = run / "config.json"
    truncate(config)
    config.write_bytes(config.read_bytes()[:-2])
    for command in ("resume", "report"):
        complaint = call(command, run).complaint
        assert "config.json: not valid JSON" in complaint and complaint.endswith(f"{run}/rounds/00000/config.json is a copy of it")
    config.unlink()
    assert call("resume", run).complaint.endswith(f"{run}/rounds/00000/config.json is a copy of it")
    shutil.copy(run / "rounds" / "00000" / "config.json", config)
    assert stepped(run) == (LAST, [])


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [("run", "seed", 4), ("run", "model", "chain-good"), ("run", "tasks", "chain"), ("run", "pool_size", 49), ("settings", "labels", 17)],
)
def test_an_edited_setting_is_refused_before_training_and_named(place: str, key: str, value: object, run: Path) -> None:
    before = sorted(path.name for path in (run / "rounds").iterdir())
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    where = config["run"] if place == "run" else config["recipe"]["settings"]
    was, where[key] = where[key], value
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    complaint = call("resume", run, "--rounds", LAST + 1).complaint
    assert f"config.json: {key} is {json.dumps(value)}, and the rounds were made with {json.dumps(was)}: put it back" in complaint
    assert sorted(path.name for path in (run / "rounds").iterdir()) == before and not (run / "run.lock").exists()


def test_what_a_run_runs_on_may_be_changed(whole: Path, run: Path) -> None:
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    config["run"] |= {"workers": 1, "keep_checkpoints": 1, "out": "elsewhere"}
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    shutil.rmtree(run / "rounds" / f"0000{LAST}")
    assert call("resume", run).status == 0
    assert contents(run, LAST) == contents(whole, LAST) and not list((run / "rounds" / "00002").glob("*.safetensors"))


def test_tasks_and_model_that_changed_are_refused(tmp_path: Path) -> None:
    tasks, model, run = tmp_path / "t.jsonl", tmp_path / "model", tmp_path / "run"
    rows = [json.dumps({"prompt": f"{a}+{b}=", "answer": str(a + b)}) for a in range(6) for b in range(6)]
    tasks.write_text("\n".join(rows), encoding="utf-8")
    shutil.copytree(str(base_folder("chain-medium")), model)
    raw = small("srt", rounds=0, tasks=str(tasks), model=str(model))
    loop.start({**raw, "out": str(run)}, Progress(quiet=True))
    tasks.write_text("\n".join(row.replace("5+5", "4+6") for row in rows), encoding="utf-8")
    assert "tasks = " in (complaint := call("resume", run, "--rounds", 1).complaint) and "is not what it was when the run began" in complaint
    tasks.write_text("\n".join(rows), encoding="utf-8")
    shutil.rmtree(model)
    shutil.copytree(str(base_folder("chain-good")), model)
    assert "model = " in (complaint := call("resume", run, "--rounds", 1).complaint) and "is not what it was when the run began" in complaint
    assert RunReader(run).last == 0
