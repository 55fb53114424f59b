"""The gate that asks whether new weights are better: by hand, and over a thousand runs in which none ever is."""

from math import isclose

import numpy as np
import pytest
from numpy.typing import NDArray

from autotelic.measures.champion import CHAMPION, agreed, level, rule, standing, sure, told
from autotelic.measures.gate import GateSettings
from autotelic.measures.probe import Outcome, ProbeResult

GOLD = GateSettings(by="accuracy")


def saw(right: str | list[float] | NDArray[np.float64]) -> ProbeResult:
    """A probe: "1" a right answer, "0" a wrong one."""
    return ProbeResult(0, 0, [Outcome(f"t{place}", "", "a", float(one)) for place, one in enumerate(right)])


def test_the_levels_of_all_looks_sum_to_the_error_at_most() -> None:
    assert [level(0.06, look) for look in (1, 2, 3)] == pytest.approx([0.03, 0.01, 0.005])
    assert isclose(sum(level(0.05, look) for look in range(1, 10_000)), 0.05, rel_tol=1e-3)


def test_better_weights_are_promoted_at_the_level_of_their_look() -> None:
    """6 tasks of 20 from wrong to right and none back: p of one side is 2**-6 = .0156, below .05 / 2 of the first look, above .05 / 6 of the second."""
    before, after = saw("0" * 20), saw("1" * 6 + "0" * 14)
    ruling = rule(before, after, before, 1, GOLD)
    assert ruling.action == "promoted" and ruling.metrics == {"gate/difference": 0.3}
    assert ruling.reasons == ("greedy accuracy on 20 tasks rose 0.000 -> 0.300 (exact test of one side p = 0.016), at a level of 0.025",)
    assert rule(before, after, before, 2, GOLD).action == "waits"
    assert rule(before, after, before, 2, GateSettings(by="accuracy", error=0.1)).action == "promoted"


def test_worse_weights_go_back_in_every_look_alike() -> None:
    """5 tasks from right to wrong and none back: .03125; with 4 it is .0625."""
    champion = saw("1" * 20)
    for look in (1, 50):
        ruling = rule(champion, saw("0" * 5 + "1" * 15), champion, look, GOLD)
        assert ruling.action == "rolled back" and "fell 1.000 -> 0.750 (exact test of one side p = 0.031)" in ruling.reasons[0]
        assert rule(champion, saw("0" * 4 + "1" * 16), champion, look, GOLD).action == "waits"


def test_what_was_forgotten_and_a_far_way_are_reasons_of_their_own() -> None:
    before, after = saw("0" * 20), saw("1" * 20)
    settings = GateSettings(by="accuracy", max_drift=0.5)
    assert rule(before, after, before, 1, settings, drift=0.5).action == "promoted"
    ruling = rule(before, after, before, 1, settings, (saw("1" * 10), saw("1" * 5 + "0" * 5)), drift=0.7)
    assert ruling.action == "rolled back" and len(ruling.reasons) == 2
    assert "10 tasks of earlier abilities fell 1.000 -> 0.500" in ruling.reasons[0] and "0.700 nats a token" in ruling.reasons[1]
    assert ruling.metrics == {"gate/difference": 1.0, "gate/abilities": 0.5, "gate/drift": 0.7}
    assert rule(before, after, before, 1, settings, drift=float("nan")).action == "rolled back"


def votes(task: str, samples: list[str | None], answer: str | None) -> Outcome:
    return Outcome(task, "", answer, None, samples)


def test_without_gold_nothing_may_be_lost_that_the_first_weights_were_sure_of() -> None:
    assert agreed(votes("t", ["1", "1", "1", None], "2")) == "1" and agreed(votes("t", ["1", "1", "3", None], "1")) is None
    first = ProbeResult(0, 0, [votes(f"t{n}", ["1", "1", "1", "3"], "1") for n in range(10)] + [votes("u", ["1", "2", "3", None], "1")])
    assert sure(first) == dict.fromkeys([f"t{n}" for n in range(10)], "1")
    free = GateSettings(by="votes")

    def now(lost: int) -> ProbeResult:
        return ProbeResult(0, 0, [votes(f"t{n}", [], "9" if n < lost else "1") for n in range(10)] + [votes("u", [], "9")])

    assert rule(first, now(4), first, 1, free).action == "promoted"
    ruling = rule(now(4), now(5), first, 9, free)
    assert ruling.action == "rolled back" and ruling.reasons[0].startswith(
        "agreement with what the first weights were sure of on 10 tasks fell 1.000"
    )


def test_the_champion_is_the_last_that_was_promoted_and_looks_are_counted() -> None:
    history = {0: {}, 1: {CHAMPION: 0.0}, 2: {}, 3: {CHAMPION: 3.0}, 4: {CHAMPION: 3.0}}
    now = standing(history)
    assert (now.round, now.looks) == (3, 3) and (standing({0: {}}).round, standing({}).looks) == (0, 0)
    assert "are the first ones: none after them passed the gate" in told(0, 9, GOLD, 100, 90) and "chance of 0.05 for the run" in told(
        0, 9, GOLD, 100, 90
    )
    assert "those of round 3 of 9" in told(3, 9, GateSettings(by="votes"), 9, 9) and "chance" not in told(3, 9, GateSettings(by="votes"), 9, 9)


def run_without_gain(random: np.random.Generator, tasks: int, looks: int, moves: float, chance: float) -> int:
    """Promotions of a run whose weights differ from look to look and are never better: each look a share of the answers is drawn anew, on the same tasks."""
    settings, champion = GateSettings(by="accuracy"), (random.random(tasks) < chance).astype(float)
    now, promoted = champion.copy(), 0
    for look in range(1, looks + 1):
        moved = random.random(tasks) < moves
        now = np.where(moved, (random.random(tasks) < chance).astype(float), now)
        ruling = rule(saw(champion), saw(now), saw(champion), look, settings)
        promoted += ruling.action == "promoted"
        if ruling.action == "promoted":
            champion = now.copy()
        if ruling.action == "rolled back":
            now = champion.copy()
    return promoted


@pytest.mark.parametrize(("tasks", "moves", "chance"), [(60, 0.2, 0.5), (30, 1.0, 0.6)])
def test_of_a_thousand_runs_without_gain_no_more_than_the_error_say_promote(tasks: int, moves: float, chance: float) -> None:
    random = np.random.default_rng(0)
    assert sum(run_without_gain(random, tasks, 5, moves, chance) > 0 for _ in range(1000)) <= 50


def test_a_gain_is_seen() -> None:
    """From .5 to .7 on 100 tasks, at the tenth look: most runs see it."""
    random = np.random.default_rng(0)
    seen = 0
    for _ in range(100):
        before = (random.random(100) < 0.5).astype(float)
        after = np.where(random.random(100) < 0.45, np.maximum(before, random.random(100) < 0.9), before)
        seen += rule(saw(before), saw(after), saw(before), 10, GOLD).action == "promoted"
    assert seen >= 80
