"""Self-Backtracking: its lessons, and a search that takes steps back."""

import asyncio
import random
from collections.abc import Callable
from math import isqrt
from typing import Any

import pytest
from replying import context
from scripted import Noting, made
from small import small

from autotelic.episodes.backtracking import least_perplexity, step_back
from autotelic.errors import DataError, SettingError
from autotelic.policies.policy import Policy
from autotelic.runs.opening import plan
from autotelic.systems.search.self_backtracking.recipe import SelfBacktracking, back_example
from autotelic.types import Group, Sampling, Task
from autotelic.worlds import open_world
from autotelic.worlds.countdown_steps import CountdownSteps, moves, path, steps

Make = Callable[..., Policy]
WORLD = CountdownSteps()
TASK = WORLD.task("3,7,2:19")
SOLVED, DEAD = "7*3=21,2;21-2=19;", "7+3=10,2;"


# ---- the world


def test_steps_solve_and_are_checked() -> None:
    assert WORLD.gold(TASK) == SOLVED
    assert [text for text, _ in moves((3, 7, 2))][:4] == ["7+3=10,2;", "7-3=4,2;", "7*3=21,2;", "3+2=5,7;"]
    assert dict(moves((6, 3)))["6/3=2;"] == (2,)
    assert [text for text, _ in moves((3, 3))] == ["3+3=6;", "3*3=9;", "3/3=1;"]  # nothing is left of 3-3
    assert path((3, 7), 5) is None
    right = ["7*3=21,2;21-2=19;", SOLVED]
    wrong = ["7*3=21,2;", "7*3=20,2;20-1=19;", "7*3=21;21-2=19;", "7*3=21,2;21+2=23;", "9*2=18,3;", "", "x", "3*7=21,2;21-2=19;"]
    assert [WORLD.verify(TASK, WORLD.parse(text)) for text in right + wrong] == [1, 1] + [0] * 8
    assert WORLD.parse("7*3=21,2;<") is WORLD.parse("7*3") is None
    assert steps("7*3=21,2;21") == ["7*3=21,2;"]
    with pytest.raises(DataError, match="no steps solve"):
        WORLD.gold(Task("t", "1,1:50"))
    assert all(WORLD.verify(task, task.answer) for task in open_world("countdown-steps?numbers=2-4").tasks(40, seed=1))


def test_wrong_steps_are_wrong() -> None:
    rng = random.Random(0)
    for task in WORLD.tasks(60, seed=2):
        start, wrong = WORLD.wrong_step(str(task.prompt), rng)
        values, target = (tuple(map(int, part.split(","))) for part in str(task.prompt).split(":"))
        assert WORLD.gold(task).startswith(start)
        for text in steps(start):
            values = dict(moves(values))[text]
        left = dict(moves(values)).get(wrong)
        assert left is None or path(left, target[0]) is None
        assert WORLD.parse(start + wrong) == start + wrong


# ---- lessons


@pytest.fixture
def solver(policy: Make) -> Policy:
    """A policy whose vocabulary is the world's."""
    from autotelic.policies.tokenizer import character_tokenizer

    made_policy = policy()
    made_policy.tokenizer = character_tokenizer(WORLD.alphabet, 96)
    return made_policy


def begun(solver: Policy, replies: dict[str, list[str]], tasks: list[Task] | None = None, **settings: Any) -> tuple[SelfBacktracking, Noting]:
    recipe = made("self-backtracking", sampling=Sampling(max_tokens=24), **settings)
    assert isinstance(recipe, SelfBacktracking)
    return recipe, context(recipe, solver, WORLD, tasks or [TASK], replies)


def test_the_wrong_step_is_no_target(solver: Policy) -> None:
    item = back_example(Task("t", "p"), [1, 10], [11, 12], [13], [14])
    assert (item.tokens, item.mask) == ([1, 10, 11, 12, 13, 14], [0, 0, 1, 1, 0, 1])
    recipe, ctx = begun(solver, {}, WORLD.tasks(4, seed=0), tasks_per_round=4)
    items = recipe.lessons(ctx, ctx.pool.draw(4))
    assert len(items) == 6  # four solutions, and two with a step back
    targets = [solver.tokenizer.decode([t for t, wanted in zip(item.tokens, item.mask, strict=True) if wanted]) for item in items]
    assert [target.endswith("<") for target in targets] == [False] * 4 + [True] * 2
    assert items[0].tokens[-1] == solver.tokenizer.end_id
    plain, ctx = begun(solver, {}, WORLD.tasks(4, seed=0), tasks_per_round=4, back_share=0.0)
    assert len(plain.lessons(ctx, ctx.pool.draw(4))) == 4


