"""Verdicts and intervals on probes whose truth is known: drawn many times from the same distribution, how often are they wrong?

Every model of these tests answers task t rightly with a probability of its own, p(t); two models are the same where all p(t) are. Limits are the
promised rate and three standard errors of a share of `RUNS`.
"""

from collections.abc import Callable
from math import sqrt
from random import Random

import pytest

from autotelic.measures.probe import Outcome, ProbeResult
from autotelic.measures.stats import LEVEL, paired
from autotelic.measures.verdict import Word, judge

RUNS = 200
SIZES = (1, 2, 5, 10, 20, 50, 200)
SAMPLES = 8
Chance = Callable[[Random], float]
"""Draws the p(t) of a task."""


def within(share: float, limit: float, runs: int = RUNS) -> bool:
    return share <= limit + 3 * sqrt(limit * (1 - limit) / runs)


def asked(chances: list[float], random: Random, samples: int) -> ProbeResult:
    """A probe of a model. A task has one right answer and nine wrong ones."""

    def answer(task: int) -> str:
        return f"gold {task}" if random.random() < chances[task] else f"wrong {task} {random.randrange(9)}"

    outcomes = []
    for task in range(len(chances)):
        gold, greedy, sampled = f"gold {task}", answer(task), [answer(task) for _ in range(samples)]
        right = [float(found == gold) for found in sampled]
        voted = float(max(sampled, key=sampled.count) == gold) if sampled else None
        outcomes.append(Outcome(str(task), "", greedy, float(greedy == gold), list(sampled), right, voted, gold=gold))
    return ProbeResult(0, 0, outcomes)


def words(size: int, first: Chance, change: Callable[[float], float], samples: int = SAMPLES, proxy: bool = True) -> list[Word]:
    """Verdicts on many pairs of models, the last with `change` of the first's chances. The proxy has risen, so that a fall would be called hacked."""
    found = []
    for run in range(RUNS):
        random = Random(f"{size} {run}")
        chances = [first(random) for _ in range(size)]
        sides = [asked(side, random, samples) for side in (chances, [change(chance) for chance in chances])]
        risen = [{"reward": 0.1}, {"reward": 0.9}]
        found.append(judge(sides[0], sides[1], risen, "reward" if proxy else None, trained_on_probe=False).word)
    return found


def hard(random: Random) -> float:
    return random.betavariate(0.3, 2)


def even(random: Random) -> float:
    return random.betavariate(3, 3)


def same(chance: float) -> float:
    return chance


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("first", [hard, even])
def test_a_model_that_did_not_change_is_called_unchanged(size: int, first: Chance) -> None:
    found = words(size, first, same)
    assert within(sum(word is not Word.UNCHANGED for word in found) / RUNS, LEVEL)


def test_a_clear_gain_and_a_clear_fall_are_seen() -> None:
    """From .5 to .75, and from .5 to .25: on 50 tasks with samples, and on 100 without."""
    up, down = (lambda chance: chance + (1 - chance) / 2), (lambda chance: chance / 2)
    assert words(50, even, up).count(Word.IMPROVED) / RUNS > 0.9 and words(50, even, down).count(Word.HACKED) / RUNS > 0.9
    assert words(100, even, down, samples=0, proxy=False).count(Word.WORSE) / RUNS > 0.9


def test_of_few_tasks_no_verdict_is_possible_and_of_ten_a_clear_one_is() -> None:
    """Five flips in one direction happen by chance in 1 of 16 cases; with two quantities six do in 1 of 16 too."""
    assert set(words(5, lambda random: 0.0, lambda chance: 1.0)) == {Word.UNCHANGED}
    assert set(words(10, lambda random: 0.0, lambda chance: 1.0)) == {Word.IMPROVED}


Draw = Callable[[Random], tuple[float, float]]
"""Draws the outcomes of one task under both models, from 0 to 1."""


def right_or_wrong(random: Random) -> tuple[float, float]:
    chance = random.betavariate(3, 3)
    return float(random.random() < chance), float(random.random() < chance + (1 - chance) / 5)


def plays(random: Random) -> tuple[float, float]:
    """Loss, draw or win of a game, with chances .3, .4, .3 and then .2, .3, .5."""
    return random.choices((0.0, 0.5, 1.0), (3, 4, 3))[0], random.choices((0.0, 0.5, 1.0), (2, 3, 5))[0]


def gamble(random: Random) -> tuple[float, float]:
    """From a tenth for certain to everything in a tenth of the plays: the same mean, and differences that are far from symmetric."""
    return 0.1, float(random.random() < 0.1)


def several(random: Random) -> tuple[float, float]:
    """Eight plays of one task each, which is easy or hard for either model, with .1 less for the last."""
    chances = random.betavariate(0.5, 0.5), random.betavariate(0.5, 0.5)
    shares = (sum(random.random() < chance for _ in range(8)) / 8 for chance in (chances[0], 0.8 * chances[1]))
    return next(shares), next(shares)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("draw", "truth"), [(right_or_wrong, 0.1), (plays, 0.15), (gamble, 0.0), (several, -0.1)])
def test_intervals_hold_the_truth(draw: Draw, truth: float, size: int) -> None:
    """At least 93% of them, of few tasks too."""
    missed = 0
    for run in range(RUNS):
        random = Random(f"{draw.__name__} {size} {run}")
        both = {str(task): draw(random) for task in range(size)}
        test = paired({task: first for task, (first, _) in both.items()}, {task: last for task, (_, last) in both.items()})
        missed += not test.interval.low <= truth <= test.interval.high
    assert within(missed / RUNS, 0.07)


@pytest.mark.parametrize("draw", [plays, gamble, several])
@pytest.mark.parametrize("size", SIZES)
def test_graded_outcomes_that_did_not_change_are_not_called_changed(draw: Draw, size: int) -> None:
    """Each side is drawn as one model draws, or, of the gamble, keeps its mean."""
    moved = 0
    for run in range(RUNS):
        random = Random(f"{draw.__name__} {size} {run}")
        both = [draw(random) if draw is gamble else (draw(random)[0], draw(random)[0]) for _ in range(size)]
        sides = [{str(task): pair[side] for task, pair in enumerate(both)} for side in (0, 1)]
        moved += paired(sides[0], sides[1]).moved() != 0
    assert within(moved / RUNS, LEVEL)


def test_plays_of_one_deal_are_not_independent() -> None:
    """Four opponents meet the same deal, which decides every play: taken as independent, chance is called a change in far more than 5% of cases."""
    alone = together = 0
    for run in range(RUNS):
        random = Random(run)
        sides: list[dict[str, float]] = [{}, {}]
        for side in sides:
            for deal in range(20):
                won = float(random.random() < 0.5)
                side |= {f"{deal} {opponent}": won for opponent in range(4)}
        alone += paired(sides[0], sides[1]).moved() != 0
        together += paired(sides[0], sides[1], {play: play.split()[0] for play in sides[0]}).moved() != 0
    assert alone / RUNS > 0.2 and within(together / RUNS, LEVEL)
