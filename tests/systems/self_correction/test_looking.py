"""The second look at one's own answer: its rates by hand, and what is said before it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from replying import context

from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import character_tokenizer
from autotelic.systems.self_correction.attempts import rates
from autotelic.systems.self_correction.looking import SecondLook
from autotelic.types import Metrics, Rollout, Task
from autotelic.worlds import open_world

Make = Callable[..., Policy]
WORLD = open_world("chain-skills")
PROMPT, WRONG, RIGHT = "1+2=", "1+2=4;#4", "1+2=3;#3"


def looked(first: float, second: float) -> Rollout:
    return Rollout("r", Task("t", ""), [], rewards={"first": first, "second": second})


def test_the_rates_of_a_second_look() -> None:
    """Of 1000 first answers 559 are right, of which 555 stay; of 441 wrong ones 113 are put right."""
    some = [looked(1, 1)] * 555 + [looked(1, 0)] * 4 + [looked(0, 1)] * 113 + [looked(0, 0)] * 328
    assert rates(some) == pytest.approx({"kept": 0.993, "mended": 0.256, "rss": 0.721}, abs=1e-3)
    independent = [looked(1, 1), looked(1, 0), looked(0, 1), looked(0, 0)]
    assert rates(independent) == {"kept": 0.5, "mended": 0.5, "rss": 0.5}


def test_rates_without_meaning_are_left_out() -> None:
    assert rates([]) == {} and rates([looked(1, 1)]) == {"kept": 1.0} and rates([looked(0, 1)]) == {"mended": 1.0}


@pytest.fixture
def solver(policy: Make) -> Policy:
    made = policy()
    made.tokenizer = character_tokenizer("0123456789+-*=#;@JCRSE?!:", 96)
    return made


def steps(solver: Policy, replies: dict[str, list[str]], **settings: Any) -> list[Metrics]:
    trial = SecondLook(samples=1, **settings)
    task = Task("t", PROMPT, "3")
    return asyncio.run(trial.steps(context(trial, solver, WORLD, [task], replies), [task]))


def test_a_second_answer_stands_behind_the_first(solver: Policy) -> None:
    """What the policy reads before the second answer is the first with its end, and the retry token."""
    end = solver.tokenizer.decode([*solver.tokenizer.encode(PROMPT + WRONG), solver.tokenizer.end_id, *solver.tokenizer.encode("?")])
    first, second = steps(solver, {PROMPT: [WRONG], end: [RIGHT]})
    assert first == {"look/accuracy": 0.0}
    assert second == {"look/accuracy": 1.0, "look/mended": 1.0, "look/changed": 1.0}


@pytest.mark.parametrize(("says", "told"), [("doubt", 1), ("trust", 0)])
def test_a_right_answer_is_doubted_and_a_wrong_one_trusted(says: str, told: int, solver: Policy) -> None:
    for answer in (RIGHT, WRONG):
        found = steps(solver, {PROMPT: [answer], f"R{PROMPT}{answer}:{told}=": [RIGHT]}, says=says)
        assert found[1]["look/accuracy"] == 1.0 and found[1]["look/changed"] == float(answer == WRONG)