def test_a_world_without_wrong_steps_is_refused(solver: Policy) -> None:
    recipe, ctx = begun(solver, {})
    recipe.setup(ctx)
    ctx.world = open_world("countdown")
    with pytest.raises(SettingError, match="wrong_step"):
        recipe.setup(ctx)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"back_share": 2.0}, "back_share = 2.0: input should be less than or equal to 1"),
        ({"back": "!"}, "back = '!': the model's vocabulary lacks '!'"),
        ({"back": "12"}, "back = '12': must be one token of the model's vocabulary, and is 2"),
        ({"back": ""}, "back = '': must not be empty"),
        ({"step_end": "!"}, "step_end = '!': the model's vocabulary lacks '!'"),
        ({"step_end": ":"}, "step_end = ':': the solutions of the world 'countdown-steps' do not have it"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_round(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        plan(small("self-backtracking", **settings))


def test_depth_counts_what_goes_on_after_a_step_back(solver: Policy) -> None:
    """Depth 0 is the published b = 1: steps are taken back, and nothing goes on from there."""
    recipe, ctx = begun(solver, {"3,7,2:19": [SOLVED + "<", "7*", "<", "7*3=21,2;21+2=23;"]}, group_size=4)
    (best,) = asyncio.run(recipe.search(ctx, [TASK], 0))
    assert ctx.metrics["search/tries"] == 4 and best is not None and best.text == "7*3=21,2;21+2=23;"


# ---- search


@pytest.mark.parametrize(
    ("said", "left"), [(DEAD + "<", ""), (SOLVED + "<", "7*3=21,2;"), ("7*3=21,2;21+<", "7*3=21,2;"), ("<", ""), ("7*<", ""), (SOLVED + "9<", SOLVED)]
)
def test_a_step_back(said: str, left: str, solver: Policy) -> None:
    _, ctx = begun(solver, {TASK.prompt: [said]})
    rollout = ctx.begin("solver", TASK)
    asyncio.run(ctx.extend("solver", [rollout], stop=("<",)))
    assert rollout.text == said
    step_back(ctx, rollout, "<", ";")
    assert solver.tokenizer.decode([token for turn in rollout.utterance for token in turn.tokens]) == left


def test_the_search_resumes_after_the_step_it_took_back(solver: Policy) -> None:
    replies = {"3,7,2:19": [DEAD + "<", "7*3=21,2;21+2=23;<", "7*", "7*3=21,2;21+2=23;<"], "3,7,2:197*3=21,2;": ["21-2=19;", "<", "21-2=18;", "x<"]}
    replies["3,7,2:197*3=21,2;"] = ["21-2=19;", "<", "21-2=18;", "21*2=42;<"]
    recipe, ctx = begun(solver, replies, group_size=4, depth=1)
    (best,) = asyncio.run(recipe.search(ctx, [TASK], 1))
    assert best is not None and best.parent is not None
    assert best.text in ("7*3=21,2;21-2=19;", "7*3=21,2;21-2=18;")
    assert [turn.stop for turn in best.actions] == ["stop", "end"]
    assert ctx.metrics["search/tries"] == 8  # the start is no new state, and the same state is not tried twice
    assert ctx.metrics["search/empty"] == 0
    ((recipe, ctx), (deaf, nothing)) = begun(solver, {"3,7,2:19": ["<"] * 4}, group_size=4), begun(solver, {"3,7,2:19": ["7*"] * 4}, group_size=4)
    assert asyncio.run(deaf.search(nothing, [TASK], 3)) == [None]
    assert nothing.metrics["search/empty"] == 1


def test_no_more_than_the_root_of_the_tries_are_taken_back_to(solver: Policy) -> None:
    firsts = [f"{text}{text}<" for text, _ in moves((3, 7, 2))][:9]
    replies = {"3,7,2:19": firsts} | {f"3,7,2:19{text[: len(text) // 2]}": ["7*"] * 9 for text in firsts}
    recipe, ctx = begun(solver, replies, group_size=9, depth=1)
    asyncio.run(recipe.search(ctx, [TASK], 1))
    assert ctx.metrics["search/tries"] == 9 + isqrt(9) * 9


def test_the_candidate_with_the_least_perplexity(solver: Policy) -> None:
    replies = {"3,7,2:19": ["7*3=21,2;21-2=19;", "9", "1;", "7*3=20,2;"]}
    _, ctx = begun(solver, replies)
    rollouts = asyncio.run(ctx.sample("solver", [TASK], 4))[0].rollouts
    means = [sum(rollout.actions[0].logprobs or []) / len(rollout.actions[0].tokens) for rollout in rollouts]
    found = least_perplexity(ctx, rollouts)
    assert found is rollouts[means.index(max(means))]
    assert least_perplexity(ctx, []) is None


def test_expert_iteration_keeps_what_is_right_without_its_detours(solver: Policy) -> None:
    replies = {"3,7,2:19": [DEAD + "<", SOLVED + "<", "7*", "<"], "3,7,2:197*3=21,2;": ["21-2=19;"] * 4}
    recipe, ctx = begun(solver, replies, group_size=4, tasks_per_round=1)
    asyncio.run(recipe.round(ctx))
    ((items, _, _),) = ctx.learned
    assert [solver.tokenizer.decode([t for t, wanted in zip(i.tokens, i.mask, strict=True) if wanted]) for i in items] == [SOLVED]
    assert ctx.metrics["search/accuracy"] == 1.0
    assert ctx.groups == [Group(TASK, [ctx.groups[0].rollouts[0]])]
    wrong, vain = begun(solver, {"3,7,2:19": ["7*3=21,2;21+2=23;"] * 4}, group_size=4, tasks_per_round=1)
    asyncio.run(wrong.round(vain))
    assert (vain.learned[0][0], vain.metrics["search/accuracy"]) == ([], 0.0)
