"""Novelty of texts, by hand. BLEU, clusters and spread are tested with the systems that use them."""

import numpy as np
import pytest

from autotelic.rewards.novelty import distinct, likenesses, longest_repeat, ranked_novelty


def test_likeness_is_the_cosine_of_counts_of_bigrams() -> None:
    """abab has ab twice and ba once: a length of sqrt 5."""
    found = likenesses(["abab", "ab", "ba", "a"])
    half = 2 / 5**0.5
    assert found == pytest.approx(np.array([[1, half, half / 2, 0], [half, 1, 0, 0], [half / 2, 0, 1, 0], [0, 0, 0, 0]]))
    assert likenesses(["", ""]).tolist() == [[0, 0], [0, 0]]


def test_novelty_is_ranked_within_a_side() -> None:
    """Own means .5 .6 .3, greatest .8 .8 .5: .35 .3 .6, stretched to 1/6 0 1. The text alone on its side is 1."""
    likeness = np.array([[1, 0.8, 0.2, 0.1], [0.8, 1, 0.4, 0.3], [0.2, 0.4, 1, 0.5], [0.1, 0.3, 0.5, 1]])
    assert ranked_novelty(likeness, [True, True, True, False]) == pytest.approx([1 / 6, 0, 1, 1])
    assert ranked_novelty(np.ones((4, 4)), [True, True, False, False]) == [0.5] * 4
    assert ranked_novelty(np.ones((1, 1)), [True]) == [1.0]


@pytest.mark.parametrize(
    ("text", "pairs", "repeat"),
    [("abcabcab", 3 / 7, 5), ("aaaa", 1 / 3, 3), ("abab", 2 / 3, 2), ("abc", 1.0, 0), ("aba", 1.0, 1), ("a", 1.0, 0), ("", 1.0, 0)],
)
def test_how_much_a_text_repeats_itself(text: str, pairs: float, repeat: int) -> None:
    """abcabcab has the pairs ab bc ca, three of seven; abcab stands at 0 and at 3."""
    assert distinct(text, 2) == pytest.approx(pairs)
    assert longest_repeat(text) == repeat


def test_the_longest_repeat_is_that_of_a_search_of_all_places() -> None:
    text = "3+4=7;7*2=4;4-5=9;9+4=3;3+4=7;#7"
    spans = [text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1)]
    assert longest_repeat(text) == max(len(span) for span in spans if text.find(span, text.find(span) + 1) >= 0)
