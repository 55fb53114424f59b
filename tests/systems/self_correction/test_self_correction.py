"""Two attempts in one rollout: SCoRe's stages, its control on traces, and reflections that alone are credited."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from replying import context
from scripted import SHORT, Noting, Sums, made

from autotelic.policies.policy import Policy
from autotelic.systems.self_correction.attempts import changes
from autotelic.systems.self_correction.score.recipe import first_stage, second_stage
from autotelic.types import Example, Group, Rollout, Task

Make = Callable[..., Policy]
TASKS = Sums().tasks(2, seed=0)


def attempted(*rights: tuple[float, float]) -> list[Group]:
    task = Task("t", "1+1=")
    return [Group(task, [Rollout(f"r{i}", task, [], rewards={"first": a, "second": b}, keys={"first": "x"}) for i, (a, b) in enumerate(rights)])]


def test_stage_one_credits_the_second_answer_alone() -> None:
    assert first_stage(attempted((0, 1), (1, 1), (1, 0))) == [(0, 0.5), (0, 0.5), (0, -1)]
    assert first_stage(attempted((0, 1), (1, 1))) == [(0, 0), (0, 0)]


def test_stage_two_pays_for_improvement() -> None:
    # r2 + 10 (r2 - r1): 11 for a mended answer, 1 for one right twice, -10 for a spoiled one, 0 for one wrong twice.
    assert second_stage(attempted((0, 1), (1, 1)), 10) == [(-1, 10), (1, -10)]
    assert second_stage(attempted((1, 0), (0, 0)), 10) == [(1, -10), (-1, 10)]
    # The sum of all rewards is 11 and 2: it pays the first attempt for being wrong.
    assert second_stage(attempted((0, 1), (1, 1)), 10, "total") == [(9, 9), (-9, -9)]
    assert second_stage(attempted((0, 1), (1, 1)), 0, "total") == [(-1, -1), (1, 1)]


@pytest.mark.parametrize("rights", [[(1, 1), (1, 1)], [(0, 0), (0, 0), (0, 0)], [(0, 1)]])
def test_attempts_that_end_alike_carry_no_signal(rights: list[tuple[float, float]]) -> None:
    assert first_stage(attempted(*rights)) == second_stage(attempted(*rights), 10) == [(0, 0)] * len(rights)


def test_changes() -> None:
    rollouts = attempted((0, 1), (1, 1), (1, 0), (0, 0))[0].rollouts
    for rollout, answer in zip(rollouts, ("y", "x", "z", "w"), strict=True):
        rollout.answer = answer
    assert changes(rollouts) == {"first": 0.5, "second": 0.5, "gain": 0.0, "changed": 0.75, "wrong_to_right": 0.25, "right_to_wrong": 0.25}
    assert changes([]) == {}


def run(name: str, policy: Policy, replies: dict[str, list[str]], tasks: list[Task] = TASKS[:1], **settings: Any) -> Noting:
    recipe = made(name, group_size=2, sampling=SHORT, retry=":", tasks_per_round=len(tasks), **settings)
    ctx = context(recipe, policy, Sums(), tasks, replies)
    asyncio.run(recipe.round(ctx))
    return ctx


def by_target(item: Example, values: list[float] | None) -> list[float]:
    """The value beside each target token."""
    assert values is not None
    return [value for value, wanted in zip(values, item.mask, strict=True) if wanted]


MENDED = {"1+1=": ["3", "2"], "1+1=3:": ["2"], "1+1=2:": ["22"]}


def test_score_holds_the_first_attempt_in_stage_one_only(policy: Make) -> None:
    solver = policy()
    ctx = run("score", solver, MENDED, hold=7.0)
    one, two = ctx.learned[0][0]
    assert solver.tokenizer.decode([t for t, wanted in zip(one.tokens, one.mask, strict=True) if wanted]) == "32"  # what it was shown is no target
    assert by_target(one, one.kl) == [7, 7, 1, 1]
    assert (by_target(one, one.advantage), by_target(two, two.advantage)) == ([0, 0, 1, 1], [0, 0, -1, -1, -1])
    assert ctx.learned[0][2] is None  # the reference is the start
    found = {name.removeprefix("turns/"): value for name, value in ctx.metrics.items() if name.startswith("turns/")}
    assert found == {"first": 0.5, "second": 0.5, "gain": 0.0, "changed": 1.0, "wrong_to_right": 0.5, "right_to_wrong": 0.5}
    ctx = run("score", policy(), MENDED, stage_one=0)
    one, two = ctx.learned[0][0]
    assert one.kl is None
    assert (by_target(one, one.advantage), by_target(two, two.advantage)) == ([-1, -1, 21, 21], [1, 1, -21, -21, -21])


def test_score_on_answers_that_do_not_parse_or_are_cut_off(policy: Make) -> None:
    ctx = run("score", policy(), {"1+1=": ["x", "y"], "1+1=x:": ["z"], "1+1=y:": [""]})
    assert all(not any(item.advantage or []) for item in ctx.learned[0][0])
    assert ctx.metrics["turns/first"] == ctx.metrics["turns/changed"] == 0
    cut = run("score", policy(), {"1+1=": ["222222222", "2"], "1+1=22222222:": ["2"], "1+1=2:": ["2"]})
    assert [rollout.keys["first"] for rollout in cut.groups[0]] == [None, "2"]
    assert cut.groups[0].answers == ["2", "2"]


def test_traces_keep_the_corrections(policy: Make) -> None:
    solver = policy()
    replies = {"1+1=": ["3", "2"], "1+1=3:": ["2"], "1+1=2:": ["2"]}
    ctx = run("correction-traces", solver, replies)
    (kept,) = ctx.learned[0][0]
    assert solver.tokenizer.decode(kept.tokens) == "1+1=3:2"
    assert sum(kept.mask) == 2  # the second attempt and its end
    assert len(run("correction-traces", policy(), replies, keep_right=True).learned[0][0]) == 2
    nothing = run("correction-traces", policy(), {"1+1=": ["3", "4"], "1+1=3:": ["3"], "1+1=4:": ["5"]})
    assert (nothing.metrics["label/kept"], nothing.policies["solver"].version) == (0.0, 0)


REFLECTED = {"1+1=": ["3"], "1+1=3#": ["a", "b"], "1+1=3#a:": ["2"], "1+1=3#b:": ["3"], "2+2=": ["4"]}


def test_reflections_alone_are_credited(policy: Make) -> None:
    solver = policy()
    ctx = run("reflect-retry-reward", solver, REFLECTED, TASKS, reflect="#", scale="none")
    one, two = ctx.learned[0][0]  # the second task was right at once
    decoded = [solver.tokenizer.decode([t for t, wanted in zip(item.tokens, item.mask, strict=True) if wanted]) for item in (one, two)]
    assert decoded == ["a", "b"]
    assert (by_target(one, one.advantage), by_target(two, two.advantage)) == ([0.5, 0.5], [-0.5, -0.5])
    assert {n: v for n, v in ctx.metrics.items() if n.startswith("turns/")} == {
        "turns/first": 0.5,
        "turns/retry": 0.5,
        "turns/reflections_differ": 1.0,
    }
    assert {rollout.parent for rollout in ctx.groups[-1]} == {"r1/solver/1+1=/0"}
    both = run("reflect-retry-reward", policy(), REFLECTED, TASKS, reflect="#", credit="all").learned[0][0]
    assert [sum(item.mask) for item in both] == [4, 4]
    assert by_target(both[0], both[0].advantage) == pytest.approx([0.5**0.5] * 4, abs=1e-5)


def test_reflecting_on_nothing_and_in_vain(policy: Make) -> None:
    right = run("reflect-retry-reward", policy(), {"1+1=": ["2"], "2+2=": ["4"]}, TASKS, reflect="#")
    assert (right.learned[0][0], right.policies["solver"].version, right.metrics["turns/first"]) == ([], 0, 1.0)
    vain = run("reflect-retry-reward", policy(), {"1+1=": ["x"], "1+1=x#": ["a", "a"], "1+1=x#a:": ["3", "y"]}, reflect="#")
    assert all(not any(item.advantage or []) for item in vain.learned[0][0])
    assert (vain.metrics["turns/retry"], vain.metrics["turns/reflections_differ"]) == (0.0, 0.5)
