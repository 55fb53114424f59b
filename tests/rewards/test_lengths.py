"""Rewards of length, by hand."""

import pytest

from autotelic.rewards.lengths import soft_overlong


def test_soft_overlong_punishment() -> None:
    assert [soft_overlong(length, limit=20, cache=5) for length in (0, 15, 16, 18, 20, 99)] == pytest.approx([0, 0, -0.2, -0.6, -1, -1])
    with pytest.raises(ValueError, match="cache = 0: it must be between 1 and the limit of 20 tokens"):
        soft_overlong(1, 20, 0)
