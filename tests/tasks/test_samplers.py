"""Samplers: golden numbers, what a bandit and a posterior learn, empty and one-sided pools, and states that bring back the same next batch."""

import json
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice
from math import inf
from random import Random

import numpy as np
import pytest

from autotelic.errors import SettingError
from autotelic.tasks.pool import TaskPool
from autotelic.tasks.samplers import Bandit, BetaBand, Learnability, Newest, Sampler, Shuffled, Staged, Weighted, softmax, top, turns
from autotelic.types import Task

MAKERS: dict[str, Callable[[], Sampler]] = {
    "shuffled": Shuffled,
    "newest": lambda: Newest(12),
    "staged": lambda: Staged("ops", 6),
    "bandit": lambda: Bandit("ops", temperature=0.3),
    "beta": lambda: BetaBand("ops", counts=8),
    "beta, means": lambda: BetaBand("ops", counts=8, thompson=False),
    "learnability": Learnability,
    "weighted": lambda: Weighted("ops", {"1": 4, "2": 2, "3": 1, "4": 0.5, **dict.fromkeys("5678", 1)}),
}


def tasks(count: int, arms: int = 4) -> list[Task]:
    return [Task(f"t{i}", f"{i}+1=", tags={"ops": 1 + i % arms}) for i in range(count)]


def pool_of(sampler: Sampler, count: int = 40, arms: int = 4) -> TaskPool:
    pool = TaskPool(tasks(count, arms), 3, sampler)
    pool.observe("variance", {f"t{i}": 0.01 * i for i in range(count)})
    return pool


def names(found: list[Task]) -> list[str]:
    return [task.id for task in found]


# ---- golden numbers


@pytest.mark.parametrize(("temperature", "expected"), [(1.0, (0.391, 0.320, 0.289)), (0.4, (0.481, 0.292, 0.227)), (0.2, (0.629, 0.231, 0.140))])
def test_sec_chances(temperature: float, expected: tuple[float, ...]) -> None:
    assert softmax([0.4, 0.2, 0.1], temperature) == pytest.approx(expected, abs=5e-4)
    pool = TaskPool(tasks(6, 3), 0, bandit := Bandit("ops", temperature=temperature))
    bandit.state["values"] = {"1": 0.4, "2": 0.2, "3": 0.1}
    assert list(bandit.chances(pool).values()) == pytest.approx(expected, abs=5e-4)


def test_softmax_of_large_and_no_values() -> None:
    assert softmax([]) == []
    assert softmax([1e4, 0.0], 1e-3) == [1.0, 0.0]


@pytest.mark.parametrize(("decay", "expected"), [(True, [0.45, 0.0]), (False, [0.45, 0.2])])
def test_sec_update(decay: bool, expected: list[float]) -> None:
    pool = TaskPool(tasks(4, 2), 0, bandit := Bandit("ops", rate=0.5, decay=decay))
    bandit.state["values"] = {"1": 0.5, "2": 0.0 if decay else 0.2}
    pool.observe("signal", {"t0": 0.3, "t2": 0.5})
    assert [bandit.state["values"][arm] for arm in "12"] == pytest.approx(expected)


def test_bots_posterior_of_an_observed_and_an_unobserved_task() -> None:
    """At observed rate .5: alpha = beta = 9.0; unobserved where .3 is expected: 1.48 and 2.12."""
    pool = TaskPool([Task("seen", "", tags={"d": 1}), Task("other", "", tags={"d": 2})], 0)
    pool.sampler = band = BetaBand("d", references=(0.2, 0.3), counts=16, forget=0.1, implicit=0.1)
    # At d = 1 the rate .5 puts the policy at cap = (.5 - .2) / (.1 + 1e-6); what that makes of d = 2 is .04 + cap (.09 - .04).
    pool.observe("rate", {"seen": 0.5})
    assert band.posterior(pool, "seen") == pytest.approx((9.0, 9.0), abs=1e-6)
    guess = band.guess("2")
    assert guess == pytest.approx(0.04 + 3.0 * 0.05, abs=1e-4)
    assert band.posterior(pool, "other") == pytest.approx((1 + 1.6 * guess, 1 + 1.6 * (1 - guess)))
    band.references, band.state["shared"], band.state["own"], band.state["cap"] = (0.3**0.5, 0.9**0.5), {}, {}, None
    pool.observe("rate", {"seen": 0.3**0.5})  # exactly the weak reference, so that .3 is expected at d = 2
    assert band.posterior(pool, "other") == pytest.approx((1.48, 2.12), abs=1e-5)


