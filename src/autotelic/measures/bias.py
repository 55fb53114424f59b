"""Whether judges lean on what is no merit: length, place, authorship. Pure functions of what was judged and of the truth; None where nothing can be told."""

from collections.abc import Iterable, Sequence
from itertools import combinations, groupby
from statistics import fmean
from typing import NamedTuple


class Judged(NamedTuple):
    """An answer, and what a judge made of it."""

    task: str
    grade: float
    right: float
    """1.0 or 0.0."""
    length: int = 0
    own: bool = False
    """Whether the judge judges what it wrote itself."""


def length_bias(judged: Iterable[Judged]) -> float | None:
    """Of two answers to one task that are both right or both wrong, of different lengths and graded apart: the share in which the longer has the higher
    grade, minus the share in which the shorter has it."""
    found = []
    for _, same in groupby(sorted(judged), key=lambda one: one.task):
        for a, b in combinations(same, 2):
            if a.right == b.right and a.length != b.length and a.grade != b.grade:
                found.append(1.0 if (a.length > b.length) == (a.grade > b.grade) else -1.0)
    return fmean(found) if found else None


def position_bias(first_chosen: Sequence[bool]) -> float | None:
    """Of judgements between two answers in random order: the share that chose the first shown, minus the share that chose the second."""
    return 2.0 * fmean(first_chosen) - 1.0 if first_chosen else None


def self_preference(judged: Iterable[Judged]) -> float | None:
    """The mean grade of a judge's own answers minus that of others', among the right ones and among the wrong ones; the mean of both."""
    found = []
    given = list(judged)
    for right in sorted({one.right for one in given}):
        own, others = ([one.grade for one in given if one.right == right and one.own is whose] for whose in (True, False))
        if own and others:
            found.append(fmean(own) - fmean(others))
    return fmean(found) if found else None
