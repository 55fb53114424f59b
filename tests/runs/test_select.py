"""Runs that hand over the best round's weights by the probe, and end early."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from small import small
from torch import equal

from autotelic.errors import SettingError
from autotelic.measures.selection import SCORE, best, parts
from autotelic.runs import loop
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader

TOO_FAST: dict[str, Any] = {"optimizer": {"learning_rate": 5e-3}, "probe_size": 24, "gate": {"mode": "off"}, "keep_checkpoints": 1}
"""Supervised training that rises and falls."""


def play(folder: Path, **settings: Any) -> loop.RunOutcome:
    return loop.start({**small("supervised", **TOO_FAST), **settings, "out": str(folder)}, Progress(quiet=True))


def test_the_best_round_is_handed_over_and_judged_by_the_other_tasks(tmp_path: Path) -> None:
    done = play(tmp_path / "run", rounds=5, select={"by": "accuracy", "share": 0.25})
    run = RunReader.of(tmp_path / "run")
    history = run.history()
    chosen = best(history)
    assert chosen is not None and chosen.score == max(metrics[SCORE] for metrics in history.values()) and chosen.round < 5
    kept = run.probe("last")
    assert kept is not None and (kept.round, len(kept.outcomes)) == (chosen.round, 24)
    judging = parts(kept, 0.25)[1]
    assert done.verdict.numbers["tasks"] == len(judging.outcomes) == 18
    assert done.verdict.numbers["accuracy_last"] == judging.accuracy()
    assert done.verdict.numbers["chosen"] == {"round": chosen.round, "of": 5, "by": "accuracy", "score": chosen.score, "tasks": 6}
    assert f"round {chosen.round} of 5" in done.verdict.reasons[0] and "on the other 18" in done.verdict.reasons[0].replace("rests on", "on")
    weights = load_file(tmp_path / "run" / "rounds" / f"{chosen.round:05d}" / "policy.solver.safetensors")
    saved = load_file(done.model / "model.safetensors")
    assert all(equal(saved[name], weights[name]) for name in weights if name in saved) and saved.keys() & weights.keys()
    left = [path.parent.name for path in sorted((tmp_path / "run" / "rounds").glob("*/policy.solver.safetensors"))]
    assert left == [f"{number:05d}" for number in sorted({chosen.round, 5})]


def test_a_run_ends_where_nothing_rises_and_going_on_changes_nothing(tmp_path: Path) -> None:
    select = {"by": "agreement", "patience": 1}
    done = play(tmp_path / "run", rounds=9, select=select, optimizer={"learning_rate": 1e-9})
    history = RunReader.of(tmp_path / "run").history()
    assert len(history) == 2 and "Ended after round 1: 1 probes without a higher score." in done.verdict.reasons
    assert done.verdict.word == "unchanged" and done.stopped is None
    again = loop.resume(tmp_path / "run", progress=Progress(quiet=True))
    assert again.verdict == done.verdict and RunReader.of(tmp_path / "run").history().keys() == history.keys()


def test_a_run_that_is_resumed_chooses_as_a_whole_one(tmp_path: Path) -> None:
    select = {"by": "accuracy"}
    whole = play(tmp_path / "whole", rounds=4, select=select)
    play(tmp_path / "half", rounds=2, select=select)
    half = loop.resume(tmp_path / "half", 4, Progress(quiet=True))
    assert half.verdict == whole.verdict
    one, two = (load_file(done.model / "model.safetensors") for done in (whole, half))
    assert all(equal(one[name], two[name]) for name in one)


def test_what_cannot_choose_is_said_before_the_first_round(tmp_path: Path) -> None:
    tasks = tmp_path / "t.jsonl"
    tasks.write_text("".join(json.dumps({"prompt": f"{i}+1="}) + "\n" for i in range(30)))
    with pytest.raises(SettingError, match=r"select\.by = 'accuracy': no gold answer is known"):
        loop.start({**small("srt"), "tasks": str(tasks), "select": {"by": "accuracy"}, "out": str(tmp_path / "run")}, Progress(quiet=True))
