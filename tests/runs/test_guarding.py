"""Runs whose weights must pass held-out tasks before they are the champion."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from small import small
from torch import equal

from autotelic.errors import AutotelicError, SettingError
from autotelic.jsonfiles import read_json
from autotelic.measures.champion import CHAMPION, PROMOTED
from autotelic.measures.selection import ROLLED_BACK, parts
from autotelic.runs import loop
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader

RISES: dict[str, Any] = {
    "model": "habits",
    "tasks": "habits",
    "tasks_per_round": 16,
    "optimizer": {"learning_rate": 1e-3},
    "probe_size": 40,
    "keep_checkpoints": 1,
}
"""Supervised training that rises from .12 to .85 in one round."""
FALLS: dict[str, Any] = {**RISES, "model": "chain-good", "tasks": "chain", "optimizer": {"learning_rate": 2e-2}}
"""That falls in one round."""
LOOSE = {"max_truncated": 1.0, "max_unparsed": 1.0, "min_distinct": 0.0}
"""No limits, so that only the champion is asked."""


def play(folder: Path, recipe: str = "supervised", **settings: Any) -> loop.RunOutcome:
    return loop.start({**small(recipe, **RISES), **settings, "out": str(folder)}, Progress(quiet=True))


def metrics(folder: Path, name: str) -> list[float]:
    return [row[name] for number, row in RunReader.of(folder).history().items() if number]


def weights(folder: Path) -> Any:
    return load_file(folder / "model.safetensors")


def test_weights_that_fall_go_back_and_the_first_are_handed_over(tmp_path: Path) -> None:
    done = play(tmp_path / "run", rounds=3, **FALLS, gate={"by": "accuracy", "share": 0.75, **LOOSE})
    assert metrics(tmp_path / "run", CHAMPION) == [0, 0, 0] and metrics(tmp_path / "run", ROLLED_BACK) == [1, 1, 1]
    assert done.verdict.word == "unchanged" and done.verdict.numbers["champion"] == {"round": 0, "of": 3, "tasks": 30, "by": "accuracy"}
    assert (
        done.verdict.reasons[0].startswith("The weights are the first ones: none after them passed the gate") and done.verdict.numbers["tasks"] == 10
    )
    events = (tmp_path / "run" / "events.jsonl").read_text(encoding="utf-8")
    assert events.count("rolled back") == 3 and "greedy accuracy on 30 tasks fell" in events
    first = load_file(tmp_path / "run" / "rounds" / "00000" / "policy.solver.safetensors")
    assert all(equal(tensor, first[name]) for name, tensor in weights(done.model).items() if name in first)
    states = [read_json(tmp_path / "run" / "rounds" / f"{number:05d}" / "state.json")["pool"]["draws"] for number in range(4)]
    assert states == [0, 1, 2, 3], "a round after a rollback draws other tasks"


def test_better_weights_become_champion_and_are_kept_on_disk(tmp_path: Path) -> None:
    done = play(tmp_path / "run", rounds=4, gate={"by": "accuracy"})
    champions = metrics(tmp_path / "run", CHAMPION)
    kept = int(champions[-1])
    assert kept > 0 and metrics(tmp_path / "run", PROMOTED)[kept - 1] == 1 and champions == sorted(champions)
    last = RunReader.of(tmp_path / "run").probe("last")
    assert last is not None and last.round == kept
    assert done.verdict.numbers["accuracy_last"] == parts(last, 0.5)[1].accuracy()
    left = {path.parent.name for path in (tmp_path / "run" / "rounds").glob("*/policy.solver.safetensors")}
    assert left == {f"{kept:05d}", "00004"}


@pytest.mark.parametrize(
    "base", [{"gate": {"by": "accuracy", **LOOSE}, "optimizer": {"learning_rate": 3e-3}}, {**FALLS, "gate": {"by": "votes", **LOOSE}}]
)
def test_a_run_that_is_resumed_decides_as_a_whole_one(tmp_path: Path, base: dict[str, Any]) -> None:
    more = {**base, "probe_samples": 3}
    whole = play(tmp_path / "whole", rounds=4, **more)
    play(tmp_path / "half", rounds=2, **more)
    half = loop.resume(tmp_path / "half", 4, Progress(quiet=True))
    assert half.verdict == whole.verdict and metrics(tmp_path / "half", CHAMPION) == metrics(tmp_path / "whole", CHAMPION)
    assert 1.0 in metrics(tmp_path / "whole", ROLLED_BACK)
    one, two = weights(whole.model), weights(half.model)
    assert all(equal(one[name], two[name]) for name in one)


def test_a_gate_that_warns_moves_nothing(tmp_path: Path) -> None:
    gate = {"by": "accuracy", "mode": "warn", **LOOSE}
    warned = play(tmp_path / "warn", rounds=2, **FALLS, gate=gate)
    free = play(tmp_path / "off", rounds=2, **FALLS, gate={"mode": "off"})
    one, two = weights(warned.model), weights(free.model)
    assert all(equal(one[name], two[name]) for name in one) and warned.verdict.word == free.verdict.word != "unchanged"
    assert "warned" in (tmp_path / "warn" / "events.jsonl").read_text(encoding="utf-8") and metrics(tmp_path / "warn", ROLLED_BACK) == [0, 0]


def test_earlier_abilities_and_drift_are_asked(tmp_path: Path) -> None:
    gate = {"by": "votes", "abilities": "chain?ops=1-2", "abilities_size": 20, "max_drift": 50.0, **LOOSE}
    play(tmp_path / "run", rounds=2, gate=gate, optimizer={"learning_rate": 1e-9})
    assert all(abs(value) < 1e-3 for value in metrics(tmp_path / "run", "gate/drift"))
    known = metrics(tmp_path / "run", "gate/abilities")
    assert known[0] == known[1] > 0 and metrics(tmp_path / "run", CHAMPION) == [1, 2]
    play(tmp_path / "far", rounds=1, gate={**gate, "max_drift": 1e-3})
    assert metrics(tmp_path / "far", "gate/drift")[0] > 1e-3 and metrics(tmp_path / "far", ROLLED_BACK) == [1]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"gate": {"by": "accuracy"}, "select": {"by": "accuracy"}}, r"gate\.by = 'accuracy' and select\.by = 'accuracy' would both choose"),
        ({"gate": {"max_drift": 1.0}}, r"gate\.max_drift is asked of challengers"),
        ({"gate": {"by": "votes"}, "probe_samples": 0}, r"gate\.by = 'votes': the first weights agree"),
        ({"gate": {"by": "pass@1"}, "probe_samples": 0}, r"gate\.by = 'pass@1': no gold answer .* or the probe takes no samples"),
        ({"gate": {"by": "accuracy", "share": 0.999}}, r"gate\.share = 0\.999: of 40 independent probe tasks none is left"),
        ({"gate": {"by": "accuracy", "abilities": "chian"}}, "did you mean 'chain'"),
    ],
)  # fmt: skip
def test_what_cannot_decide_is_said_before_the_first_round(tmp_path: Path, settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AutotelicError, match=complaint):
        play(tmp_path / "run", rounds=1, **settings)


def test_tasks_without_answers_need_the_gate_without_labels(tmp_path: Path) -> None:
    tasks = tmp_path / "t.jsonl"
    tasks.write_text("".join(json.dumps({"prompt": f"{i}+1="}) + "\n" for i in range(30)))
    with pytest.raises(SettingError, match=r"gate\.by = 'accuracy': no gold answer is known"):
        loop.start({**small("srt"), "tasks": str(tasks), "gate": {"by": "accuracy"}, "out": str(tmp_path / "run")}, Progress(quiet=True))
