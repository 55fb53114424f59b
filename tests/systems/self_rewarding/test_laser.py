"""LaSeR: the score read off one token, its balanced regression, its part in the advantage and in votes."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest
from replying import context
from scripted import SHORT, Noting, Sums, made

from autotelic.answers.votes import weighted_vote
from autotelic.errors import SettingError
from autotelic.learning.objectives import Mixture, TokenScore
from autotelic.measures.monitors import verification
from autotelic.policies.policy import Policy
from autotelic.rewards.token_scores import last_token_scores, score_examples
from autotelic.systems.self_rewarding.laser.recipe import blend_scores
from autotelic.types import Group, Rollout, Task

Make = Callable[..., Policy]
TASKS = Sums().tasks(2, seed=0)
REPLIES = {"1+1=": ["2", "3", "x", "2"], "2+2=": ["4", "4", "4", "444444444"]}


def group(*rights: float) -> Group:
    task = Task("t", "1+1=")
    return Group(task, [Rollout(f"r{i}", task, [], rewards={"correct": right}, answer=str(i % 2)) for i, right in enumerate(rights)])


def run(policy: Policy, rounds: int = 1, **settings: Any) -> Noting:
    recipe = made("laser", group_size=4, sampling=SHORT, tasks_per_round=2, **settings)
    ctx = context(recipe, policy, Sums(), TASKS, {text: replies * (rounds + 1) for text, replies in REPLIES.items()})
    recipe.setup(ctx)
    for number in range(1, rounds + 1):
        ctx.begin_round(number)
        asyncio.run(recipe.round(ctx))
    return ctx


def test_the_score_is_the_scaled_log_probability_of_the_token_after_the_end(policy: Make) -> None:
    solver = policy()
    ctx = run(solver, coefficient=0.0)
    rollout = ctx.groups[0].rollouts[0]
    z = solver.tokenizer.inner.convert_tokens_to_ids("<|unknown|>")
    expected = float(solver.next_logprobs([rollout.tokens])[0, z])
    assert rollout.tokens[-1] == solver.tokenizer.end_id
    assert last_token_scores(solver, ctx.groups, z, 0.5, -6.0)[rollout.id] == pytest.approx(0.5 * (expected + 6.0), abs=1e-5)
    assert sum(rollout.truncated for group in ctx.groups for rollout in group) == 1
    assert len(last_token_scores(solver, ctx.groups, z, 0.5, -6.0)) == 7  # what was cut off has no score


def test_the_constant_is_the_mean_of_the_base_and_stays(policy: Make) -> None:
    solver = policy()
    base = solver.clone("base")
    ctx = run(solver, rounds=2, score_after=0)
    z = solver.tokenizer.inner.convert_tokens_to_ids("<|unknown|>")
    found = last_token_scores(base, ctx.groups, z, 1.0, 0.0)
    assert ctx.state["constant"] == pytest.approx(math.fsum(found.values()) / 7, abs=1e-4)
    terms = [objective.terms["score"] for _, objective, _ in ctx.learned if isinstance(objective, Mixture)]
    assert [term.objective for term in terms] == [TokenScore(beta=0.25, offset=ctx.state["constant"])] * 2
    assert [term.coefficient for term in terms] == [0.1, 0.1]
    assert ctx.learned[0][0][-1].part == "score"


def test_right_and_wrong_weigh_the_same(policy: Make) -> None:
    rollouts = group(1, 1, 1, 0).rollouts
    items = score_examples(rollouts, 9)
    assert [item.weight for item in items] == pytest.approx([4 / 6, 4 / 6, 4 / 6, 2.0])
    assert [item.extra["target"] for item in items] == [1, 1, 1, 0]
    assert all(item.tokens == [9] and item.mask == [1.0] for item in items)
    assert [item.weight for item in score_examples(group(1, 1).rollouts, 9)] == [0.5, 0.5]  # one class alone has half the weight
    assert score_examples([], 9) == []
    ctx = run(policy(), score_after=0)
    items = [item for item in ctx.learned[0][0] if item.part == "score"]
    assert (len(items), math.fsum(item.weight for item in items)) == (7, pytest.approx(7))
    assert not any(item.part == "score" for item in run(policy(), score_after=1).learned[0][0])


def test_scores_take_part_in_the_advantage() -> None:
    members = group(1, 0, 0)
    for rollout, advantage in zip(members, (2.0, -1.0, -1.0), strict=True):
        rollout.advantage = advantage
    blend_scores(members, {"r0": 0.0, "r1": 7.0}, 0.1, 0.1)  # clamped to 0, 1, and 0 for the one without: z-scores -.577, 1.155, -.577
    assert [rollout.advantage for rollout in members] == pytest.approx([1.8 - 0.0577350, -0.9 + 0.1154701, -0.9 - 0.0577350], abs=1e-5)
    before = [rollout.advantage for rollout in members]
    blend_scores(members, {"r0": 0.5, "r1": 0.55, "r2": 0.6}, 0.1, 0.1)  # std .05: too alike to say anything
    assert [rollout.advantage for rollout in members] == before


def test_verification_and_votes() -> None:
    groups = [group(1, 1, 0, 0)]
    scores = {"r0": 0.9, "r1": 0.2, "r2": -3.0, "r3": 0.1}
    assert verification(groups, scores) == pytest.approx({"accuracy": 0.75, "recall_right": 0.5, "recall_wrong": 1.0, "f1": 2 / 3})
    assert verification(groups, {}) == {"accuracy": 0.0, "recall_right": 0.0, "recall_wrong": 0.0, "f1": 0.0}
    assert verification([group(1, 1)], {"r0": 1.0, "r1": 1.0})["f1"] == 0.0  # there is no wrong one to tell
    assert weighted_vote(groups[0], scores) == "0"  # .9 and 0 against .2 and .1
    assert weighted_vote(groups[0], {"r0": 0.2, "r1": 0.3, "r2": -5.0}) == "1"
    assert weighted_vote(groups[0], {}) is None


def test_measures_and_a_vocabulary_without_the_token(policy: Make) -> None:
    ctx = run(policy())
    measured = asyncio.run(made("laser", group_size=4, sampling=SHORT).measure(ctx, TASKS))
    assert (measured["probe/score/plain_vote"], measured["probe/score/weighted_vote"]) == (1.0, pytest.approx(0.5, abs=0.5))
    assert 0 <= measured["probe/score/f1"] <= 1
    with pytest.raises(SettingError, match="no such token"):
        run(policy(), token="<|vision|>")


def test_the_probe_neither_sets_the_constant_nor_needs_it(policy: Make) -> None:
    """Round 0 measures before any answer of training is there; training must not take its constant from tasks of the probe."""
    solver = policy()
    recipe = made("laser", group_size=4, sampling=SHORT, tasks_per_round=2)
    ctx = context(recipe, solver, Sums(), TASKS, {text: replies * 2 for text, replies in REPLIES.items()})
    recipe.setup(ctx)
    measured = asyncio.run(recipe.measure(ctx, TASKS))
    assert "probe/score/f1" in measured and ctx.state == {}
    ctx.begin_round(1)
    asyncio.run(recipe.round(ctx))
    assert ctx.state["constant"] == ctx.metrics["score/constant"]
    assert asyncio.run(recipe.measure(ctx, [Task("t", "1+1=")])) == {}, "no answer is known"


def test_a_round_in_which_nothing_ended_sets_no_constant(policy: Make) -> None:
    cut = {text: ["22222222222"] * 4 for text in REPLIES}
    recipe = made("laser", group_size=4, sampling=SHORT, tasks_per_round=2)
    ctx = context(recipe, policy(), Sums(), TASKS, cut)
    asyncio.run(recipe.round(ctx))
    assert ctx.state == {} and "score/constant" not in ctx.metrics


def test_without_the_score_s_loss_it_takes_no_part_in_the_advantage(policy: Make) -> None:
    blended = [item.advantage for item in run(policy(), blend_after=0, blend=0.5, filter=0.0).learned[0][0]]
    plain = [item.advantage for item in run(policy(), blend_after=0, blend=0.5, filter=0.0, coefficient=0.0).learned[0][0]]
    never = [item.advantage for item in run(policy(), blend_after=1).learned[0][0]]
    assert plain == never != blended
