"""The backtracking of BIG-Bench Mistake, with a policy that says what the test wants: where it goes back to, and what it keeps."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from replying import context
from scripted import Noting

from autotelic.errors import SettingError
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import character_tokenizer
from autotelic.systems.base import ASKED, TRIED
from autotelic.systems.self_correction.backtracking.way import Backtracking, start_of
from autotelic.tasks.english import steps
from autotelic.tasks.file_world import FileWorld
from autotelic.types import Rollout, Task
from autotelic.worlds import open_world

Make = Callable[..., Policy]
WORLD = open_world("chain-skills")
PROMPT, TRACE = "1+2*3=", "1+2=4;4*3=2;#2"
TASK = Task("t", PROMPT, "9")
CRITIQUE = f"C{PROMPT}{TRACE}:"


@pytest.fixture
def solver(policy: Make) -> Policy:
    made = policy()
    made.tokenizer = character_tokenizer("0123456789+-*=#;@JCRSE?!:", 96)
    return made


def gone_back(solver: Policy, replies: dict[str, list[str]], **settings: Any) -> tuple[Rollout, Noting]:
    way = Backtracking(**{"alternatives": 3, **settings})
    ctx = context(way, solver, WORLD, [TASK], replies)
    way.setup(ctx)
    (found,) = asyncio.run(way.answer(ctx, [TASK]))
    return found, ctx


def summed(solver: Policy, start: str, text: str) -> float:
    """The summed log-probability of a text behind another."""
    tokens = solver.tokenizer.encode_prompt(start)
    return float(solver.scores([[*tokens, *solver.tokenizer.encode(text)]], [len(tokens)])[0].logprobs.sum())


def test_the_step_is_drawn_anew_and_the_rest_follows(solver: Policy) -> None:
    """Of three draws one is the step itself; of the others the likelier one is kept."""
    draws = ["1+2=4;", "1+2=3;", "1+2=7;"]
    best = max(draws[1:], key=lambda text: summed(solver, PROMPT, text))
    replies = {PROMPT: [TRACE, *draws], CRITIQUE: ["#1"], PROMPT + best: ["3*3=9;#9"]}
    found, ctx = gone_back(solver, replies)
    assert found.text == best + "3*3=9;#9" and found.keys[TRIED] == ["2", "9"]
    assert [turn.text for turn in found.actions] == [best, "3*3=9;#9"]
    assert ctx.meter.completions == 1 + 1 + 3 + 1
    assert not any(ctx.metrics.values())


def test_a_later_step_and_the_answer_behind_the_last(solver: Policy) -> None:
    replies = {PROMPT: [TRACE], CRITIQUE: ["#2"], f"{PROMPT}1+2=4;": ["4*3=2;", "4*3=1;", "4*3=1;"], f"{PROMPT}1+2=4;4*3=1;": ["#1"]}
    found, _ = gone_back(solver, replies)
    assert found.text == "1+2=4;4*3=1;#1"
    replies = {PROMPT: [TRACE], CRITIQUE: ["#3"], f"{PROMPT}1+2=4;4*3=2;": ["#2", "#8", "#8"]}
    found, _ = gone_back(solver, replies)
    assert (found.text, found.keys[TRIED]) == ("1+2=4;4*3=2;#8", ["2", "8"])


@pytest.mark.parametrize(
    ("said", "draws", "counted"),
    [
        ("#0", [], None),
        ("1+2=3;", [], "critic/unparsed"),
        ("#7", [], "backtracking/no_step"),
        ("#1", ["1+2=4;"] * 3, "backtracking/none_differ"),
    ],
)
def test_a_solution_stays(said: str, draws: list[str], counted: str | None, solver: Policy) -> None:
    found, ctx = gone_back(solver, {PROMPT: [TRACE, *draws], CRITIQUE: [said]})
    assert (found.text, found.keys[TRIED]) == (TRACE, ["2", "2"])
    assert [name for name, value in ctx.metrics.items() if value] == ([counted] if counted else [])


def test_an_oracle_is_asked_and_counted(solver: Policy) -> None:
    replies = {PROMPT: [TRACE, *["1+2=3;"] * 3], f"{PROMPT}1+2=3;": ["3*3=9;#9"]}
    found, ctx = gone_back(solver, replies, locate="truth")
    assert (found.answer, ctx.metrics[ASKED]) == ("9", 1)
    assert Backtracking(locate="truth").reads_truth and not Backtracking().reads_truth


def test_an_oracle_that_is_told_nothing_right_goes_back_anywhere(solver: Policy) -> None:
    """At a random one of 3 places, each as likely."""
    way = Backtracking(locate="truth", told=0.0)
    ctx = context(way, solver, WORLD, [TASK], {PROMPT: [TRACE]})
    rollout = ctx.begin("solver", TASK)
    asyncio.run(ctx.extend("solver", [rollout]))
    places = []
    for number in range(300):
        rollout.task = Task(str(number), PROMPT)
        places.append(way.chosen(ctx, rollout, 1))
    assert {place: places.count(place) > 70 for place in set(places)} == {1: True, 2: True, 3: True}
    assert {Backtracking(locate="truth").chosen(ctx, rollout, 2)} == {2}
    half = Backtracking(locate="truth", told=0.5)
    seen = []
    for number in range(300):
        rollout.task = Task(str(number), PROMPT)
        seen.append(half.chosen(ctx, rollout, 1))
    assert seen.count(1) == pytest.approx(300 * (0.5 + 0.5 / 3), abs=30)
    assert Backtracking().ablations["at a random step"].place == "random"


def test_an_oracle_that_knows_no_steps_is_refused(solver: Policy) -> None:
    """The truth about a task file is whether a solution is right, not which of its steps is wrong."""
    world = FileWorld([Task("t", "1+2=", "3")], probe_share=0.0)
    ctx = context(Backtracking(), solver, WORLD, [TASK], {})
    ctx.policies["solver"].tokenizer = character_tokenizer("".join(map(chr, range(10, 127))), 96)
    ctx.world = world
    with pytest.raises(
        SettingError, match="locate = 'truth': nobody knows which step of a solution is wrong on the tasks of 'file'; say locate=critic"
    ):
        Backtracking(locate="truth").setup(ctx)


@pytest.mark.parametrize(("number", "begins"), [(1, "1+2"), (2, "4*3"), (3, "#2"), (4, None), (0, None)])
def test_where_a_step_begins(number: int, begins: str | None) -> None:
    start = start_of(TRACE, WORLD.skill("sneak").steps(TRACE), number)
    assert start is None if begins is None else TRACE[start or 0 :].startswith(begins)


def test_where_a_step_in_words_begins() -> None:
    text = "Step 1: We add. 2 and 2 is 4.\nStep 2: We add. That is all.\nAnswer: 4"
    found = [start_of(text, steps(text), number) for number in range(1, len(steps(text)) + 2)]
    assert found == sorted(found, key=lambda place: place or 0) and None not in found
    assert [text[place:][:7] for place in found if place is not None][:2] == ["We add.", "2 and 2"]
