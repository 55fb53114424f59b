"""Critic-CoT: which critiques are consistent, what is learned of them, and what a critique that cannot be read does."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from replying import context
from scripted import SHORT, Noting, Sums, made

from autotelic.policies.policy import Policy
from autotelic.systems.self_correction.critic_cot.recipe import Criticized, first_of_each
from autotelic.systems.self_correction.critic_cot.variations import shortcut
from autotelic.types import Rollout, Skill, Task

Make = Callable[..., Policy]
TASK = Sums().tasks(1, seed=0)[0]


class Speaking(Sums):
    """Sums with a critic, who says the number of a wrong step, and a refiner."""

    def skill(self, name: str) -> Skill:
        if name == "critique":
            return Skill(name, lambda problem, solution: f"c{problem}{solution}:", lambda text: text if text.isdigit() else None)
        return Skill(name, lambda problem, solution, critique: f"r{problem}{solution}:{critique}", self.parse)


def run(policy: Policy, replies: dict[str, list[str]], **settings: Any) -> Noting:
    options: dict[str, Any] = {
        "group_size": 2,
        "tries": 2,
        "sampling": SHORT,
        "critiques": SHORT,
        "refinements": SHORT,
        "tasks_per_round": 1,
        **settings,
    }
    recipe = made("critic-cot", **options)
    ctx = context(recipe, policy, Speaking(), [TASK], replies)
    asyncio.run(recipe.round(ctx))
    return ctx


def learned(ctx: Noting) -> list[str]:
    """Each example as its prompt and, behind a bar, its targets."""
    decode = ctx.policies["solver"].tokenizer.decode
    found = []
    for item in ctx.learned[0][0]:
        start = item.mask.index(1.0)
        found.append(f"{decode(item.tokens[:start])}|{decode(item.tokens[start:])}")
    return found


REPLIES = {"1+1=": ["2", "3"], "c1+1=2:": ["1", "0"], "c1+1=3:": ["0", "1"], "r1+1=3:1": ["2"]}


def test_a_critique_is_kept_if_it_fits_and_the_refinement_comes_out_right(policy: Make) -> None:
    ctx = run(policy(), dict(REPLIES))
    assert learned(ctx) == ["c1+1=2:|0", "c1+1=3:|1", "r1+1=3:1|2"]
    assert ctx.metrics["label/kept"] == 1.0 and ctx.metrics["critic/right"] == 0.5 and ctx.metrics["critic/unparsed"] == 0


def test_a_critique_that_leads_to_nothing_is_not_kept(policy: Make) -> None:
    ctx = run(policy(), {**REPLIES, "r1+1=3:1": ["4"]})
    assert learned(ctx) == ["c1+1=2:|0"] and ctx.metrics["label/kept"] == 0.5


def test_without_the_condition_any_fault_found_is_kept(policy: Make) -> None:
    replies = {key: said for key, said in REPLIES.items() if not key.startswith("r")}
    assert learned(run(policy(), replies, keep="verdict")) == ["c1+1=2:|0", "c1+1=3:|1"]


def test_critiques_of_others_are_learned_behind_the_own_attempt(policy: Make) -> None:
    ctx = run(policy(), {**REPLIES, "r1+1=3:1": ["2"]}, critic="others")
    assert learned(ctx) == ["c1+1=2:|0", "c1+1=3:|1", "r1+1=3:1|2"]


def test_a_critique_that_cannot_be_read_is_counted_and_never_kept(policy: Make) -> None:
    ctx = run(policy(), {"1+1=": ["2", "3"], "c1+1=2:": ["x", "x"], "c1+1=3:": ["", "x"]})
    assert ctx.metrics["critic/unparsed"] == 4 and ctx.metrics["label/kept"] == 0
    assert ctx.learned[0][0] == []


def test_the_first_critique_of_each_attempt() -> None:
    def rollout(name: str) -> Rollout:
        return Rollout(name, Task("t", "1+1="), [])

    a, b = rollout("a"), rollout("b")
    found = first_of_each([Criticized(a, rollout("1")), Criticized(b, rollout("2")), Criticized(a, rollout("3"))])
    assert [(one.attempt.id, one.critique.id) for one in found] == [("a", "1"), ("b", "2")]
    assert first_of_each([]) == []


@pytest.mark.parametrize("each,kept", [(1, 2), (2, 3)])
def test_so_many_right_and_wrong_attempts_are_criticized(policy: Make, each: int, kept: int) -> None:
    replies = {"1+1=": ["2", "2", "3"], "c1+1=2:": ["0"] * 4, "c1+1=3:": ["1", "1"], "r1+1=3:1": ["2", "2"]}
    ctx = run(policy(), replies, group_size=3, each=each)
    assert len(ctx.learned[0][0]) == kept + 1


def test_the_loop_learns_refinements_as_plain_answers(policy: Make) -> None:
    recipe = made("critique-in-the-loop", group_size=2, tries=2, tasks_per_round=1, sampling=SHORT, critiques=SHORT, refinements=SHORT)
    ctx = context(recipe, policy(), Speaking(), [TASK], {"1+1=": ["2", "3"], "c1+1=3:": ["1"], "r1+1=3:1": ["4", "2"]})
    asyncio.run(recipe.round(ctx))
    assert learned(ctx) == ["1+1=|2", "1+1=|2"]
    assert (ctx.metrics["loop/coverage"], ctx.metrics["loop/refined"], ctx.metrics["critic/right"]) == (1.0, 0.5, 0.5)


def test_what_the_critic_passes_or_cannot_say_is_not_refined(policy: Make) -> None:
    options: dict[str, Any] = {"group_size": 2, "tasks_per_round": 1, "sampling": SHORT, "critiques": SHORT, "refinements": SHORT}
    recipe = made("critique-in-the-loop", **options)
    ctx = context(recipe, policy(), Speaking(), [TASK], {"1+1=": ["4", "3"], "c1+1=3:": ["0"], "c1+1=4:": ["x"]})
    asyncio.run(recipe.round(ctx))
    assert ctx.learned[0][0] == [] and ctx.metrics["critic/unparsed"] == 1 and ctx.metrics["loop/coverage"] == 0
    recipe = made("critique-in-the-loop", **options, refine=False)
    ctx = context(recipe, policy(), Speaking(), [TASK], {"1+1=": ["4", "2"]})
    asyncio.run(recipe.round(ctx))
    assert learned(ctx) == ["1+1=|2"]


def test_a_shortcut_has_too_few_numbers() -> None:
    gold, flawed = "3+4=7;7*2=4;#4", "3+4=8;8*2=6;#6"  # seven numbers each
    assert [shortcut(text, gold, flawed, 2) for text in ("#4", "7*2=4;#4", "3+4=7;7*2=4")] == [True, True, False]
    assert not shortcut("3+4=7;7*2=4;#4", gold, flawed, 0) and shortcut("7*2=4;1+1=2", gold, flawed, 0)
    assert not shortcut("#4", gold, "#6", 2), "the flawed answer is as short"
