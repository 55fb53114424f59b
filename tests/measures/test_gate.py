"""The gate keeps what works and rolls back what cannot work."""

import pytest

from autotelic.measures.gate import GateSettings, decide

REFERENCE = {"probe/distinct": 0.8, "probe/unparsed": 0.05, "probe/truncated": 0.0, "entropy": 0.6, "loss": 0.1}


@pytest.mark.parametrize(
    "change",
    [
        {"loss": float("nan")},
        {"grad_norm": float("inf")},
        {"probe/unparsed": 0.95},
        {"probe/truncated": 1.0},
        {"probe/distinct": 0.1},
        {"sampling/sampling_logp_difference/mean": 0.9},
    ],
)
def test_one_bad_monitor_rolls_back_and_is_named(change: dict[str, float]) -> None:
    decision = decide(REFERENCE | change, REFERENCE, GateSettings())
    assert not decision.keep
    assert len(decision.reasons) == 1 and next(iter(change)) in decision.reasons[0]


def test_healthy_rounds_and_absent_metrics_are_kept() -> None:
    assert decide(REFERENCE | {"probe/distinct": 0.5, "entropy": 0.001}, REFERENCE, GateSettings()).keep
    assert decide({}, {}, GateSettings()).keep


def test_a_round_on_harder_tasks_is_not_a_fault() -> None:
    assert decide(REFERENCE | {"completions/clipped_ratio": 1.0, "answers/unparsed": 1.0}, REFERENCE, GateSettings()).keep


def test_what_was_so_from_the_start_is_kept() -> None:
    assert decide({"probe/truncated": 1.0}, {"probe/truncated": 1.0}, GateSettings()).keep


def test_the_entropy_floor_is_off_until_set_and_the_gate_can_be_off() -> None:
    assert not decide({"entropy": 0.01}, REFERENCE, GateSettings(min_entropy=0.05)).keep
    assert decide({"loss": float("nan")}, REFERENCE, GateSettings(mode="off")).keep


def test_the_truth_is_never_read() -> None:
    assert decide(REFERENCE | {"probe/accuracy": 0.0}, REFERENCE | {"probe/accuracy": 1.0}, GateSettings()).keep
