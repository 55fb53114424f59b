"""Rewards of length, by hand."""

import pytest

from autotelic.rewards.lengths import effort, soft_overlong


def test_soft_overlong_punishment() -> None:
    assert [soft_overlong(length, limit=20, cache=5) for length in (0, 15, 16, 18, 20, 99)] == pytest.approx([0, 0, -0.2, -0.6, -1, -1])
    with pytest.raises(ValueError, match="cache = 0: it must be between 1 and the limit of 20 tokens"):
        soft_overlong(1, 20, 0)


def test_effort_is_priced_without_a_limit_below_or_paid_within_bounds() -> None:
    assert [effort(length, 1000) for length in (200, 500, 1000, 4000)] == [-5, -2, -1, -0.25]
    assert [effort(length, 1000, bounded=True) for length in (0, 500, 1000, 2000, 4000)] == [0, 0, 0, 0.5, 0.75]
    assert effort(0, 10) == effort(1, 10) == -10
