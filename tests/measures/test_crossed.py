"""Differences over tasks and seeds: values by hand, and on data whose truth is known how often intervals and verdicts are wrong."""

from math import isnan, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from autotelic.measures.crossed import LEAST, crossed, spread
from autotelic.measures.stats import LEVEL, holm, t_beyond, t_quantile

RUNS = 300


def within(share: float, limit: float) -> bool:
    return share <= limit + 3 * sqrt(limit * (1 - limit) / RUNS)


def test_by_hand() -> None:
    """With the two tasks that are added the rows are (1, 0, 1, -1) and (0, 0, 1, -1), with mean 1/8. Mean squares: of seeds 4 * 2 * (1/8)^2 = 1/8, of tasks
    2 * (9 + 1 + 49 + 81) / 64 / 3 = 35/24, of the rest 2 * (9 + 3) / 64 / 3 = 1/8. So 35/24 / 8 is the variance of the mean, with
    (35/24)^2 / (1/64 + (35/24)^2 / 3 + 1/64 / 3) = 2.9 degrees of freedom; of 2 the p-value is 1 - t / sqrt(2 + t^2)."""
    rows = np.array([[1.0, 0, 1, -1], [0, 0, 1, -1]])
    assert spread(rows) == (pytest.approx(35 / 24 / 8), 2)
    found, t = crossed([[1, 0], [0, 0]]), 0.125 / sqrt(35 / 24 / 8)
    assert (found.seeds, found.tasks, found.difference) == (2, 2, 0.25)
    assert found.p == pytest.approx(1 - t / sqrt(2 + t * t)) and found.interval == (-1, 1)
    assert crossed(np.tile([[1.0, 0, 0, 0, 0]], (3, 40))).interval.low > 0


def test_t_of_tables() -> None:
    assert [t_beyond(t, n) for t, n in ((12.7062, 1), (4.3027, 2), (-2.2281, 10), (1.9719, 200), (0, 5))] == pytest.approx([0.05] * 4 + [1], abs=1e-4)
    assert t_quantile(0.975, 1000) == pytest.approx(1.9623, abs=1e-4)


def test_what_cannot_be_known_and_what_does_not_vary() -> None:
    one, none, empty = crossed([[1, 0, 0]]), crossed([[0.0] * 20] * 3), crossed([])
    assert one.difference == pytest.approx(1 / 3) and isnan(one.p) and isnan(one.interval.low) and isnan(empty.difference)
    assert none.p == 1 and none.interval.low < 0 < none.interval.high
    assert crossed([[1.0] * 200] * 3).interval.low > 0.9 and crossed([[1.0] * 2] * 3).p > LEVEL


def drawn(random: np.random.Generator, seeds: int, tasks: int, of_seed: float, better: float) -> NDArray[np.float64]:
    """Right and wrong answers of two methods, as differences. On a logit scale: tasks are easier and harder for both (1.5) and for each (.5), a seed is lucky with all tasks
    (`of_seed`) and with single ones (.5); the first method is `better`."""

    def right(by_task: NDArray[np.float64]) -> NDArray[np.float64]:
        logits = by_task + random.normal(0, of_seed, (seeds, 1)) + random.normal(0, 0.5, (seeds, tasks))
        return (random.random((seeds, tasks)) < 1 / (1 + np.exp(-logits))).astype(np.float64)

    shared = random.normal(0, 1.5, tasks)
    return right(shared + random.normal(better, 0.5, tasks)) - right(shared + random.normal(0, 0.5, tasks))


def truth(of_seed: float, better: float) -> float:
    return float(drawn(np.random.default_rng(1), 2000, 1000, of_seed, better).mean())


@pytest.mark.parametrize("tasks", [3, 10, 50, 200])
@pytest.mark.parametrize("seeds", [LEAST, 8])
def test_methods_that_are_alike_are_told_apart_in_no_more_than_5_percent(seeds: int, tasks: int) -> None:
    """Whether seeds hardly vary or are most of what varies; an interval over tasks, of seeds thrown together, would not do."""
    for of_seed in (0.0, 0.5):
        random = np.random.default_rng(tasks)
        found = [crossed(drawn(random, seeds, tasks, of_seed, 0.0)).p for _ in range(RUNS)]
        assert within(sum(p < LEVEL for p in found) / RUNS, LEVEL)


@pytest.mark.parametrize(("seeds", "tasks"), [(LEAST, 10), (LEAST, 100), (8, 100)])
def test_intervals_hold_the_truth(seeds: int, tasks: int) -> None:
    """At least 93% of them."""
    for of_seed in (0.0, 0.3):
        real, random = truth(of_seed, 0.6), np.random.default_rng(tasks)
        found = [crossed(drawn(random, seeds, tasks, of_seed, 0.6)).interval for _ in range(RUNS)]
        assert within(sum(not one.low <= real <= one.high for one in found) / RUNS, 0.07)


def test_a_difference_of_ten_points_is_seen_and_what_can_be_seen_is_said() -> None:
    """With 200 tasks and five seeds, 9 times in 10; one of .075 would be 8 times in 10, as is said."""
    random = np.random.default_rng(0)
    found = [crossed(drawn(random, 5, 200, 0.1, 0.6)) for _ in range(RUNS)]
    assert truth(0.1, 0.6) == pytest.approx(0.1, abs=0.01)
    assert sum(one.p < LEVEL for one in found) / RUNS > 0.85 and float(np.median([one.seen for one in found])) == pytest.approx(0.075, abs=0.005)


def test_of_many_pairs_of_methods_that_are_alike_none_is_told_apart_in_95_percent_of_comparisons() -> None:
    """Four methods, six pairs, after Holm's correction."""
    random, wrong = np.random.default_rng(0), 0
    for _ in range(RUNS):
        shared = random.normal(0, 1.5, 60)
        logits = [shared + random.normal(0, 0.3, 60) + random.normal(0, 0.3, (LEAST, 1)) for _ in range(4)]
        right = [(random.random((LEAST, 60)) < 1 / (1 + np.exp(-one))).astype(np.float64) for one in logits]
        wrong += min(holm([crossed(right[i] - right[j]).p for i in range(4) for j in range(i)])) < LEVEL
    assert within(wrong / RUNS, LEVEL)
