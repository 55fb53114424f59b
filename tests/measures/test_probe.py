"""Numbers of a probe, of outcomes that were written down by hand."""

import pytest

from autotelic.measures.probe import Outcome, ProbeResult

OUTCOMES = [
    Outcome("same", "", "4", 1.0, ["4", "4", "5", None]),
    Outcome("other", "", "4", 1.0, ["5", "5", "4", "4"]),
    Outcome("no greedy answer", "", None, 0.0, ["7", "6", None, None]),
    Outcome("no sampled answer", "", "4", 0.0, [None, None, None, None]),
    Outcome("not sampled", "", "4", 1.0),
]


def test_how_often_the_majority_overrules_the_greedy_answer() -> None:
    """Of four sampled tasks it does in two: of equals the first seen counts, and without a sampled answer there is no majority."""
    result = ProbeResult(0, 0, OUTCOMES)
    assert result.overruled == 0.5 == result.metrics()["probe/overruled"]
    assert result.agreement == pytest.approx((2 / 4 + 2 / 4 + 1 / 4 + 0) / 4)
    assert "probe/overruled" not in ProbeResult(0, 0, OUTCOMES[4:]).metrics()
