"""CREAM: one loss a task, the two rankings, and the first round in which the version before is the start."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import pytest
from rounds import play_round, ready

from autotelic.learning.learner import Updates
from autotelic.rewards.confidence import logprobs_after_prompt
from autotelic.runs.opening import Session
from autotelic.systems.self_rewarding.cream.recipe import ConsistencyRegularized, log_likelihoods
from autotelic.types import Example, Group, Rollout

SEEDED: dict[str, Any] = {"seed_rounds": 1, "seeds": 8, "group_size": 6, "sampling": {"max_tokens": 40}}


def seeded(**settings: Any) -> tuple[ConsistencyRegularized, Session]:
    """A run behind its one round of seeds."""
    made = ready("cream", **{**SEEDED, **settings})
    play_round(made, 1)
    made.ctx.begin_round(2)
    assert isinstance(made.recipe, ConsistencyRegularized)
    return made.recipe, made


def answers(made: Session, count: int = 4) -> list[Group]:
    return asyncio.run(made.ctx.sample("solver", made.ctx.pool.draw(count), n=6))


def sides(examples: Sequence[Example]) -> dict[str, tuple[str, str]]:
    """Chosen and rejected rollouts by pair."""
    by_side = {(item.pair, item.side): item.rollout for item in examples}
    return {str(name): (by_side[name, "chosen"], by_side[name, "rejected"]) for name, side in by_side if side == "chosen"}


def test_a_task_gives_one_pair_whose_confidence_is_the_consistency() -> None:
    recipe, made = seeded()
    groups = answers(made)
    examples = recipe.pairs(made.ctx, groups)
    assert len(examples) == 2 * len(sides(examples)) <= 8
    assert {item.weight for item in examples} == {1.0}
    assert {item.extra["confidence"] for item in examples} == {made.ctx.metrics["label/consistency"]}
    fixed = recipe.model_copy(update={"trust": 1.0}).pairs(made.ctx, groups)
    assert sides(fixed) == sides(examples) and {item.extra["confidence"] for item in fixed} == {1.0}
    own = {item.extra["confidence"] for item in recipe.model_copy(update={"per_task": True}).pairs(made.ctx, groups)}
    assert len(own) > 1


def test_best_and_worst_are_by_the_log_ratio_to_the_start() -> None:
    recipe, made = seeded()
    groups = answers(made)
    found = sides(recipe.pairs(made.ctx, groups))
    solver, start = made.ctx.policies["solver"], made.ctx.start("solver")
    margins = []
    for group in groups:
        readable = list({rollout.text: rollout for rollout in group if rollout.answer is not None}.values())
        if len(readable) < 2:
            continue
        ratios = {r.id: log_likelihoods(solver, [r])[r.id] - log_likelihoods(start, [r])[r.id] for r in readable}
        best, worst = max(ratios, key=ratios.__getitem__), min(ratios, key=ratios.__getitem__)
        assert found[f"{best}>{worst}"] == (best, worst)
        margins.append(ratios[best] - ratios[worst])
    assert made.ctx.metrics["judge/margin"] == pytest.approx(sum(margins) / len(margins), rel=1e-3)
    assert made.ctx.metrics["judge/margin"] > 0


def test_in_the_first_round_the_start_ranks_by_its_mean_log_probability() -> None:
    """It cannot rank by a log-ratio to itself, which is 0 for everything: c would be .5 and the gradient 0."""
    recipe, made = seeded()
    rollouts = [rollout for group in answers(made) for rollout in group]
    _, before = recipe.rankings(made.ctx, rollouts)
    expected = [float(scores.mean()) for scores in logprobs_after_prompt(made.ctx.start("solver"), rollouts)]
    assert [before[rollout.id] for rollout in rollouts] == pytest.approx(expected)
    assert made.ctx.metrics.get("label/consistency") is None
    recipe.pairs(made.ctx, [Group(rollouts[0].task, rollouts[:6])])
    assert made.ctx.metrics["label/consistency"] != 0.5
    later = recipe.model_copy(update={"seed_rounds": 0})
    ratios = later.rankings(made.ctx, rollouts)[1]
    assert list(ratios.values()) == pytest.approx([0.0] * len(rollouts), abs=1e-4), "the version before is the start until a round with pairs is over"


def test_the_version_before_is_the_one_at_the_start_of_the_round_before() -> None:
    _, made = seeded()
    ctx = made.ctx
    at_two = ctx.policies["solver"].snapshot()
    assert same(ctx.policies["previous"].snapshot(), ctx.start("solver").snapshot())
    play_round(made, 2)
    assert same(ctx.policies["previous"].snapshot(), at_two)
    assert not same(ctx.policies["solver"].snapshot(), at_two)


def gain(made: Session, item: Example) -> float:
    """How much likelier an example became in the update, from the weights that its pair was ranked by."""
    start = item.mask.index(1.0)
    now = made.ctx.policies["solver"].scores([item.tokens], [start])[0].logprobs.sum()
    return float(now) - math.fsum(item.old_logprobs[start:] if item.old_logprobs else [])


def same(one: Any, two: Any) -> bool:
    return all(bool((one[name] == two[name]).all()) for name in one)


@pytest.mark.parametrize(("trust", "direction"), [(1.0, 1), (0.0, -1), (0.5, 0)])
def test_both_orders_are_one_loss_that_is_log_two_at_first(trust: float, direction: int) -> None:
    """c DPO(best, worst) + (1 - c) DPO(worst, best): at the reference log 2 whatever c, with a gradient of (2 c - 1) times that of DPO."""
    recipe, made = seeded(trust=trust)
    ctx = made.ctx
    examples = recipe.pairs(ctx, answers(made))
    metrics = ctx.learn("solver", examples, recipe.objective, Updates(), reference=ctx.policies["solver"].clone("current"))
    assert metrics["loss"] == pytest.approx(math.log(2), rel=1e-4)
    assert (metrics["grad_norm"] < 1e-6) == (direction == 0)
    before = [side for side in examples if side.side == "chosen"], [side for side in examples if side.side == "rejected"]
    moved = [math.fsum(gain(made, item) for item in items) for items in before]
    assert (moved[0] > moved[1]) == (direction == 1) or direction == 0


def test_answers_that_the_ranking_does_not_tell_apart_give_no_pair() -> None:
    recipe, made = seeded()
    made.ctx.policies["solver"].restore(made.ctx.start("solver").snapshot())
    assert recipe.pairs(made.ctx, answers(made)) == []
    assert made.ctx.metrics["judge/margin"] == 0.0
    nothing = [Group(group.task, [Rollout(r.id, r.task, r.turns) for r in group]) for group in answers(made)]
    assert recipe.pairs(made.ctx, nothing) == [] and made.ctx.metrics["label/kept"] == 0.0
