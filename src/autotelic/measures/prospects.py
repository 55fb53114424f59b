"""Whether training without labels is likely to help, said of the first weights before anything is trained. Not a verdict on a run (`measures.verdict`).

Such training teaches a model what its own majority says. So it can raise greedy accuracy where the majority is right more often than the greedy answer,
and a model whose majority errs as its greedy answer does has nothing to learn from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from autotelic.measures.probe import Outcome, overruled
from autotelic.measures.stats import Interval, difference_interval, wilson

SMALL = 0.1
"""A margin below which training is not worth its price: from bases with smaller ones runs gained next to nothing (`benchmarks.when_label_free`)."""
SURE = 0.8
"""Confidence of the two-sided interval that a no rests on: a chance of nine in ten that the margin is below `SMALL`."""
Word = Literal["likely", "unlikely", "unclear"]


@dataclass(frozen=True, slots=True)
class Prospect:
    """What can be said, and from what."""

    word: Word
    """How likely it is that label-free training raises greedy accuracy."""
    tasks: int
    """Tasks with samples: those with gold answers where there are some, else all."""
    overruled: Interval
    """95% interval of the share of them on which the majority is not the greedy answer, which the margin cannot exceed."""
    margin: float | None = None
    """Share of the majority's right answers minus share of right greedy answers; None without gold answers."""
    interval: Interval | None = None
    """95% interval of the margin over tasks."""


def prospect(outcomes: Sequence[Outcome]) -> Prospect | None:
    """What `outcomes` of some weights promise; None where nothing was sampled more than once.

    With gold answers: "likely" where the margin is at least `SMALL` and its 95% interval lies above 0, "unlikely" where the margin is not above 0, or below
    `SMALL` with a chance of nine in ten, else "unclear". Without: "unlikely" where the 95% interval of the share of overruled answers lies below `SMALL`,
    else "unclear", since a majority that overrules may be wrong.
    """
    sampled = [one for one in outcomes if len(one.samples) > 1]
    if not sampled:
        return None
    judged = [(one, one.majority_correct - one.correct) for one in sampled if one.majority_correct is not None and one.correct is not None]
    seen = [one for one, _ in judged] or sampled
    differ = wilson(sum(map(overruled, seen)), len(seen))
    if not judged:
        return Prospect("unlikely" if differ.high < SMALL else "unclear", len(seen), differ)
    margins = [margin for _, margin in judged]
    return Prospect(word_of(margins), len(seen), differ, fmean(margins), difference_interval(margins))


def word_of(margins: Sequence[float]) -> Word:
    """The word for right majorities minus right greedy answers, task by task."""
    margin = fmean(margins)
    if margin >= SMALL and difference_interval(margins).low > 0:
        return "likely"
    return "unlikely" if margin <= 0 or difference_interval(margins, SURE).high < SMALL else "unclear"
