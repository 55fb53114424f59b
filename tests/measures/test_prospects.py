"""What first weights promise of label-free training, of outcomes that were written down by hand."""

from math import sqrt

import pytest

from autotelic.measures.probe import Outcome
from autotelic.measures.prospects import Prospect, prospect


def outcomes(greedy: float, majority: float, count: int, *, gold: bool = True) -> list[Outcome]:
    """Tasks whose greedy answer and majority are right or wrong; the majority is the greedy answer only where both are right or both wrong."""
    answer, voted = ("right" if greedy else "wrong"), ("right" if majority else "wrong")
    return [Outcome("t", "", answer, greedy if gold else None, [voted] * 3, [majority] * 3 if gold else [], majority if gold else None)] * count


def interval(gained: int, lost: int, count: int) -> tuple[float, float]:
    """Of the mean of +1, -1 and 0, after one of +1 and one of -1 have been added: mean, and 1.96 standard errors on either side."""
    n = count + 2
    middle = (gained - lost) / n
    half = 1.959964 * sqrt(((gained + lost + 2) / n - middle**2) / n)
    return middle - half, middle + half


@pytest.mark.parametrize(
    ("gained", "lost", "same", "word"),
    [
        (60, 0, 40, "likely"),
        (14, 2, 84, "likely"),  # .12, from .03 to .20
        (10, 3, 87, "unclear"),  # .07, with a chance of a tenth above .117
        (20, 4, 176, "unclear"),  # .08, from .03 to .13: surely more, and perhaps too little to be worth it
        (18, 6, 176, "unlikely"),  # .06, with a chance of a tenth above .091
        (13, 10, 77, "unlikely"),  # .03, from -.06 to .12: a chance of a tenth above .09
        (14, 24, 162, "unlikely"),
        (5, 5, 190, "unlikely"),
        (3, 1, 196, "unlikely"),  # .01, to .04
        (0, 0, 4, "unlikely"),  # nothing differs; were there more, it would be known better
    ],
)
def test_the_word_follows_from_the_margin_and_its_interval(gained: int, lost: int, same: int, word: str) -> None:
    count = gained + lost + same
    found = prospect(outcomes(0, 1, gained) + outcomes(1, 0, lost) + outcomes(1, 1, same))
    assert found is not None and (found.word, found.tasks) == (word, count)
    assert found.margin == pytest.approx((gained - lost) / count)
    assert found.interval == pytest.approx(interval(gained, lost, count), abs=1e-6)
    assert found.overruled.low < (gained + lost) / count + 1e-9 and (gained + lost) / count < found.overruled.high + 1e-9


def test_without_gold_answers_only_a_no_can_be_said() -> None:
    """Of 4 in 100 Wilson's interval ends below .1, of 5 in 100 not: (.05 + .0192 + 1.96 sqrt(.05 * .95 / 100 + .0096^2)) / 1.0384 = .112."""
    said = [prospect(outcomes(0, 1, count, gold=False) + outcomes(1, 1, 100 - count, gold=False)) for count in (4, 5, 90)]
    assert [one and one.word for one in said] == ["unlikely", "unclear", "unclear"]
    assert said[1] is not None and said[1].overruled.high == pytest.approx(0.1118, abs=1e-4)
    assert said[1].margin is said[1].interval is None


def test_gold_answers_of_some_tasks_are_what_is_judged() -> None:
    found = prospect(outcomes(0, 1, 60) + outcomes(1, 1, 40) + outcomes(0, 1, 900, gold=False))
    assert isinstance(found, Prospect) and found.tasks == 100 and found.margin == pytest.approx(0.6)


def test_one_sample_is_no_majority() -> None:
    assert prospect([Outcome("t", "", "a", 1.0, ["a"], [1.0], 1.0)]) is prospect([]) is None
