"""The curve of plain sampling and the words beside it, on numbers worked out by hand and on simulated ways."""

import random
from collections.abc import Callable, Sequence

import pytest

from autotelic.measures.plain import DRAWS, Plain, Sample, between, compare, majority, on_curve, surest


def pool(answers: str, right: str = "a", logprobs: Sequence[float] = ()) -> list[Sample]:
    """Samples with answers of a letter each; '-' is none."""
    given = list(logprobs) or [-1.0] * len(answers)
    return [Sample(None if letter == "-" else letter, float(letter == right), value) for letter, value in zip(answers, given, strict=True)]


@pytest.mark.parametrize(
    ("answers", "expected"), [("aab", 1.0), ("abb", 0.0), ("ab", 1.0), ("ba", 0.0), ("--a", 1.0), ("---", 0.0), ("bbaaa", 1.0), ("-", 0.0)]
)
def test_the_vote_of_samples(answers: str, expected: float) -> None:
    assert majority(pool(answers)) == expected


def test_the_surest_of_samples_has_an_answer() -> None:
    assert surest(pool("bab", logprobs=[-0.3, -0.2, -0.4])) == 1.0
    assert surest(pool("ba", logprobs=[-0.1, -0.2])) == 0.0
    assert surest(pool("-a", logprobs=[-0.1, -0.2])) == 1.0, "what has no answer is not chosen"
    assert surest(pool("--")) == 0.0
    assert surest(pool("ab", logprobs=[-0.2, -0.2])) == 1.0, "of equals the first"


@pytest.mark.parametrize(
    ("count", "expected"),
    [(2.15, (2, 3, 0.15)), (2.0, (2, 3, 0.0)), (0.4, (1, 2, 0.0)), (5.0, (4, 6, 0.5)), (6.0, (6, 6, 0.0)), (99.0, (6, 6, 0.0)), (1.0, (1, 2, 0.0))],
)
def test_the_measured_numbers_around_a_number(count: float, expected: tuple[int, int, float]) -> None:
    assert between(count, [1, 2, 3, 4, 6]) == pytest.approx(expected)


def test_between_two_measured_numbers_the_curve_is_linear() -> None:
    """One of 8 samples is right: pass@n is n / 8, so that every point between is known."""
    plain = Plain({"t": pool("abcdefgh"), "u": pool("aaaaaaaa")})
    assert plain.sizes == [1, 2, 3, 4, 6, 8] and plain.size == 8
    for count, expected in ((0.2, 1 / 8), (1.0, 1 / 8), (2.15, 2.15 / 8), (3.5, 3.5 / 8), (5.0, 5 / 8), (7.0, 7 / 8), (8.0, 1.0), (40.0, 1.0)):
        assert plain.at("pass@n", count) == pytest.approx({"t": expected, "u": 1.0})
    assert plain.curve("pass@n") == pytest.approx({n: (n / 8 + 1) / 2 for n in (1, 2, 3, 4, 6, 8)})


def test_draws_are_many_and_keyed() -> None:
    pools = {str(i): pool("aabbbcccdddeeeff") for i in range(40)}
    first, again, other = Plain(pools).of("majority", 4), Plain(pools).of("majority", 4), Plain(pools, seed=1).of("majority", 4)
    assert first == again != other
    assert all((value * DRAWS).is_integer() for value in first.values()) and len(set(first.values())) > 3
    assert Plain(pools).of("majority", 1) == Plain(pools).of("best-of-n", 1) == dict.fromkeys(pools, 2 / 16), "of one sample exact"
    assert Plain({"t": pool("aab")}).of("majority", 3) == {"t": 1.0}, "the whole pool"
    assert Plain({"t": pool("aba", logprobs=[-2.0, -1.0, -3.0])}).of("best-of-n", 3) == {"t": 0.0}


def test_a_point_on_the_curve_is_paired_by_task() -> None:
    """Of two tasks one is always right; the other is right in one of 4 samples: pass@1.5 of it is (.25 + .5) / 2 = .375."""
    plain = Plain({"t": pool("abcd"), "u": pool("aaaa")})
    found = on_curve(plain, "pass@n", 1.5, 40.0, {"t": 1.0, "u": 1.0})
    assert (found.against, found.samples, found.tokens) == ("pass@n", 1.5, 60.0)
    assert found.paired.first == pytest.approx((0.375 + 1) / 2) and found.paired.last == 1.0
    assert found.paired.difference == pytest.approx(0.3125)
    beyond = on_curve(plain, "pass@n", 9.0, 40.0, {"t": 1.0, "u": 0.0})
    assert (beyond.samples, beyond.tokens, beyond.paired.difference) == (4, 160.0, -0.5), "beside the whole pool, and it says so"


def test_the_word_needs_interval_and_test() -> None:
    tasks = [str(i) for i in range(40)]
    base = dict.fromkeys(tasks, 0.0)
    assert compare("greedy", 9.0, base, {task: float(int(task) < 3) for task in tasks}).word == "unclear", "p = .25"
    assert compare("greedy", 9.0, base, {task: float(int(task) < 8) for task in tasks}).word == "helps", "p = .008"
    assert compare("greedy", 9.0, {task: float(int(task) < 8) for task in tasks}, base).word == "hurts"
    assert compare("greedy", 9.0, base, dict(base)).word == "unclear"


# ---- simulated ways, whose truth is known


def simulated(seed: int, chance: Callable[[float, random.Random], float]) -> str:
    """What is said of a way that is right with a chance made of each task's own, beside single samples: 300 tasks, 64 samples each."""
    rng = random.Random(seed)
    own = [rng.betavariate(1, 1) for _ in range(300)]
    pools = {str(i): pool("".join("a" if rng.random() < p else "b" for _ in range(64))) for i, p in enumerate(own)}
    way = {str(i): float(rng.random() < chance(p, rng)) for i, p in enumerate(own)}
    return on_curve(Plain(pools, seed), "pass@n", 1.0, 40.0, way).word


def test_simulated_ways_get_their_words() -> None:
    same = [simulated(seed, lambda p, _: p) for seed in range(40)]
    assert same.count("unclear") >= 36, "at most one in twenty is wrong, as the test promises"
    assert [simulated(seed, lambda p, _: min(p + 0.2, 1.0)) for seed in range(5)] == ["helps"] * 5
    assert [simulated(seed, lambda p, _: max(p - 0.2, 0.0)) for seed in range(5)] == ["hurts"] * 5


def test_a_vote_beside_votes_shows_no_difference() -> None:
    words = []
    for seed in range(10):
        rng = random.Random(seed)
        pools, way = {}, {}
        for i in range(200):
            p = rng.random()
            answers = "".join(rng.choices("abc", [p, (1 - p) * 0.7, (1 - p) * 0.3], k=69))
            pools[str(i)], way[str(i)] = pool(answers[:64]), majority(pool(answers[64:]))
        words.append(on_curve(Plain(pools, seed), "majority", 5.0, 40.0, way).word)
    assert words.count("unclear") >= 9
