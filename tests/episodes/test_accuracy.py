"""Measures of roles on tasks: alone, by vote, best of n, and a critic; with completions that are given."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from replying import context
from scripted import SHORT, Noting, Sums, made

from autotelic.episodes.accuracy import accuracy, best_of, greedy_accuracy, probe_critic, team
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import character_tokenizer
from autotelic.rounds.roles import Role
from autotelic.types import Rollout, Sampling, Task
from autotelic.worlds.chain_skills import ChainSkills

Make = Callable[..., Policy]
WORLD = Sums()
ONE, TWO = WORLD.tasks(2, seed=0)


def begun(policy: Policy, replies: dict[str, list[str]]) -> Noting:
    ctx = context(made("gold", sampling=SHORT), policy, WORLD, [ONE, TWO], replies)
    ctx.roles |= {name: replace(ctx.role("solver"), name=name) for name in "abc"}
    return ctx


def test_several_are_measured_alone_and_by_their_vote(policy: Make) -> None:
    ctx = begun(policy(), {"1+1=": ["2", "3", "3"], "2+2=": ["4", "x", "4"]})
    found = asyncio.run(team(ctx, "abc", [ONE, TWO]))
    assert found.alone == [1.0, 0.0, 0.5]
    assert found.together == 0.5, "3 has two of three votes on the first task, 4 has two of two on the second"
    tied = asyncio.run(team(begun(policy(), {"1+1=": ["2", "3"]}), "ab", [ONE]))
    assert tied.together == 1.0, "of equal votes the first role's answer counts"


def test_greedy_answers_leave_the_round_alone(policy: Make) -> None:
    ctx = begun(policy(), {"1+1=": ["2"], "2+2=": ["5"]})
    assert asyncio.run(greedy_accuracy(ctx, "solver", [ONE, TWO])) == 0.5
    assert ctx.groups == []
    assert accuracy(WORLD, [ONE, TWO], ["3", None]) == 0.0


def test_as_many_samples_as_the_tokens_allow_and_the_most_valued_of_them(policy: Make) -> None:
    def length(rollouts: Sequence[Rollout]) -> list[float]:
        return [float(len(rollout.text)) for rollout in rollouts]

    ctx = begun(policy(), {"1+1=": ["2", "2", "444", "33"], "2+2=": ["4", "55", "4", "4"]})
    best, n = asyncio.run(best_of(ctx, "solver", [ONE, TWO], length, tokens=12))
    assert n == 3, "one sample of both tasks takes four tokens, each answer and its end"
    assert [rollout.text for rollout in best] == ["444", "55"]
    _, least = asyncio.run(best_of(begun(policy(), {"1+1=": ["2", "2"]}), "solver", [ONE], length, tokens=0))
    assert least == 1


def test_a_critic_is_right_where_it_names_the_first_wrong_step(policy: Make) -> None:
    right, wrong = Task("r", "3+4*2="), Task("w", "3+4-2=")
    said = {right.id: "3+4=7;7*2=4;#4", wrong.id: "3+4=7;7-2=6;#6"}
    replies = {str(task.prompt): [said[task.id]] for task in (right, wrong)}
    skill = ChainSkills().skill("critique")
    asked = {str(skill.ask(task.prompt, said[task.id])): [critique] for task, critique in ((right, "#0"), (wrong, "#1"))}
    solver = policy()
    solver.tokenizer = character_tokenizer(ChainSkills.alphabet, 96)
    ctx = begun(solver, replies | asked)
    ctx.world = ChainSkills()
    once = Sampling(max_tokens=24)
    ctx.roles |= {"solver": Role("solver", "solver", once, str), "critic": Role("critic", "solver", once, skill.read)}
    outcomes = asyncio.run(probe_critic(ctx, "critic", "solver", [right, wrong])).outcomes
    assert [(o.task, o.slice, o.answer, o.gold, o.correct) for o in outcomes] == [
        ("r", "right solutions", "0", "0", 1.0),
        ("w", "natural errors", "1", "2", 0.0),
    ]
