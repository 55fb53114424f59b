"""Alarms in runs: events that the report shows, a lower learning rate, an early end; a resumed run goes on as the whole run would have."""

from pathlib import Path
from typing import Any

import pytest

from autotelic.runs import loop
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader

SMALL = {
    "tasks_per_round": 4,
    "group_size": 4,
    "probe_size": 8,
    "probe_samples": 2,
    "sampling": {"max_tokens": 24},
    "optimizer": {"learning_rate": 1e-4},
}


def begin(out: Path, rounds: int, **alarms: Any) -> loop.RunOutcome:
    """A run in which every group counts as one without signal, so that the alarm is raised as soon as patience has it."""
    return loop.start({"recipe": "srt", "model": "chain-weak", "rounds": rounds, "out": str(out), "alarms": alarms, **SMALL}, Progress(quiet=True))


def rates(out: Path) -> list[float]:
    run = RunReader(out)
    return [run.metrics(number)["learning_rate"] for number in run.numbers[1:]]


@pytest.fixture(scope="module")
def lowered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "whole"
    begin(out, 4, patience=2, factor=0.25, no_signal={"limit": -1.0, "act": "lower"})
    return out


def test_the_learning_rate_is_lowered_from_the_next_round_on(lowered: Path) -> None:
    assert rates(lowered) == [1e-4, 1e-4, 0.25e-4, 0.25e-4]
    metrics = [RunReader(lowered).metrics(number) for number in (1, 2, 3)]
    assert [m.get("alarm/rate") for m in metrics] == [None, 0.25, 0.25]
    events = [event for event in RunReader(lowered).events if event["event"] == "alarm" and "no_signal" in event["text"]]
    assert [event["text"].partition(":")[0] for event in events] == ["round 2"]
    page = (lowered / "report.html").read_text(encoding="utf-8")
    assert '<ul id="alarms">' in page and "round 2: no_signal: frac_reward_zero_std is" in page


def test_a_resumed_run_raises_what_the_whole_run_does(lowered: Path, tmp_path: Path) -> None:
    out = tmp_path / "parts"
    begin(out, 1, patience=2, factor=0.25, no_signal={"limit": -1.0, "act": "lower"})
    for rounds in (2, 4):
        loop.resume(out, rounds, Progress(quiet=True))
    assert rates(out) == rates(lowered)
    for number in (2, 4):
        one, two = (RunReader(folder).metrics(number) for folder in (out, lowered))
        assert {k: v for k, v in one.items() if not k.startswith("seconds")} == {k: v for k, v in two.items() if not k.startswith("seconds")}


def test_an_alarm_ends_the_run_and_it_stays_ended(tmp_path: Path) -> None:
    out = tmp_path / "run"
    outcome = begin(out, 5, patience=3, no_signal={"limit": -1.0, "act": "stop"})
    assert RunReader(out).last == 3
    assert outcome.verdict.reasons[0] == "Ended after round 3: an alarm that ends the run was raised (no_signal)."
    again = loop.resume(out, None, Progress(quiet=True))
    assert RunReader(out).last == 3 and again.verdict.reasons[0] == outcome.verdict.reasons[0]
