"""What a round may ask of its context."""

import asyncio
from collections.abc import Callable

import pytest
import torch
from contexts import TASKS, context

from autotelic.errors import DataError, EpisodeError, SettingError
from autotelic.learning.examples import example
from autotelic.learning.objectives import NLL, PolicyGradient
from autotelic.policies.policy import Policy
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.types import Rollout, Sampling, StopReason, Task

Make = Callable[..., Policy]


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
    assert ctx.meter.learning > 0 and ctx.meter.trained > 0


def test_random_numbers_are_keyed_by_round_and_parts(policy: Make) -> None:
    ctx = context(policy())
    first = ctx.random("x", 1).random()
    assert first == context(policy()).random("x", 1).random() != ctx.random("x", 2).random()
    ctx.begin_round(2)
    assert ctx.random("x", 1).random() != first


def test_an_utterance_is_extended_cut_observed_and_forked(policy: Make) -> None:
    ctx = context(policy())
    rollout = ctx.begin("solver", TASKS[1])
    assert rollout.id == "r1/solver/b/0" and rollout.actions == []
    turn = asyncio.run(ctx.act("solver", rollout, max_tokens=4))
    assert turn is rollout.turns[-1] and rollout.text == turn.text == ctx.policies["solver"].tokenizer.decode(turn.tokens)
    before = list(rollout.tokens)
    rollout.cut(2)
    assert rollout.tokens == before[:-2] and rollout.text == "" and rollout.answer is None
    asyncio.run(ctx.extend("solver", [rollout], max_tokens=3))
    assert [len(action.tokens) for action in rollout.utterance] == [2, 3]
    assert rollout.text == ctx.policies["solver"].tokenizer.decode([t for action in rollout.utterance for t in action.tokens])
    with pytest.raises(ValueError, match="cannot take back 6 tokens"):
        rollout.cut(6)
    ctx.observe(rollout, "1+")
    assert rollout.turns[-1].text == "1+" and rollout.utterance == [] and rollout.answer is None
    left, right = ctx.fork(rollout, 2)
    assert (left.id, right.id, left.parent) == (f"{rollout.id}.0", f"{rollout.id}.1", rollout.id)
    asyncio.run(ctx.extend("solver", [left, right], max_tokens=8))
    assert left.turns[-1].tokens != right.turns[-1].tokens and len(rollout.turns) == 4
    item = example(left, actions=[2], kl={0: 10.0})
    assert sum(item.mask) == len(left.turns[-1].tokens) and item.kl is not None and item.kl.count(10.0) == 2


def test_an_extended_rollout_is_sampled_as_one_that_was_never_cut_in_two(policy: Make) -> None:
    """Greedy decoding in two pieces is greedy decoding in one, log-probabilities included."""
    ctx = context(policy())
    whole, pieces = ctx.begin("solver", TASKS[1]), ctx.begin("solver", TASKS[1])
    asyncio.run(ctx.extend("solver", [whole], temperature=0.0, max_tokens=8))
    for size in (3, 5):
        asyncio.run(ctx.extend("solver", [pieces], temperature=0.0, max_tokens=size))
    if whole.turns[-1].stop is StopReason.LENGTH:
        assert pieces.tokens == whole.tokens
        found = [logprob for action in pieces.actions for logprob in action.logprobs or []]
        assert found == pytest.approx(whole.turns[-1].logprobs, abs=1e-5)


def test_a_full_context_is_an_outcome(policy: Make) -> None:
    ctx = context(policy())
    room = ctx.policies["solver"].model.context
    rollouts = [ctx.begin("solver", Task("near", "1" * (room - 2))), ctx.begin("solver", Task("full", "1" * room))]
    asyncio.run(ctx.extend("solver", rollouts))
    near, full = rollouts
    assert 1 <= len(near.turns[-1].tokens) <= 2 and full.turns[-1].tokens == [] and full.truncated and full.answer is None
    assert ctx.metrics["rollouts/no_room"] == 1
    assert not ctx.fits("solver", Task("full", "1" * room)) and not ctx.fits("solver", Task("odd", "\u00e9")) and ctx.fits("solver", TASKS[0])