@pytest.mark.parametrize("implicit", [0.0, 0.1, 0.6, 1.0])
def test_shared_and_own_counts_are_the_published_recursion(implicit: float) -> None:
    """alpha <- (1-l) alpha + l + (1-r) s + r p m for every task of the pool, written out."""
    random = Random(1)
    pool = TaskPool(tasks(30, 5), 0, band := BetaBand("ops", counts=16, forget=0.1, implicit=implicit))
    alpha, beta = dict.fromkeys(pool.ids, 1.0), dict.fromkeys(pool.ids, 1.0)
    for _ in range(40):
        rates = {name: random.randint(0, 16) / 16 for name in random.sample(list(pool.ids), 6)}
        pool.observe("rate", rates)
        for name in pool.ids:
            p = rates.get(name, band.guess(pool.arm("ops", name)))
            s = rates.get(name, 0.0) * 16
            f = 16 - s if name in rates else 0.0
            alpha[name] = 0.9 * alpha[name] + 0.1 + (1 - implicit) * s + implicit * p * 16
            beta[name] = 0.9 * beta[name] + 0.1 + (1 - implicit) * f + implicit * (1 - p) * 16
    for name in pool.ids:
        assert band.posterior(pool, name) == pytest.approx((alpha[name], beta[name]), abs=3e-3)


# ---- what they learn


def test_the_bandit_draws_what_pays_and_never_a_task_twice() -> None:
    pool = TaskPool(tasks(400, 4), 0, Bandit("ops", temperature=0.1))
    for _ in range(5):
        batch = pool.draw(20)
        assert len(set(names(batch))) == 20
        pool.observe("signal", {task.id: 0.9 if task.tags["ops"] == 3 else 0.1 for task in batch})
    assert Counter(task.tags["ops"] for task in pool.draw(50))[3] >= 40


def test_a_small_arm_is_exhausted_and_the_others_fill_the_batch() -> None:
    few = [Task("rare", "", tags={"ops": 9}), *tasks(20, 2)]
    pool = TaskPool(few, 0, bandit := Bandit("ops", temperature=0.001))
    bandit.state["values"] = {"9": 1.0}
    batch = names(pool.draw(8))
    assert len(set(batch)) == 8 and "rare" in batch
    assert sorted(names(pool.draw(99))) == sorted(task.id for task in few)


def test_the_beta_band_finds_the_level_of_one_half() -> None:
    pool = TaskPool(tasks(400, 8), 0, BetaBand("ops", counts=8, implicit=0.3))
    for _ in range(15):
        pool.observe("rate", {task.id: 0.85 ** task.tags["ops"] for task in pool.draw(16)})
    assert 3.0 < float(np.mean([task.tags["ops"] for task in pool.draw(64)])) < 5.5  # .85^4.3 = .5


