"""Statistics of right and wrong answers: intervals, pass@k, paired comparison, seeds, bootstrap. Numbers in, numbers out; no files, no models.

Every interval is two-sided and 95% unless told otherwise. NaN stands for what cannot be known, such as an interval of nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb, cos, inf, isnan, nan, pi, prod, sin, sqrt
from statistics import NormalDist, fmean, stdev
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autotelic.streams import key, uniforms

CONFIDENCE = 0.95


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
    """Exact two-sided McNemar p-value."""
    right_to_wrong: int
    wrong_to_right: int


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


def paired(first: Mapping[str, float], last: Mapping[str, float], confidence: float = CONFIDENCE) -> Paired:
    """Compare outcomes from 0 to 1 by task id. Where some lie between, as a draw does, the interval is the bootstrap's and a flip is any change.

    Raises:
        ValueError: the two hold different tasks.
    """
    if first.keys() != last.keys():
        raise ValueError(f"paired outcomes of different tasks: {sorted(first.keys() ^ last.keys())[:3]} ...")
    if not first:
        return Paired(0, nan, nan, nan, Interval(nan, nan), nan, 0, 0)
    both = [(first[task], last[task]) for task in first]
    lost, gained = sum(a > b for a, b in both), sum(a < b for a, b in both)
    means = fmean(a for a, _ in both), fmean(b for _, b in both)
    if {value for pair in both for value in pair} <= {0.0, 1.0}:
        interval = newcombe(both.count((1.0, 1.0)), gained, lost, both.count((0.0, 0.0)), confidence)
    else:
        interval = bootstrap([b - a for a, b in both], "paired", confidence=confidence)
    return Paired(len(both), *means, means[1] - means[0], interval, mcnemar(lost, gained), lost, gained)


def newcombe(both: int, only_a: int, only_b: int, neither: int, confidence: float = CONFIDENCE) -> Interval:
    """Interval of the share right under A minus the share right under B, on the same tasks.

    Newcombe 1998, Statistics in Medicine 17:2635, method 10: two Wilson intervals squared and added, with the
    correlation of the pairs, corrected for continuity where it is positive.
    """
    tasks = both + only_a + only_b + neither
    share_a, share_b = (both + only_a) / tasks, (both + only_b) / tasks
    low_a, high_a = wilson(both + only_a, tasks, confidence)
    low_b, high_b = wilson(both + only_b, tasks, confidence)
    covariance = float(both * neither - only_a * only_b)
    if covariance > 0:
        covariance = max(covariance - tasks / 2, 0.0)
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    phi = covariance / sqrt(margins) if margins else 0.0
    down_a, up_a, down_b, up_b = share_a - low_a, high_a - share_a, share_b - low_b, high_b - share_b
    below = sqrt(max(down_a**2 - 2 * phi * down_a * up_b + up_b**2, 0.0))
    above = sqrt(max(up_a**2 - 2 * phi * up_a * down_b + down_b**2, 0.0))
    return Interval(share_a - share_b - below, share_a - share_b + above)


def mcnemar(lost: int, gained: int) -> float:
    """Exact two-sided p-value that flips in both directions are equally likely: a sign test on the tasks that flipped; 1 where none did."""
    flips = lost + gained
    tail = sum(comb(flips, i) for i in range(min(lost, gained) + 1))
    return float(min(1.0, 2 * tail / 2**flips))


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


def _t_within(theta: float, degrees: int) -> float:
    """P(|T| <= sqrt(degrees) * tan(theta))."""
    odd = degrees % 2
    terms = range((degrees - odd) // 2)
    series: float = sum(prod((2 * j - 1 + odd) / (2 * j + odd) for j in range(1, i + 1)) * cos(theta) ** (2 * i + odd) for i in terms)
    return (theta + sin(theta) * series) * 2 / pi if odd else sin(theta) * series


def bootstrap(values: Sequence[float], *name: object, resamples: int = 2000, confidence: float = CONFIDENCE) -> Interval:
    """Percentile bootstrap of the mean (Efron 1979); of paired values pass the differences. `name` keys the random stream."""
    return _percentiles(_means(values, resamples, ("bootstrap", *name)), confidence)


def bootstrap_difference(
    first: Sequence[float], last: Sequence[float], *name: object, resamples: int = 2000, confidence: float = CONFIDENCE
) -> Interval:
    """Percentile bootstrap of mean(last) - mean(first) of unpaired samples, each drawn anew. `name` keys the random stream."""
    drawn = [_means(values, resamples, ("bootstrap", side, *name)) for side, values in (("first", first), ("last", last))]
    return _percentiles(drawn[1] - drawn[0], confidence)


def _means(values: Sequence[float], resamples: int, name: tuple[object, ...]) -> NDArray[np.float64]:
    """(resamples,) means of draws with replacement; one key per resample, one position per draw."""
    data = np.asarray(values, dtype=np.float64)
    keys = np.array([key(*name, i) for i in range(resamples)], dtype=np.uint64)
    total = np.zeros(resamples)
    for position in range(len(data)):
        total += data[(uniforms(keys, position) * len(data)).astype(np.int64)]
    return total / len(data) if len(data) else np.full(resamples, nan)


def _percentiles(draws: NDArray[np.float64], confidence: float) -> Interval:
    low, high = np.quantile(draws, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Interval(float(low), float(high))


def excludes_zero(interval: Interval) -> int:
    """1 when the interval lies above 0, -1 when below, 0 when it holds 0 or is not known."""
    if isnan(interval.low) or isnan(interval.high):
        return 0
    return (interval.low > 0) - (interval.high < 0)
