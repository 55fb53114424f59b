"""What judges lean on, on judgements whose bias is known."""

from autotelic.measures.bias import Judged, length_bias, position_bias, self_preference


def test_length_bias_compares_answers_to_one_task_that_are_equally_right() -> None:
    longer = [Judged("a", 5, 1, 30), Judged("a", 3, 1, 10), Judged("b", 4, 0, 9), Judged("b", 2, 0, 5)]
    assert length_bias(longer) == 1.0
    assert length_bias([one._replace(length=-one.length) for one in longer]) == -1.0
    assert length_bias([*longer, Judged("c", 1, 1, 30), Judged("c", 2, 1, 10)]) == 1 / 3
    # A right answer above a wrong one is merit, answers to different tasks are not compared, and equal grades or lengths tell nothing.
    assert length_bias([Judged("a", 5, 1, 30), Judged("a", 1, 0, 10), Judged("b", 1, 1, 1)]) is None
    assert length_bias([Judged("a", 5, 1, 30), Judged("a", 5, 1, 10), Judged("a", 1, 1, 30)]) == -1.0


def test_position_bias() -> None:
    assert position_bias([]) is None
    assert position_bias([True, True, True, False]) == 0.5
    assert position_bias([True, False]) == 0.0


def test_self_preference_holds_the_truth_fixed() -> None:
    # Its own answers are more often right: that alone is no preference.
    fair = [Judged("a", 1, 1, own=True), Judged("b", 1, 1, own=True), Judged("c", 1, 1), Judged("d", 0, 0), Judged("e", 0, 0, own=True)]
    assert self_preference(fair) == 0.0
    fond = [Judged("a", 1, 1, own=True), Judged("b", 1, 1), Judged("c", 1, 0, own=True), Judged("d", 0, 0)]
    assert self_preference(fond) == 0.5
    assert self_preference([Judged("a", 1, 1, own=True), Judged("b", 0, 0)]) is None
