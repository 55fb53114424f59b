"""Runs as the viewer finds and reads them: live, damaged, foreign."""

import json
import socket
from pathlib import Path

import pytest
import viewed
from small import small

from autotelic.errors import DataError
from autotelic.runs import loop
from autotelic.runs.lock import Lock
from autotelic.runs.progress import Progress
from autotelic.viewing.runs import Runs, folders


def test_runs_are_found_below_a_folder_and_named_by_their_path(tmp_path: Path) -> None:
    viewed.make(tmp_path / "a")
    viewed.make(tmp_path / "deep" / "er" / "b")
    (tmp_path / "empty").mkdir()
    assert list(Runs(tmp_path).all()) == ["a", "deep/er/b"]
    assert list(Runs(tmp_path / "a").all()) == ["."]
    assert list(folders(tmp_path / "none")) == []


def test_what_lies_outside_is_not_reached(tmp_path: Path) -> None:
    viewed.make(tmp_path / "outside")
    root = tmp_path / "root"
    viewed.make(root / "inside")
    (root / "link").symlink_to(tmp_path / "outside")
    runs = Runs(root)
    assert list(runs.all()) == ["inside"]
    for name in ("../outside", "link", str(tmp_path / "outside"), "inside/../../outside", ""):
        with pytest.raises(DataError, match="no run"):
            runs[name]
    (root / "odd").mkdir()
    (root / "odd" / "config.json").symlink_to(tmp_path / "outside" / "config.json")
    (root / "odd" / "rounds").mkdir()
    assert "is a link" in runs.all()["odd"].summary()["error"]


def test_a_curve_gains_a_point_when_a_round_is_committed(tmp_path: Path) -> None:
    run = Runs(viewed.make(tmp_path, rounds=2)).all()["."]
    before = run.summary()
    assert run.curve("probe/accuracy") == [(0, 0.5), (1, 0.51), (2, 0.52)]
    assert before["speed"] == 50.0, "100 tokens in 2 seconds"
    (tmp_path / "rounds" / "00003.tmp").mkdir()
    assert run.summary() == before, "a round in progress is none yet"
    (tmp_path / "rounds" / "00003.tmp").rmdir()
    viewed.add(tmp_path, 3, [])
    after = run.summary()
    assert run.curve("probe/accuracy")[-1] == (3, 0.53) and after["stamp"] != before["stamp"] and after["round"] == 3


def test_a_round_that_was_made_again_is_read_again(tmp_path: Path) -> None:
    run = Runs(viewed.make(tmp_path, rounds=1)).all()["."]
    run.refresh()
    (tmp_path / "rounds" / "00001").rename(tmp_path / "gone")
    run.refresh()
    assert run.series("probe/accuracy") == [(0, 0.5)]
    viewed.add(tmp_path, 1, [], **{"probe/accuracy": 0.9})
    run.refresh()
    assert run.series("probe/accuracy") == [(0, 0.5), (1, 0.9)]


def test_long_curves_are_thinned_and_keep_their_ends(tmp_path: Path) -> None:
    run = Runs(viewed.make(tmp_path, rounds=0)).all()["."]
    run.history = {number: {"x": float(number)} for number in range(2500)}
    curve = run.curve("x")
    assert curve[:2] == [(0, 0.0), (3, 3.0)] and curve[-1] == (2499, 2499.0) and len(curve) == 834


def test_a_damaged_run_says_so_and_the_others_are_shown(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        viewed.make(tmp_path / name)
    (tmp_path / "a" / "config.json").write_text("{")
    (tmp_path / "b" / "rounds" / "00001" / "metrics.json").write_text('{"round": 1')
    (tmp_path / "b" / "rounds" / "00002").rename(tmp_path / "away")
    found = {name: run.summary() for name, run in Runs(tmp_path).all().items()}
    assert "not valid JSON" in found["a"]["error"] and "error" not in found["c"]
    assert found["b"]["faults"] == 1
    faults = Runs(tmp_path)["b"].detail()["faults"]
    assert len(faults) == 2 and "00001" in faults[0] and faults[1].endswith("00002: is missing")


def test_what_is_json_of_another_shape_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    viewed.make(tmp_path / "a")
    (tmp_path / "a" / "verdict.json").write_text('{"word": "splendid"}')
    (tmp_path / "a" / "rounds" / "00002" / "pool.jsonl").write_text('{"event": "add", "task": 3}\n')
    runs = Runs(tmp_path)
    assert runs["a"].summary()["word"] is None
    faults = runs["a"].detail()["faults"]
    assert "no verdict can be read" in faults[0] and "round 2" in faults[1]
    (tmp_path / "a" / "config.json").write_text('{"run": {"gate": {"odd": 1}}, "recipe": {"name": "srt"}, "machine": 3, "probe": 4}')
    summary = Runs(tmp_path)["a"].summary()
    assert summary["recipe"] == "srt" and summary["round"] == 3
    with pytest.raises(DataError, match="holds what no run of this version writes"):
        Runs(tmp_path)["a"].detail()


def test_the_pool_grows_and_its_tasks_name_their_parents(tmp_path: Path) -> None:
    run = Runs(viewed.make(tmp_path, rounds=1)).all()["."]
    task = {"id": "new", "prompt": "1+1=", "answer": "2", "tags": {"parents": ["r1/solver/t0/0"], "born": 2}}
    viewed.add(tmp_path, 2, [], [{"event": "add", "why": "made", "task": task}, {"event": "update", "id": "new", "stats": {"rate": 0.5}}])
    viewed.add(tmp_path, 3, [], [{"event": "evict", "why": "solved", "id": "new"}, {"event": "evict", "why": "solved", "id": "old"}])
    run.refresh()
    assert [row["size"] for row in run.pool.growth(100)] == [100, 100, 101, 99]
    count, tasks = run.pool.newest("1+1", 0, 10)
    assert count == 1 and tasks[0]["parents"] == ["r1/solver/t0/0"] and tasks[0]["evicted"] == 3 and tasks[0]["stats"] == {"rate": 0.5}


def test_who_works_on_a_run_is_told_and_not_disturbed(tmp_path: Path) -> None:
    run = Runs(viewed.make(tmp_path)).all()["."]
    assert run.summary()["state"] == "stopped"
    lock = Lock.take(tmp_path)
    assert run.summary()["state"] == "running" and lock.holds
    lock.close()
    (tmp_path / "run.lock").write_text(json.dumps({"process": 2**22 + 1, "host": socket.gethostname()}))
    assert run.summary()["state"] == "stopped", "a killed run leaves its file, and its process is gone"


def test_the_verdict_so_far_is_the_verdict_once_the_run_ends(tmp_path: Path) -> None:
    folder = loop.start(small("srt", out=str(tmp_path / "run"), rounds=2), Progress(quiet=True)).folder
    run = Runs(tmp_path).all()["run"]
    detail = run.detail()
    assert detail["final"] and detail["state"] == "finished" and detail["faults"] == []
    assert [row[0] for row in detail["phases"]] == [1, 2]
    (folder / "verdict.json").unlink()
    so_far = run.detail()
    assert not so_far["final"] and so_far["reasons"] == detail["reasons"]
