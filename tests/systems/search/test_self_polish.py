"""Self-Polish, with a policy that says what the test wants: when answers agree, what is rewritten, which answer counts."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from replying import context
from scripted import Noting

from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import character_tokenizer
from autotelic.systems.base import TRIED
from autotelic.systems.search.self_polish.way import SelfPolish
from autotelic.types import Rollout, Task
from autotelic.worlds import open_world

Make = Callable[..., Policy]
WORLD = open_world("asides")
X0, X1, X2 = "1+2(+3)(-1)=", "1+2(+3)=", "1+2="
TASK = Task("t", X0)


@pytest.fixture
def solver(policy: Make) -> Policy:
    made = policy()
    made.tokenizer = character_tokenizer("0123456789+-*=#;()W", 96)
    return made


def polished(solver: Policy, replies: dict[str, list[str]], **settings: Any) -> tuple[Rollout, Noting]:
    way = SelfPolish(**settings)
    ctx = context(way, solver, WORLD, [TASK], replies)
    way.setup(ctx)
    (found,) = asyncio.run(way.answer(ctx, [TASK]))
    return found, ctx


def test_it_rewrites_until_two_answers_agree(solver: Policy) -> None:
    replies = {X0: ["#5"], f"W{X0}": [X1], X1: ["#3"], f"W{X1}": [X2], X2: ["#3"]}
    found, ctx = polished(solver, replies, rewrites=5)
    assert (found.answer, found.keys[TRIED], ctx.meter.completions) == ("3", ["5", "3", "3"], 5)
    assert not any(ctx.metrics.values())


def test_agreement_at_once_costs_two_calls_and_changes_nothing(solver: Policy) -> None:
    found, ctx = polished(solver, {X0: ["#5"], f"W{X0}": [X1], X1: ["#5"]})
    assert (found.answer, found.keys[TRIED], ctx.meter.completions) == ("5", ["5", "5"], 3)


@pytest.mark.parametrize(("final", "answer", "tried"), [("last", "7", ["5", "3", "7"]), ("first", "5", ["5", "3", "7", "5"])])
def test_without_agreement_the_settings_say_what_counts(final: str, answer: str, tried: list[str], solver: Policy) -> None:
    replies = {X0: ["#5"], f"W{X0}": [X1], X1: ["#3"], f"W{X1}": [X2], X2: ["#7"]}
    found, _ = polished(solver, replies, final=final)
    assert (found.answer, found.keys[TRIED]) == (answer, tried)


def test_the_vote_takes_the_most_frequent_answer_and_none_where_there_is_none(solver: Policy) -> None:
    replies = {X0: ["#5"], f"W{X0}": [X1], X1: ["#3", "#5"], f"W{X1}": [X1, X2], X2: ["#5"]}
    found, _ = polished(solver, {**replies, X1: ["#3"], f"W{X1}": [X2], X2: ["#5"]}, final="vote")
    assert (found.answer, found.keys[TRIED]) == ("5", ["5", "3", "5", "5"])
    silent = {X0: [";"], f"W{X0}": [X1], X1: [";"], f"W{X1}": [X2], X2: [";"]}
    found, ctx = polished(solver, silent, final="vote")
    assert found.answer is None and ctx.metrics["solver/unparsed"] == 3, "two answers that are none do not agree"


def test_a_rewriting_that_never_parses_leaves_the_answer(solver: Policy) -> None:
    found, ctx = polished(solver, {X0: ["#5"], f"W{X0}": ["1+"]}, rewrites=5)
    assert (found.answer, found.keys[TRIED], ctx.metrics["rewriter/unparsed"]) == ("5", ["5"], 1)


def test_its_ablation_answers_the_problem_as_it_was(solver: Policy) -> None:
    way = SelfPolish().ablations["the problem as it was"]
    assert way.answers == "original" and way.ablations == {}
    found, _ = polished(solver, {X0: ["#5", "#3", "#4"], f"W{X0}": [X1], f"W{X1}": [X2]}, answers="original")
    assert found.keys[TRIED] == ["5", "3", "4"]
