"""SE-Agent, with a policy that says what the test wants: what each attempt is told, and when it stops."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from replying import context
from scripted import Noting

from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import character_tokenizer
from autotelic.systems.base import ASKED, TRIED
from autotelic.systems.search.se_agent.way import SEAgent, alike
from autotelic.types import Rollout, Task
from autotelic.worlds import open_world

Make = Callable[..., Policy]
WORLD = open_world("chain-skills")
PROMPT = "1+2*3="
TASK = Task("t", PROMPT, "9")
FIRST, SECOND, RIGHT = "1+2=3;3*3=8;#8", "1+2=3;3*3=7;#7", "1+2=3;3*3=9;#9"


@pytest.fixture
def solver(policy: Make) -> Policy:
    made = policy()
    made.tokenizer = character_tokenizer("0123456789+-*=#;@JCRSE?!:", 96)
    return made


def attempted(solver: Policy, replies: dict[str, list[str]], task: Task = TASK, **settings: Any) -> tuple[Rollout, Noting]:
    way = SEAgent(**settings)
    ctx = context(way, solver, WORLD, [task], replies)
    way.setup(ctx)
    (found,) = asyncio.run(way.answer(ctx, [task]))
    return found, ctx


def test_each_attempt_is_told_of_the_failures_before_it(solver: Policy) -> None:
    """An alternative to the first, a crossover of the first two, and a summary: critics name step 2 twice and step 1 once."""
    third = "1+2=3;3*3=6;#6"
    replies = {
        PROMPT: [FIRST], f"R{PROMPT}{FIRST}:?=": [SECOND], PROMPT + "1+2=3;": ["3*3=6;#6"],
        f"C{PROMPT}{FIRST}:": ["#2"], f"C{PROMPT}{SECOND}:": ["#1"], f"C{PROMPT}{third}:": ["#2"], f"R{PROMPT}{third}:2=": [RIGHT],
    }  # fmt: skip
    found, ctx = attempted(solver, replies)
    assert (found.answer, found.keys[TRIED]) == ("9", ["8", "7", "6", "9"])
    assert ctx.metrics[ASKED] == 3 and ctx.meter.completions == 7


def test_it_stops_at_the_first_right_answer(solver: Policy) -> None:
    found, ctx = attempted(solver, {PROMPT: [RIGHT]})
    assert (found.answer, ctx.metrics[ASKED], ctx.meter.completions) == ("9", 1, 1)


def test_a_crossover_of_one_attempt_starts_at_the_beginning(solver: Policy) -> None:
    found, _ = attempted(solver, {PROMPT: [FIRST, RIGHT]}, operators=["crossover"])
    assert found.keys[TRIED] == ["8", "9"]
    assert alike(["a", "b", "c"], ["a", "b", "d"]) == ["a", "b"] and alike(["a"], ["b"]) == [] and alike([], ["b"]) == []


def test_critiques_that_never_parse_have_no_vote(solver: Policy) -> None:
    replies = {PROMPT: [FIRST], f"C{PROMPT}{FIRST}:": [";"], f"R{PROMPT}{FIRST}:?=": [SECOND]}
    found, ctx = attempted(solver, replies, operators=["summary"])
    assert found.keys[TRIED] == ["8", "7"] and ctx.metrics["critic/unparsed"] == 1


def test_a_task_of_which_nobody_knows_the_truth_keeps_its_first_attempt(solver: Policy) -> None:
    found, ctx = attempted(solver, {PROMPT: [FIRST]}, Task("t", PROMPT))
    assert (found.answer, ctx.metrics["se-agent/unjudged"]) == ("8", 1) and ASKED not in ctx.metrics


def test_its_ablation_makes_plain_attempts(solver: Policy) -> None:
    way = SEAgent().ablations["plain attempts"]
    assert way.operators == ("anew",) * 3 and way.ablations == {} and way.reads_truth
    found, ctx = attempted(solver, {PROMPT: [FIRST, SECOND, RIGHT]}, operators=["anew", "anew", "anew"])
    assert (found.keys[TRIED], ctx.metrics[ASKED]) == (["8", "7", "9"], 3)
