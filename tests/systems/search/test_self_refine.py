"""Self-Refine, with a policy that says what the test wants: when it stops, what it keeps, what it is told."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from replying import context
from scripted import Noting

from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import character_tokenizer
from autotelic.systems.base import TRIED
from autotelic.systems.search.self_refine.way import SelfRefine
from autotelic.types import Rollout, Task
from autotelic.worlds import open_world

Make = Callable[..., Policy]
WORLD = open_world("chain-skills")
TASK, OTHER = Task("t", "1+2="), Task("u", "3*3=")
DRAFT, BETTER, BEST = "1+2=4;#4", "1+2=5;#5", "1+2=3;#3"


@pytest.fixture
def solver(policy: Make) -> Policy:
    made = policy()
    made.tokenizer = character_tokenizer("0123456789+-*=#;@JCRSE?!:", 96)
    return made


def critique(draft: str) -> str:
    """What the critic is asked of a draft."""
    return f"C1+2={draft}:"


def refine(draft: str, index: int) -> str:
    """What the refiner is asked."""
    return f"R1+2={draft}:{index}="


def refined(solver: Policy, replies: dict[str, list[str]], tasks: list[Task] | None = None, **settings: Any) -> tuple[list[Rollout], Noting]:
    way = SelfRefine(**settings)
    ctx = context(way, solver, WORLD, tasks or [TASK], replies)
    way.setup(ctx)
    return asyncio.run(way.answer(ctx, tasks or [TASK])), ctx


def test_it_refines_until_the_critique_finds_nothing(solver: Policy) -> None:
    replies = {
        "1+2=": [DRAFT],
        critique(DRAFT): ["1+2=3;#1"],
        refine(DRAFT, 1): [BETTER],
        critique(BETTER): ["#1"],
        refine(BETTER, 1): [BEST],
        critique(BEST): ["1+2=3;#0"],
    }
    (found,), ctx = refined(solver, replies)
    assert (found.text, found.answer, found.keys[TRIED]) == (BEST, "3", ["4", "5", "3"])
    assert ctx.meter.completions == 6 and ctx.policies["solver"].version == 0
    assert {name for name, value in ctx.metrics.items() if value} == set()
    once = {text: list(said) for text, said in list(replies.items())[:3]}
    (found,), _ = refined(solver, once, refinements=1)
    assert (found.text, found.keys[TRIED]) == (BETTER, ["4", "5"]), "at most so many refinements"


@pytest.mark.parametrize(
    ("said", "mended", "counted"),
    [("1+2=3;", [], "critic/unparsed"), ("#0", [], None), ("#1", ["1+2=5;"], "refiner/unparsed")],
    ids=["unreadable", "nothing wrong", "no answer"],
)
def test_an_answer_stays(said: str, mended: list[str], counted: str | None, solver: Policy) -> None:
    (found,), ctx = refined(solver, {"1+2=": [DRAFT], critique(DRAFT): [said], refine(DRAFT, 1): mended})
    assert (found.text, found.keys[TRIED]) == (DRAFT, ["4"])
    assert [name for name, value in ctx.metrics.items() if value] == ([counted] if counted else [])


def test_its_ablation_is_told_of_another_answer(solver: Policy) -> None:
    replies = {
        "1+2=": [DRAFT], "3*3=": ["3*3=8;#8"], critique(DRAFT): ["#1"], "C3*3=3*3=8;#8:": ["#2"],
        refine(DRAFT, 2): [BEST], "R3*3=3*3=8;#8:1=": ["3*3=9;#9"],
    }  # fmt: skip
    way = SelfRefine(refinements=1).ablations["critiques of other answers"]
    assert way.says == "others" and way.ablations == {}
    found, _ = refined(solver, replies, [TASK, OTHER], refinements=1, says="others")
    assert [rollout.answer for rollout in found] == ["3", "9"]
