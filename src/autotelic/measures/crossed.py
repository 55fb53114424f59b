"""Two methods on the same tasks with several seeds: how far they differ where both tasks and seeds vary. Numbers in, numbers out.

A difference on task t with seed s is taken as the true difference + an effect of the seed + an effect of the task + the rest: other seeds would have trained
other models, and other tasks would have been right or wrong. An interval over seeds alone forgets that the tasks are a sample, one over tasks
alone that a seed may be lucky for all of them. `measures.stats.paired` is for two sets of weights, of which there is one each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray

from autotelic.measures.stats import CONFIDENCE, Interval, t_beyond, t_quantile

LEAST = 3
"""Fewer seeds say too little of how seeds vary for a verdict: of two, intervals hold the truth in 90% of cases only."""
MOST_DEGREES = 1000
POWER = 0.8


@dataclass(frozen=True, slots=True)
class Crossed:
    """How far the means of two methods are apart, over tasks and seeds."""

    seeds: int
    tasks: int
    difference: float
    """Mean over all seeds and tasks."""
    interval: Interval
    """95%, for other seeds and other tasks; NaN of fewer than two seeds."""
    p: float
    """Two-sided, of no difference; that of the same t as the interval's."""
    seen: float
    """The difference that would have been told from none in 8 of 10 such comparisons."""


UNKNOWN = Interval(nan, nan)


def crossed(differences: Sequence[Sequence[float]] | NDArray[np.float64]) -> Crossed:
    """Compare by `differences`, one row a seed, one column a task, each from -1 to 1.

    The variance of the mean is (A + B - E) / (seeds * tasks) and no less than that of A or of B alone, with the mean squares A of seeds, B of tasks
    and E of the rest; degrees of freedom by Satterthwaite (1946, Biometrics Bulletin 2:110), rounded down. A task with a difference of 1 and one of -1 for all seeds are added
    first, as Bonett and Price do (`stats.difference_interval`), which makes the interval wide where there are few tasks and keeps a width where all differences are equal.
    """
    seen = np.asarray(differences, dtype=np.float64)
    seeds, tasks = seen.shape if seen.ndim == 2 and seen.size else (len(seen), 0)
    if seeds < 2 or not tasks:
        return Crossed(seeds, tasks, float(seen.mean()) if seen.size else nan, UNKNOWN, nan, nan)
    padded = np.hstack([seen, np.ones((seeds, 1)), -np.ones((seeds, 1))])
    variance, degrees = spread(padded)
    middle, error = float(padded.mean()), sqrt(variance)
    half = quantile(0.5 + CONFIDENCE / 2, degrees) * error
    interval = Interval(max(middle - half, -1.0), min(middle + half, 1.0))
    return Crossed(seeds, tasks, float(seen.mean()), interval, t_beyond(middle / error, degrees), half + quantile(POWER, degrees) * error)


def spread(values: NDArray[np.float64]) -> tuple[float, int]:
    """The variance of the mean of rows crossed with columns, and its degrees of freedom."""
    (rows, columns), middle = values.shape, values.mean()
    by_row, by_column = values.mean(1, keepdims=True), values.mean(0, keepdims=True)
    row = columns * float(((by_row - middle) ** 2).sum()) / (rows - 1)
    column = rows * float(((by_column - middle) ** 2).sum()) / (columns - 1)
    rest = float(((values - by_row - by_column + middle) ** 2).sum()) / ((rows - 1) * (columns - 1))
    whole = max(row + column - rest, row, column)
    parts = row**2 / (rows - 1) + column**2 / (columns - 1) + rest**2 / ((rows - 1) * (columns - 1))
    return whole / (rows * columns), min(max(int(whole**2 / parts), 1), MOST_DEGREES)


@cache
def quantile(probability: float, degrees: int) -> float:
    """`stats.t_quantile`, kept."""
    return t_quantile(probability, degrees)
