"""What a round may ask of its context."""

import asyncio
from collections.abc import Callable

import pytest
import torch

from autotelic.episodes.roles import Role
from autotelic.errors import DataError, SettingError
from autotelic.learning.learner import Optimizer
from autotelic.learning.objectives import NLL, PolicyGradient
from autotelic.policies.policy import Policy
from autotelic.recipes.context import Context
from autotelic.tasks.pool import TaskPool
from autotelic.tasks.worlds import open_world
from autotelic.types import Sampling, StopReason, Task

Make = Callable[..., Policy]
TASKS = [Task("a", "1="), Task("b", "22+3="), Task("c", "x" * 20)]


def context(policy: Policy, seed: int = 0) -> Context:
    roles = {"solver": Role("solver", "solver", Sampling(max_tokens=10), lambda text: text[:1] or None)}
    ctx = Context(
        world=open_world("chain"),
        pool=TaskPool(TASKS, seed),
        policies={"solver": policy},
        roles=roles,
        batcher=policy.batcher,
        seed=seed,
        optimizer=Optimizer(),
    )
    ctx.set_start("solver", policy.clone("start"))
    ctx.begin_round(1)
    return ctx


def tokens(ctx: Context, *tasks: Task, n: int = 3) -> list[list[list[int]]]:
    return [[rollout.turns[1].tokens for rollout in group] for group in asyncio.run(ctx.sample("solver", tasks, n=n))]


def test_what_else_is_sampled_does_not_matter(policy: Make) -> None:
    together = tokens(context(policy()), *TASKS)
    ctx = context(policy())
    assert [tokens(ctx, task)[0] for task in reversed(TASKS)] == together[::-1]
    longer = tokens(context(policy()), *TASKS, n=5)
    assert [group[:3] for group in longer] == together


def test_every_sample_of_a_round_has_a_stream_and_an_id_of_its_own(policy: Make) -> None:
    ctx = context(policy())
    first, again, more = (asyncio.run(ctx.sample("solver", tasks, n=3)) for tasks in ([TASKS[1]], [TASKS[1], TASKS[1]], [TASKS[1]]))
    rollouts = [rollout for groups in (first, again, more) for group in groups for rollout in group]
    assert [rollout.id for rollout in rollouts] == [f"r1/solver/b/{i}" for i in range(12)]
    assert len({tuple(rollout.turns[1].tokens) for rollout in rollouts}) > 8
    assert tokens(context(policy()), TASKS[1], n=12)[0] == [rollout.turns[1].tokens for rollout in rollouts]
    assert len(ctx.groups) == 4
    ctx.begin_round(2)
    assert ctx.groups == []
    assert tokens(ctx, TASKS[1])[0] != [rollout.turns[1].tokens for rollout in rollouts[:3]]
    assert tokens(context(policy(), seed=1), TASKS[1])[0] != [rollout.turns[1].tokens for rollout in rollouts[:3]]


def test_sampling_settings_belong_to_the_call(policy: Make) -> None:
    ctx = context(policy())
    greedy = asyncio.run(ctx.sample("solver", TASKS[:1], n=3, temperature=0.0, max_tokens=4))[0]
    assert len({tuple(rollout.turns[1].tokens) for rollout in greedy}) == 1
    assert all(len(rollout.turns[1].tokens) <= 4 for rollout in greedy)
    assert ctx.roles["solver"].sampling == Sampling(max_tokens=10)
    hot = asyncio.run(ctx.sample("solver", TASKS[:1], n=3, temperature=2.0))[0]
    assert {rollout.turns[1].temperature for rollout in hot} == {2.0}
    with pytest.raises(ValueError, match="temprature"):
        asyncio.run(ctx.sample("solver", TASKS[:1], n=3, temprature=2.0))
    with pytest.raises(ValueError, match="max_tokens"):
        asyncio.run(ctx.sample("solver", TASKS[:1], n=3, max_tokens=0))


def test_rollouts_carry_what_was_sampled(policy: Make) -> None:
    ctx = context(policy())
    ctx.policies["solver"].version = 4
    for group in asyncio.run(ctx.sample("solver", TASKS, n=6)):
        for rollout in group:
            prompt, action = rollout.turns
            assert prompt.tokens == ctx.policies["solver"].tokenizer.encode_prompt(group.task.prompt)
            assert (action.policy, action.role, action.version, rollout.keys) == ("solver", "solver", 4, {"role": "solver", "task": group.task.id})
            assert action.logprobs is not None and len(action.logprobs) == len(action.tokens)
            assert rollout.answer == (None if action.stop is StopReason.LENGTH else rollout.text[:1] or None)
            assert rollout.truncated == (action.stop is StopReason.LENGTH)


def test_prompts_that_do_not_fit_name_their_task(policy: Make) -> None:
    ctx = context(policy())
    with pytest.raises(DataError, match=r"task long: its prompt of 91 tokens and sampling\.max_tokens=10 exceed the model's context of 96"):
        asyncio.run(ctx.sample("solver", [Task("long", "1" * 90)], n=1))
    with pytest.raises(DataError, match="task odd: the model's vocabulary lacks 'Q'"):
        asyncio.run(ctx.sample("solver", [Task("odd", "Q")], n=1))
    with pytest.raises(SettingError, match=r"no role 'solvr'; did you mean 'solver'\?"):
        asyncio.run(ctx.sample("solvr", TASKS, n=1))


def test_learning_goes_through_one_learner_and_the_start_stays(policy: Make) -> None:
    ctx = context(policy())
    start = ctx.start("solver").snapshot()
    for number in (1, 2):
        ctx.begin_round(number)
        groups = asyncio.run(ctx.sample("solver", TASKS, n=4))
        for group in groups:
            for place, rollout in enumerate(group):
                rollout.advantage = 1.0 if place % 2 else -1.0
        ctx.learn("solver", groups, PolicyGradient(kl=0.1))
    assert (ctx.learner("solver").steps, ctx.policies["solver"].version) == (2, 2)
    assert ctx.metrics["kl"] > 0  # to the start, which has not moved
    assert all(torch.equal(value, start[name]) for name, value in ctx.start("solver").snapshot().items())
    assert any(not torch.equal(value, start[name]) for name, value in ctx.policies["solver"].snapshot().items())
    anchor = ctx.clone("solver", "anchor")
    assert ctx.policies["anchor"] is anchor
    ctx.learn("solver", asyncio.run(ctx.sample("solver", TASKS, n=1)), NLL())
    assert ctx.phase_seconds["learn"] > 0


def test_random_numbers_are_keyed_by_round_and_parts(policy: Make) -> None:
    ctx = context(policy())
    first = ctx.random("x", 1).random()
    assert first == context(policy()).random("x", 1).random() != ctx.random("x", 2).random()
    ctx.begin_round(2)
    assert ctx.random("x", 1).random() != first