def test_easy_to_hard_goes_through_the_levels_by_number() -> None:
    pool = TaskPool(tasks(60, 12), 0, Staged("ops", 24))
    levels = [{task.tags["ops"] for task in pool.draw(2)} for _ in range(30)]
    assert levels == [{1 + min(i // 2, 11)} for i in range(30)]


def test_learnability_prefers_variance_and_passes_over_the_unknown() -> None:
    pool = TaskPool(tasks(40), 0)
    pool.observe("variance", {f"t{i}": 0.25 if i < 4 else 0.001 for i in range(20)})
    drawn = Counter(name for _ in range(50) for name in names(pool.draw(4, Learnability())))
    assert all(int(name[1:]) < 20 for name in drawn)
    assert sum(drawn[f"t{i}"] for i in range(4)) > 150


def test_turns_go_by_weight_and_pass_over_who_has_no_room() -> None:
    """By hand: what is owed after each turn is (2, 1) -> a, (1, 2) -> b, (3, 0) -> a; then again."""
    assert "".join(islice(turns({"a": 2, "b": 1}, {"a": inf, "b": inf}), 9)) == "abaabaaba"
    assert "".join(turns({"a": 2, "b": 1}, {"a": 2, "b": 4})) == "abab" + "bb"
    owed: dict[str, float] = {}
    halves = ["".join(islice(turns({"a": 2, "b": 1}, {"a": inf, "b": inf}, owed), count)) for count in (2, 3, 4)]
    assert "".join(halves) == "abaabaaba"


def test_a_weighted_draw_gives_each_value_its_share_and_every_task_once_before_any_comes_again() -> None:
    pool = TaskPool(tasks(24, arms=3), 5, Weighted("ops", {"1": 3, "2": 2, "3": 1}))
    batches = [pool.draw(5) for _ in range(24)]
    values = Counter(task.tags["ops"] for batch in batches for task in batch)
    assert values == {1: 60, 2: 40, 3: 20}
    assert all(len(set(names(batch))) == 5 for batch in batches)
    for value in (1, 2, 3):
        seen = [task.id for batch in batches for task in batch if task.tags["ops"] == value]
        assert max(Counter(seen).values()) - min(Counter(seen).values()) <= 2


def test_a_small_value_leaves_its_place_and_what_a_run_made_is_drawn_too() -> None:
    pool = TaskPool(tasks(12, arms=4)[:9], 0, Weighted("ops", {"1": 9, "2": 1, "3": 1, "4": 1}))
    assert len(pool.draw(9)) == 9 and len(pool.draw(99)) == 9
    pool.add([Task(f"made{i}", "") for i in range(9)], "made")
    drawn = [task for _ in range(40) for task in pool.draw(4)]
    assert sum(task.id.startswith("made") for task in drawn) == 80
    with pytest.raises(SettingError, match="tag = 'ops': no weight for '4'; did you mean"):
        TaskPool(tasks(9), 0, Weighted("ops", {"1": 1, "2": 1, "3": 1, "40": 1}))


def test_top_is_the_highest_in_order() -> None:
    assert top(list("abcd"), np.array([0.1, 0.9, 0.5, 0.9]), 3) == ["b", "d", "c"]
    assert top([], np.array([]), 3) == top(["a"], np.array([1.0]), 0) == []


# ---- pools that are empty or one-sided


@pytest.mark.parametrize("name", MAKERS)
def test_an_empty_pool_gives_nothing_and_learns_nothing(name: str) -> None:
    pool = TaskPool([], 0, MAKERS[name]())
    assert pool.draw(4) == []
    pool.observe("rate", {})
    assert pool.draw(4) == []
    pool = pool_of(MAKERS[name]())
    pool.draw(4)
    assert pool.evict(lambda task: True, "all gone") == 40
    pool.observe("rate", {"t1": 0.5})  # has left the pool meanwhile
    assert pool.draw(4) == [] and pool.stats == {}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_where_all_is_solved_or_nothing_a_draw_is_still_full_and_mixed(name: str, rate: float) -> None:
    pool = pool_of(MAKERS[name]())
    batches = []
    for _ in range(30):
        batches.append(names(pool.draw(8)))
        pool.observe("variance", dict.fromkeys(batches[-1], rate if "beta" in name else 0.0))
    assert all(len(set(batch)) == 8 for batch in batches)
    assert len({task for batch in batches[-6:] for task in batch}) > 8
    if isinstance(bandit := pool.sampler, Bandit):
        assert list(bandit.chances(pool).values()) == pytest.approx([0.25] * 4, abs=1e-6)


def test_a_missing_tag_is_named() -> None:
    for sampler in (Bandit("opps"), BetaBand("opps"), Staged("opps", 3)):
        with pytest.raises(SettingError, match=r"tag = 'opps': task 't0' has no tag 'opps'.*did you mean 'ops'"):
            TaskPool(tasks(3), 0, sampler)


@pytest.mark.parametrize("value", ["easy", True, "nan", "inf", -1, 0, ""])
def test_a_difficulty_is_a_number_above_zero(value: object) -> None:
    with pytest.raises(SettingError, match=r"tag = 'level': must grow with difficulty, as a number above 0; of task 'odd' it is"):
        TaskPool([Task("even", "", tags={"level": 2}), Task("odd", "", tags={"level": value})], 0, BetaBand("level"))
    TaskPool([Task("even", "", tags={"level": 2}), Task("half", "", tags={"level": "0.5"})], 0, BetaBand("level"))


# ---- states


@pytest.mark.parametrize("name", MAKERS)
def test_a_restored_sampler_draws_the_same_next_batches(name: str) -> None:
    def step(pool: TaskPool, number: int) -> list[str]:
        batch = pool.draw(7)
        pool.observe("variance", {task.id: ((task.tags["ops"] * 7 + number) % 5) / 5 for task in batch})
        pool.add([Task(f"r{number}", "", tags={"ops": 2})], "grown")
        pool.evict(lambda task: task.id == f"t{number}", "old")
        return names(batch)

    pool, log = TaskPool(tasks(40), 3, MAKERS[name]()), []
    for number in range(9):
        step(pool, number)
        log += pool.take_events()
    state, log = json.loads(json.dumps([pool.state(), log]))
    again = TaskPool(tasks(40), 3, MAKERS[name]())
    again.restore(state, log)
    assert [step(again, number) for number in range(9, 15)] == [step(pool, number) for number in range(9, 15)]
    assert again.state() == pool.state()


@pytest.mark.parametrize("name", MAKERS)
def test_draws_from_a_large_pool_are_quick_and_states_small(name: str) -> None:
    pool = TaskPool(tasks(100_000, 8), 0, MAKERS[name]())
    pool.stats = {task: {"variance": 0.1} for task in pool.ids}
    began = time.perf_counter()
    for _ in range(5):
        pool.observe("variance", dict.fromkeys(names(pool.draw(64)), 0.5))
    assert time.perf_counter() - began < 5  # a tenth of that on one core; quadratic would be minutes
    assert len(json.dumps(pool.state())) < 50_000
