"""Golden numbers of `guards.stats`, each with its source."""

from itertools import combinations
from math import isnan
from statistics import fmean

import pytest

from autotelic.measures.stats import bootstrap, bootstrap_difference, mcnemar, newcombe, paired, pass_at_k, t_interval, t_quantile, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_limits_of_newcombe_1998a(successes: int, trials: int, low: float, high: float) -> None:
    """Statistics in Medicine 17:857, table I, method 3."""
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_wilson_of_nothing_is_nan() -> None:
    assert all(isnan(limit) for limit in wilson(0, 0))


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        ((36, 12, 2, 0), 0.0569, 0.3404),  # Newcombe 1998b, Statistics in Medicine 17:2635, table II, method 10
        ((1, 1, 7, 12), -0.507, -0.026),  # Fagerland, Lydersen, Laake 2014, Statistics in Medicine 33:2850: airway hyper-responsiveness
    ],
)
def test_newcombe_gives_the_published_paired_limits(table: tuple[int, int, int, int], low: float, high: float) -> None:
    assert newcombe(*table) == pytest.approx((low, high), abs=5e-4)


def test_newcombe_mirrors_when_the_two_sides_change_places() -> None:
    low, high = newcombe(20, 12, 3, 15)
    assert newcombe(20, 3, 12, 15) == pytest.approx((-high, -low))


def test_newcombe_has_width_where_nothing_flipped() -> None:
    low, high = newcombe(50, 0, 0, 0)
    assert low == pytest.approx(-high) and 0.05 < high < 0.1


def test_mcnemar_by_hand() -> None:
    """1 against 7 flips: 2 * (C(8,0) + C(8,1)) / 2**8 = 18/256."""
    assert mcnemar(1, 7) == mcnemar(7, 1) == 18 / 256
    assert mcnemar(0, 0) == mcnemar(4, 4) == 1.0
    assert mcnemar(0, 10) == 2 / 1024


def test_paired_counts_flips_by_task_and_not_by_position() -> None:
    first = {"a": 1.0, "b": 0.0, "c": 0.0, "d": 1.0}
    last = {"d": 1.0, "c": 1.0, "b": 1.0, "a": 0.0}
    test = paired(first, last)
    assert (test.first, test.last, test.difference, test.right_to_wrong, test.wrong_to_right) == (0.5, 0.75, 0.25, 1, 2)
    assert test.p == 1.0
    assert test.interval.low < 0 < test.interval.high


def test_paired_refuses_different_tasks() -> None:
    with pytest.raises(ValueError, match="different tasks"):
        paired({"a": 1.0}, {"b": 1.0})


def test_pass_at_k_equals_the_mean_over_all_subsets() -> None:
    results = [1, 0, 0, 1, 0, 0, 0]
    for k in range(1, 8):
        assert pass_at_k(7, 2, k) == pytest.approx(fmean(max(subset) for subset in combinations(results, k)))


def test_pass_at_k_refuses_what_is_not_defined() -> None:
    for arguments in ((4, 1, 5), (4, 5, 1), (4, 1, 0)):
        with pytest.raises(ValueError, match="not defined"):
            pass_at_k(*arguments)


@pytest.mark.parametrize(("degrees", "quantile"), [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (5, 2.5706), (10, 2.2281), (30, 2.0423)])
def test_t_quantile_gives_the_table(degrees: int, quantile: float) -> None:
    """Any table of Student's t, two-sided 5%."""
    assert t_quantile(0.975, degrees) == pytest.approx(quantile, abs=5e-5)


def test_t_interval_of_three_seeds_by_hand() -> None:
    """Mean 0.7, standard deviation 0.1, half width 4.3027 * 0.1 / sqrt(3)."""
    assert t_interval([0.6, 0.7, 0.8]) == pytest.approx((0.7 - 0.24841, 0.7 + 0.24841), abs=1e-4)
    assert isnan(t_interval([0.7]).low)


def test_bootstrap_is_keyed_and_near_the_normal_interval() -> None:
    values = [0.0, 1.0] * 200
    low, high = bootstrap(values, "seed", 3)
    assert (low, high) == bootstrap(values, "seed", 3) != bootstrap(values, "seed", 4)
    assert (low, high) == pytest.approx((0.451, 0.549), abs=0.01)


def test_bootstrap_difference_draws_the_sides_apart() -> None:
    """Equal samples on both sides: were one stream used for both, every difference would be 0."""
    low, high = bootstrap_difference([0.0, 1.0] * 100, [0.0, 1.0] * 100, 1)
    assert (low, high) == pytest.approx((-0.098, 0.098), abs=0.02)
