"""Strategist in miniature: the game by hand, what a strategy is worth exactly, the bandit, and what each search changes."""

import random
from math import exp, log, sqrt
from statistics import fmean

import pytest

from autotelic.systems.search.strategist.evolving import BEAM, IDEAS, Library, Search, changed, evolve, parent
from autotelic.systems.search.strategist.gops import best_margin, bid, expected, match, played, value, won

ZERO = (0.0, 0.0, 0.0, 0.0)


def test_the_higher_card_takes_the_prize() -> None:
    assert [won(3, other, 5) for other in (1, 3, 4)] == [5, 0, -5]


def test_a_strategy_weighs_what_a_bid_wins_and_costs() -> None:
    """Card 2 against 1, 2 or 4, for a prize of 3: it wins, draws and loses, 0 on average; what is left is 5."""
    assert value((1.0, 0.0, 0.0, 0.0), (2, 5), (1, 2, 4), 3, 2) == 0.0
    assert value((0.0, 1.0, 1.0, 2.0), (2, 5), (1, 2, 4), 3, 2) == pytest.approx(2 + 6 / 5 + 10)
    assert bid(ZERO)((2, 5), (1, 2, 4), 3) == 2, "of equals the lowest card"
    assert bid((1.0, 0.0, 0.0, 0.0))((2, 5), (1, 2, 4), 3) == 5


def test_what_is_expected_is_what_plays_come_to() -> None:
    rng = random.Random(0)
    mine = bid((1.0, -1.0, 0.0, 0.0))
    assert expected(mine) == pytest.approx(fmean(played(mine, rng) for _ in range(4000)), abs=0.3)
    assert expected(match) == pytest.approx(best_margin()) == pytest.approx(4.0), "against random bids nothing is better than to bid the prize"
    assert expected(match, match) == 0.0 and expected(bid(ZERO)) == pytest.approx(0.0)


def test_the_bandit_tries_every_idea_and_then_those_that_gained() -> None:
    library = Library([(ZERO, 0.0)])
    assert library.weights(1.0, 1.0) == [1.0] * len(IDEAS)
    for idea in IDEAS[1:]:
        library.gains[idea].append(0.0)
    assert library.weights(1.0, 1.0) == [1.0] + [0.0] * 7, "what was never tried comes first"
    library.gains[IDEAS[0]] += [1.0, 2.0]
    first, second, *_ = library.weights(0.5, 1.0)
    gap = (0.0 + sqrt(log(9) / 1)) - (1.5 + sqrt(log(9) / 2))
    assert (first, second) == pytest.approx((1.0, exp(gap / 0.5)))


def test_each_search_changes_a_strategy_of_its_own() -> None:
    library = Library([(ZERO, 2.0), ((1.0, 0.0, 0.0, 0.0), 5.0), ((2.0, 0.0, 0.0, 0.0), 1.0), ((3.0, 0.0, 0.0, 0.0), 0.0)])
    rng = random.Random(0)
    assert parent(library, "bandit", rng)[1] == parent(library, "random", rng)[1] == 5.0
    assert parent(library, "line", rng)[1] == 0.0
    assert {parent(library, "beam", rng)[1] for _ in range(50)} == {5.0, 2.0, 1.0} and BEAM == 3
    assert changed(ZERO, (2, 0.5)) == (0.0, 0.0, 0.5, 0.0)


@pytest.mark.parametrize("search", ["bandit", "random", "line", "beam"])
def test_a_library_evolves_by_its_seed(search: Search) -> None:
    found = [evolve(search, 6, 4, 1.0, 1.0, random.Random(3)) for _ in range(2)]
    assert found[0] == found[1] and len(found[0]) == 7 and found[0][0] == ZERO
