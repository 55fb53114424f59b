"""Formulas of systems that judge themselves, forget, or play against each other, worked by hand."""

import math

import pytest
import torch
from hand import OLD, TOTALS, batch, scores

from autotelic.learning.objectives import Unlikelihood
from autotelic.systems.multi_agent.comas.recipe import shares
from autotelic.systems.reinforcement.eepo.recipe import surprise
from autotelic.systems.self_play.spc.recipe import LONGEST, Sneak, put
from autotelic.systems.self_rewarding.cream.recipe import consistency
from autotelic.systems.self_rewarding.self_rewarding_lm.recipe import best_and_worst
from autotelic.types import Group, Rollout, Task, Turn, TurnKind

TASK = Task("t", "3+4*2=", answer="4")


def group(*rewards: dict[str, float], logprobs: list[float] | None = None) -> Group:
    turns = [Turn(TurnKind.ACTION, [1] * len(logprobs or []), logprobs)]
    return Group(TASK, [Rollout(f"r{i}", TASK, list(turns), rewards=dict(named)) for i, named in enumerate(rewards)])


@pytest.mark.parametrize(("score", "expected"), [("3", (1, 0, 0)), ("2", (0.5, 0.5, 0)), ("1", (0, 1, 0)), (None, (0, 0, -1))])
def test_comas_shares_a_score(score: str | None, expected: tuple[float, float, float]) -> None:
    assert shares(score) == expected


def test_cream_trusts_agreement() -> None:
    assert consistency([1, 2, 3], [2, 4, 9]) == 1.0
    assert consistency([1, 2, 3], [3, 2, 1]) == 0.0
    assert consistency([1, 2, 3], [0, 0, 0]) == 0.5


def test_best_against_worst_needs_two_different_grades() -> None:
    found = best_and_worst(group({"grade": 3.0}, {}, {"grade": 5.0}, {"grade": 1.0}, {"grade": 5.0}))
    assert found is not None and [rollout.id for rollout in found] == ["r2", "r3"]
    assert best_and_worst(group({"grade": 3.0}, {"grade": 3.0}, {})) is None
    assert best_and_worst(group({}, {})) is None


def test_surprise_is_the_mean_negative_log_probability() -> None:
    assert surprise([group({}, {}, logprobs=[-1.0, -3.0])]) == 2.0
    assert surprise([]) == 0.0


def test_unlikelihood_pushes_likely_tokens_and_leaves_rare_ones() -> None:
    half = scores(torch.full((2, 3), math.log(0.5)))
    loss, _ = Unlikelihood().loss(half, batch(OLD), TOTALS)
    assert float(loss) == pytest.approx(math.log(2), rel=1e-5)
    now = torch.tensor([[0.0, -0.01, -7.0], [0.0, 0.0, 0.0]], requires_grad=True)
    Unlikelihood().loss(scores(now), batch(OLD), TOTALS)[0].backward()  # type: ignore[no-untyped-call]
    assert now.grad is not None and float(now.grad[0, 1]) > 1000 * float(now.grad[0, 2]) > 0
    certain = scores(torch.zeros(2, 3))
    assert math.isfinite(float(Unlikelihood().loss(certain, batch(OLD), TOTALS)[0]))


def test_a_spoiled_step_takes_the_place_of_the_original() -> None:
    first, second = (Sneak(TASK, "3+4=7;7*2=4;#4", "4", ("3+4=7;", "7*2=4;"), place) for place in (1, 2))
    assert second.original == "7*2=4;" and second.start("7*2=5;") == "3+4=7;7*2=5;"
    assert first.start("3+4=6;") == "3+4=6;"


def test_a_prompt_is_the_id_of_its_task_where_it_is_short() -> None:
    assert put("from", "3+4*2=").id == "from-3+4*2="
    long = [put("from", [{"role": "user", "content": "1" * LONGEST + last}]).id for last in "ab"]
    assert len(set(long)) == 2 and all(len(name) < 30 for name in long)
