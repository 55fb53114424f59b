"""Self-contemplation prompting, with a policy that says what the test wants: how examples are gathered, and what is asked behind them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from replying import context
from scripted import Noting

from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import character_tokenizer
from autotelic.systems.search.self_contemplation.way import SelfContemplation
from autotelic.types import Rollout, Task
from autotelic.worlds import open_world

Make = Callable[..., Policy]
WORLD = open_world("rules")
TASK, OTHER = Task("t", "k35="), Task("u", "m4=")
ONE, TWO = "k1=17;", "k2=27;"


@pytest.fixture
def solver(policy: Make) -> Policy:
    made = policy()
    made.tokenizer = character_tokenizer("abcdefghijklmnopqrstuvwxyz0123456789=;D", 96)
    return made


def contemplated(solver: Policy, replies: dict[str, list[str]], tasks: list[Task] | None = None, **settings: Any) -> tuple[list[Rollout], Noting]:
    way = SelfContemplation(**{"examples": 2, **settings})
    ctx = context(way, solver, WORLD, tasks or [TASK], replies)
    way.setup(ctx)
    return asyncio.run(way.answer(ctx, tasks or [TASK])), ctx


def test_the_answer_stands_behind_own_examples(solver: Policy) -> None:
    (found,), ctx = contemplated(solver, {"Dk35=": [ONE, TWO], ONE + TWO + "k35=": ["3757"]})
    assert (found.answer, ctx.meter.completions) == ("3757", 3) and not any(ctx.metrics.values())


def test_examples_that_cannot_be_read_are_written_anew_and_counted(solver: Policy) -> None:
    replies = {"Dk35=": ["k1", ONE, "7;", TWO], ONE + TWO + "k35=": ["3757"]}
    (found,), ctx = contemplated(solver, replies)
    assert (found.answer, ctx.metrics["demonstrator/unparsed"], ctx.meter.completions) == ("3757", 2, 5)
    (found,), ctx = contemplated(solver, {"Dk35=": ["k1", ONE], ONE + "k35=": ["3858"]}, tries=1)
    assert found.answer == "3858", "it goes on with those that there are"


def test_a_problem_without_examples_is_answered_as_it_is(solver: Policy) -> None:
    replies = {"Dk35=": ["7"] * 4, "k35=": ["3050"], "Dm4=": [ONE, TWO], ONE + TWO + "m4=": ["47"]}
    found, ctx = contemplated(solver, replies, [TASK, OTHER], tries=2)
    assert [rollout.answer for rollout in found] == ["3050", "47"] and [rollout.task.id for rollout in found] == ["t", "u"]
    assert (ctx.metrics["self-contemplation/alone"], ctx.metrics["demonstrator/unparsed"]) == (1, 4)


def test_each_further_try_is_warmer(solver: Policy) -> None:
    temperatures = []

    class Noticing(SelfContemplation):
        pass

    way = Noticing(examples=1, tries=3, warmer=0.2)
    ctx = context(way, solver, WORLD, [TASK], {"Dk35=": ["7", "7", ONE], ONE + "k35=": ["37"]})
    extend = ctx.extend

    async def noticed(role: str, rollouts: Any, **settings: Any) -> None:
        temperatures.append(settings["temperature"])
        await extend(role, rollouts, **settings)

    ctx.extend = noticed  # type: ignore[method-assign]
    asyncio.run(way.answer(ctx, [TASK]))
    assert temperatures[:3] == pytest.approx([0.7, 0.9, 1.1]) and temperatures[3:] == [0.0, 0.0]


def test_examples_that_leave_no_room_are_counted_and_give_no_answer(solver: Policy) -> None:
    long = "k" + "1" * 40 + "=" + "17" * 5 + ";"
    (found,), ctx = contemplated(solver, {"Dk35=": [long, long]}, writing={"max_tokens": 90})
    assert found.answer is None and ctx.metrics["rollouts/no_room"] == 1


def test_its_ablation_shows_examples_for_other_problems(solver: Policy) -> None:
    way = SelfContemplation().ablations["examples for other problems"]
    assert way.written_for == "others" and way.ablations == {}
    replies = {"Dk35=": [ONE], "Dm4=": ["m1=12;"], "m1=12;k35=": ["32"], ONE + "m4=": ["47"]}
    found, _ = contemplated(solver, replies, [TASK, OTHER], examples=1, written_for="others")
    assert [rollout.answer for rollout in found] == ["32", "47"]