def test_plays_run_at_once_and_failures_are_counted(policy: Make) -> None:
    ctx = context(policy())
    calls = ctx.meter.calls

    async def episode(ctx: Context, task: Task, index: int) -> list[Rollout]:
        rollout = ctx.begin("solver", task)
        await ctx.act("solver", rollout, max_tokens=3)
        if index == 1:
            raise EpisodeError("the world broke")
        ctx.observe(rollout, "1")
        await ctx.act("solver", rollout, max_tokens=3)
        return [rollout]

    groups = asyncio.run(ctx.play(episode, TASKS[:2], n=3))
    assert [len(group) for group in groups] == [2, 2] and ctx.metrics["episodes/failed"] == 2
    assert ctx.meter.calls == calls + 2
    assert ctx.groups == groups


def test_clones_learn_and_go_and_asides_leave_no_trace(policy: Make) -> None:
    ctx = context(policy())
    ctx.clone("solver", "student")
    ctx.roles["student"] = Role("student", "student", Sampling(max_tokens=10), str)
    group = asyncio.run(ctx.sample("student", TASKS[:1], n=2))[0]
    ctx.learn("student", [example(rollout) for rollout in group], NLL())
    gap = [
        float((a - b).detach().abs().max())
        for a, b in zip(ctx.policies["student"].model.parameters(), ctx.policies["solver"].model.parameters(), strict=True)
    ]
    assert max(gap) > 0 and ctx.origins == {"student": "solver"}
    ctx.drop("student")
    assert set(ctx.policies) == {"solver"} and ctx.learners == {} and ctx.origins == {}
    noted, drawn = list(ctx.groups), tokens(context(policy()), TASKS[0])
    with ctx.aside():
        tokens(ctx, TASKS[0])
        ctx.count("x")
        ctx.label(TASKS[0], "1")
    assert ctx.groups == noted and "x" not in ctx.metrics and not ctx.labels and tokens(ctx, TASKS[0]) == drawn


def test_labels_are_noted_for_the_round(policy: Make) -> None:
    ctx = context(policy())
    ctx.label(TASKS[0], "1")
    ctx.label(TASKS[1], None)
    assert ctx.labels == [(TASKS[0], "1"), (TASKS[1], None)]
    ctx.begin_round(2)
    assert ctx.labels == []


def test_a_role_samples_otherwise_for_a_while(policy: Make) -> None:
    ctx = context(policy())
    own = ctx.role("solver")
    with ctx.sampling_as("solver", lambda sampling: sampling.model_copy(update={"max_tokens": 2})) as role:
        assert role is ctx.role("solver") and role.sampling.max_tokens == 2
        assert all(len(rollout.actions[0].tokens) <= 2 for rollout in asyncio.run(ctx.sample("solver", TASKS[:1], n=4))[0])
    assert ctx.role("solver") is own
    with pytest.raises(SettingError, match="no role 'judge'"), ctx.sampling_as("judge", lambda sampling: sampling):
        pass


def test_next_logprobs_are_the_distribution_that_scores_come_from(policy: Make) -> None:
    solver = policy()
    sequences = [[3, 4, 5], [6, 7]]
    table = solver.next_logprobs(sequences)
    assert table.exp().sum(-1).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
    scored = solver.scores([[*s, 8] for s in sequences], [len(s) for s in sequences])
    assert table[:, 8].tolist() == pytest.approx([float(s.logprobs[0]) for s in scored], abs=1e-5)
    assert solver.next_logprobs([]).shape == (0, solver.model.vocab_size)


def test_a_proposal_names_its_parent(policy: Make) -> None:
    ctx = context(policy())
    rollout = ctx.begin("solver", TASKS[0])
    task = ctx.proposal(rollout, "2=", ops=1)
    assert task.tags == {"parents": [rollout.id], "born": 1, "ops": 1} and task.id == f"by-{rollout.id}"
