"""Statistics of right and wrong answers: intervals, exact paired tests, pass@k, seeds. Numbers in, numbers out; no files, no models.

Every interval is two-sided and 95% unless told otherwise. NaN stands for what cannot be known, such as an interval of nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import atan, comb, cos, inf, isnan, nan, pi, sin, sqrt
from statistics import NormalDist, fmean, stdev
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from autotelic.streams import generator

T = TypeVar("T")
CONFIDENCE = 0.95
LEVEL = 0.05
"""Tests reject below this p-value."""


class Interval(NamedTuple):
    """A two-sided confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Paired:
    """Two sets of weights on the same tasks."""

    tasks: int
    first: float
    """Accuracy of the first weights."""
    last: float
    difference: float
    """Last minus first."""
    interval: Interval
    p: float
    """Of the exact two-sided sign-flip test, which is McNemar's for outcomes of 0 and 1."""
    right_to_wrong: int
    wrong_to_right: int

    def moved(self, p: float | None = None) -> int:
        """1 for up, -1 for down, where the interval and the exact test both say so; else 0. `p`: what takes the place of the test's own
        p-value, such as one adjusted for several tests."""
        return excludes_zero(self.interval) if (self.p if p is None else p) < LEVEL else 0


def wilson(successes: float, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Score interval of a proportion (Wilson 1927; Newcombe 1998a, method 3); NaN of no trials."""
    if not trials:
        return Interval(nan, nan)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, square = successes / trials, z * z / trials
    middle = (share + square / 2) / (1 + square)
    half = sqrt(share * (1 - share) * square + square * square / 4) / (1 + square)
    return Interval(max(middle - half, 0.0), min(middle + half, 1.0))


def pass_at_k(samples: int, right: int, k: int) -> float:
    """Chance that at least one of `k` samples is right, unbiased from `right` of `samples` (Chen et al. 2021, arXiv:2107.03374, equation 1).

    Raises:
        ValueError: unless 1 <= k <= samples and 0 <= right <= samples.
    """
    if not (1 <= k <= samples and 0 <= right <= samples):
        raise ValueError(f"pass@{k} of {samples} samples with {right} right is not defined")
    return 1.0 - comb(samples - right, k) / comb(samples, k)


def paired(first: Mapping[str, float], last: Mapping[str, float], together: Mapping[str, str] | None = None) -> Paired:
    """Compare outcomes from 0 to 1 by task id. A flip is any change of an outcome.

    `together` names, by task id, what several outcomes have in common, such as a deal that is played against several opponents: these are not
    independent, and their sum counts as one observation for interval and test. Without it every task is one.

    Raises:
        ValueError: the two hold different tasks.
    """
    if first.keys() != last.keys():
        raise ValueError(f"paired outcomes of different tasks: {sorted(first.keys() ^ last.keys())[:3]} ...")
    if not first:
        return Paired(0, nan, nan, nan, Interval(nan, nan), nan, 0, 0)
    changes = {task: last[task] - first[task] for task in first}
    sums: dict[str, float] = defaultdict(float)
    for task, change in changes.items():
        sums[(together or {}).get(task, task)] += change
    lost, gained = sum(change < 0 for change in changes.values()), sum(change > 0 for change in changes.values())
    interval = difference_interval([total * len(sums) / len(changes) for total in sums.values()])
    means = fmean(first.values()), fmean(last.values())
    return Paired(len(changes), *means, means[1] - means[0], interval, sign_flip(list(sums.values())), lost, gained)


def difference_interval(differences: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Interval of the mean of paired differences between -1 and 1.

    Bonett and Price 2012, Journal of Educational and Behavioral Statistics 37:479: the usual interval after one difference of 1 and one of -1
    have been added, which makes it wide where there are few, and keeps a width where all are equal. They have differences of -1, 0 and 1 (of right
    and wrong answers); graded ones, which vary less, are covered more often than the confidence says.
    """
    low, high = _normal([*differences, 1.0, -1.0], confidence)
    return Interval(max(low, -1.0), min(high, 1.0)) if differences else Interval(nan, nan)


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Interval of the mean of values from 0 to 1, such as each task's share of right samples: the usual one after two values of 0 and two of 1 have
    been added (Agresti and Coull 1998, The American Statistician 52:119, for values of 0 and 1), so that few values have a wide one."""
    low, high = _normal([*values, 0.0, 0.0, 1.0, 1.0], confidence)
    return Interval(max(low, 0.0), min(high, 1.0)) if values else Interval(nan, nan)


def _normal(values: Sequence[float], confidence: float) -> Interval:
    """Mean and z standard errors on either side, from the variance with divisor n."""
    middle = fmean(values)
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * sqrt(fmean((value - middle) ** 2 for value in values) / len(values))
    return Interval(middle - half, middle + half)


UNITS = 240
"""Differences that are multiples of 1/n for an n up to this are tested exactly; others are rounded first, to this share of the largest or finer."""


def sign_flip(differences: Sequence[float]) -> float:
    """Exact two-sided p-value that each paired difference could as well have had the other sign: the chance, under all flips of signs, of a sum at
    least as far from 0 (Fisher 1935, The Design of Experiments, section 21). Of differences of -1, 0 and 1 it is McNemar's exact test. 1 of none.
    """
    changed = np.array([difference for difference in differences if difference], dtype=np.float64)
    if not len(changed):
        return 1.0
    steps = _whole(np.abs(changed))
    far = abs(int((np.sign(changed) * steps).sum()))
    sums = np.abs(2 * np.arange(int(steps.sum()) + 1) - int(steps.sum()))
    return min(1.0, float(_chances(steps.tolist())[sums >= far].sum()))


def _chances(steps: Sequence[int]) -> NDArray[np.float64]:
    """The chance of every sum from 0 to the whole, where each step is in it or not by the toss of a coin."""
    chances = np.zeros(sum(steps) + 1)
    chances[0], reached = 1.0, 0
    for step in steps:
        chances[step : reached + step + 1] += chances[: reached + 1].copy()
        reached += step
        chances[: reached + 1] /= 2
    return chances


def _whole(sizes: NDArray[np.float64]) -> NDArray[np.int64]:
    """Sizes as whole numbers of a common unit."""
    scales = np.arange(1, UNITS + 1)
    fits = (np.abs(np.outer(scales, sizes) - np.rint(np.outer(scales, sizes))) < 1e-6).all(1)
    scale = float(scales[fits.argmax()]) if fits.any() else 4 * UNITS / float(sizes.max())
    return np.rint(sizes * scale).astype(np.int64)


def holm(ps: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979, Scandinavian Journal of Statistics 6:65): those below 5% are wrong together in at most 5% of cases."""
    order = sorted(range(len(ps)), key=lambda place: ps[place])
    adjusted, most = [0.0] * len(ps), 0.0
    for rank, place in enumerate(order):
        most = max(most, min(1.0, ps[place] * (len(ps) - rank)))
        adjusted[place] = most
    return adjusted


def swap_test(first: Sequence[T], last: Sequence[T], measure: Callable[[Sequence[T]], float], *name: object, draws: int = 999) -> float:
    """One-sided p-value of `measure(last)` being below `measure(first)`: how often the difference is at least as low where each pair of outcomes is
    exchanged by the toss of a coin. `name` keys the random stream."""
    seen, random, low = measure(last) - measure(first), generator("swap", *name), 0
    for _ in range(draws):
        pairs = [(b, a) if random.random() < 0.5 else (a, b) for a, b in zip(first, last, strict=True)]
        low += measure([b for _, b in pairs]) - measure([a for a, _ in pairs]) <= seen
    return (1 + low) / (1 + draws)


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Student's interval of the mean of `values`, one per seed; NaN of fewer than two. For two arms with the same seeds pass the differences."""
    if len(values) < 2:
        return Interval(nan, nan)
    middle = fmean(values)
    half = t_quantile(0.5 + confidence / 2, len(values) - 1) * stdev(values) / sqrt(len(values))
    return Interval(middle - half, middle + half)


def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t for `probability` in [0.5, 1), by bisection of the exact finite sum (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    low, high = 0.0, pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 0.5 + _t_within(middle, degrees) / 2 < probability else (low, middle)
    return sqrt(degrees) * sin(low) / cos(low) if low < pi / 2 else inf


def t_beyond(t: float, degrees: int) -> float:
    """Two-sided p-value of a Student's t."""
    return max(1.0 - _t_within(atan(abs(t) / sqrt(degrees)), degrees), 0.0)


def _t_within(theta: float, degrees: int) -> float:
    """P(|T| <= sqrt(degrees) * tan(theta))."""
    odd = degrees % 2
    term, series = cos(theta) ** odd, 0.0
    for i in range(1, (degrees - odd) // 2 + 1):
        series += term
        term *= (2 * i - 1 + odd) / (2 * i + odd) * cos(theta) ** 2
    return (theta + sin(theta) * series) * 2 / pi if odd else sin(theta) * series


def excludes_zero(interval: Interval) -> int:
    """1 when the interval lies above 0, -1 when below, 0 when it holds 0 or is not known."""
    if isnan(interval.low) or isnan(interval.high):
        return 0
    return (interval.low > 0) - (interval.high < 0)
