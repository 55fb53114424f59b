"""Golden numbers of `measures.stats`, each with its source."""

from itertools import combinations, product
from math import isnan
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotelic.measures.stats import (
    difference_interval,
    holm,
    mean_interval,
    paired,
    pass_at_k,
    sign_flip,
    swap_test,
    t_interval,
    t_quantile,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_limits_of_newcombe_1998a(successes: int, trials: int, low: float, high: float) -> None:
    """Statistics in Medicine 17:857, table I, method 3."""
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_wilson_of_nothing_is_nan() -> None:
    assert all(isnan(limit) for limit in wilson(0, 0))


def test_the_interval_of_a_difference_is_that_of_bonett_and_price() -> None:
    """By hand, of 21 pairs with 1 and 7 flips (Fagerland, Lydersen, Laake 2014, Statistics in Medicine 33:2850: airway hyper-responsiveness):
    shares (1 + 1) / 23 and (7 + 1) / 23, difference -6/23 = -.2609, variance (10/23 - (6/23)^2) / 23 = .015944."""
    low, high = difference_interval([1.0] + [-1.0] * 7 + [0.0] * 13)
    assert (low, high) == pytest.approx((-0.2609 - 1.95996 * 0.12627, -0.2609 + 1.95996 * 0.12627), abs=1e-4)
    assert difference_interval([-1.0] + [1.0] * 7 + [0.0] * 13) == pytest.approx((-high, -low))


def test_intervals_of_few_values_are_wide_and_never_without_width() -> None:
    """One play from .5 to 1: mean .5/3, variance (.25 + 2) / 3 - (1/6)^2 = .7222, half width 1.96 * sqrt(.7222 / 3) = .9617."""
    assert difference_interval([0.5]) == pytest.approx((0.16667 - 0.9617, 1.0), abs=1e-3)
    low, high = difference_interval([0.0] * 50)
    assert low == pytest.approx(-high) and 0.05 < high < 0.1
    assert mean_interval([1.0]) == pytest.approx((0.6 - 1.95996 * (0.24 / 5) ** 0.5, 1.0), abs=1e-4)
    assert all(isnan(limit) for interval in (difference_interval([]), mean_interval([])) for limit in interval)


def test_the_sign_flip_test_is_mcnemar_s_for_right_and_wrong() -> None:
    """1 against 7 flips: 2 * (C(8,0) + C(8,1)) / 2**8 = 18/256."""
    assert sign_flip([1.0] + [-1.0] * 7 + [0.0] * 9) == sign_flip([-1.0] + [1.0] * 7) == pytest.approx(18 / 256)
    assert sign_flip([]) == sign_flip([0.0, 0.0]) == sign_flip([1.0, -1.0] * 4) == 1.0
    assert sign_flip([1.0] * 10) == pytest.approx(2 / 1024)


def test_the_sign_flip_test_of_graded_outcomes_by_hand() -> None:
    """Sums of +-.5 +-.5 +-.25 at least as far from 0 as 1.25: 2 of 8; as .75: 4 of 8."""
    assert sign_flip([0.5, 0.5, 0.25]) == pytest.approx(2 / 8)
    assert sign_flip([0.5, 0.5, -0.25]) == pytest.approx(4 / 8)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-8, 8), max_size=9), st.sampled_from([1, 3, 8, 7]))
def test_the_sign_flip_test_counts_all_flips(steps: list[int], unit: int) -> None:
    seen = abs(sum(steps))
    flips = [abs(sum(sign * step for sign, step in zip(signs, steps, strict=True))) for signs in product((1, -1), repeat=len(steps))]
    assert sign_flip([step / unit for step in steps]) == pytest.approx(fmean(flip >= seen for flip in flips))


def test_differences_without_a_common_unit_are_tested_too() -> None:
    """Square roots of primes: only the two flips with all signs alike are as far out; of the order of the sizes nothing depends on rounding."""
    assert sign_flip([0.1414, 0.1732, 0.2236, 0.2646, 0.3317, 0.3606]) == pytest.approx(2 / 64)


def test_holm_by_hand() -> None:
    """.01 * 3; then the larger of that and .03 * 2; then the larger of that and .04 * 1."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([0.02]) == [0.02] and holm([]) == []


def test_the_swap_test_asks_whether_the_sides_could_change_places() -> None:
    """Six different answers against six equal ones: of 64 exchanges only the one seen has so large a fall."""
    different, equal = ["a", "b", "c", "d", "e", "f"], ["x"] * 6

    def kinds(answers: object) -> float:
        return float(len(set(answers)))  # type: ignore[call-overload]

    assert swap_test(different, equal, kinds, 1) == swap_test(different, equal, kinds, 1) == pytest.approx(1 / 64, abs=0.015)
    assert swap_test(equal, different, kinds, 1) == 1.0
    assert swap_test(different[:2], equal[:2], kinds, 1) > 0.2


def test_paired_counts_flips_by_task_and_not_by_position() -> None:
    first = {"a": 1.0, "b": 0.0, "c": 0.0, "d": 1.0}
    last = {"d": 1.0, "c": 1.0, "b": 1.0, "a": 0.0}
    test = paired(first, last)
    assert (test.first, test.last, test.difference, test.right_to_wrong, test.wrong_to_right) == (0.5, 0.75, 0.25, 1, 2)
    assert test.p == 1.0
    assert test.interval.low < 0 < test.interval.high


def test_outcomes_that_share_something_are_one_observation() -> None:
    """Six deals played against two opponents each, all twelve plays better: six observations, not twelve."""
    first = {f"deal {deal} {opponent}": 0.0 for deal in range(6) for opponent in "ab"}
    last, deals = dict.fromkeys(first, 1.0), {play: play[:6] for play in first}
    alone, shared = paired(first, last), paired(first, last, deals)
    assert (alone.p, shared.p) == (pytest.approx(2 / 4096), pytest.approx(2 / 64))
    assert shared.interval == paired(dict(list(first.items())[::2]), dict(list(last.items())[::2])).interval
    assert (shared.tasks, shared.difference, shared.wrong_to_right) == (12, 1.0, 12)


def test_a_move_needs_interval_and_test() -> None:
    six = {str(i): 0.0 for i in range(6)}
    assert paired(six, dict.fromkeys(six, 1.0)).moved() == 1 and paired(dict.fromkeys(six, 1.0), six).moved() == -1
    assert paired(six, dict.fromkeys(six, 1.0)).moved(0.05) == 0
    five = {str(i): 0.0 for i in range(5)}
    assert paired(five, dict.fromkeys(five, 1.0)).interval.low > 0 and paired(five, dict.fromkeys(five, 1.0)).moved() == 0
    assert paired({"t": 0.5}, {"t": 1.0}).moved() == paired({}, {}).moved() == 0


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
