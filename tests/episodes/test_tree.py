"""Trees of steps: where search goes, what is backed up, and what a step was worth."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from contexts import TASKS, context

from autotelic.episodes.tree import Node, TreeSearch, back_up, grow, select, step_values
from autotelic.policies.policy import Policy
from autotelic.types import Rollout, StopReason, Task, Turn, TurnKind

Make = Callable[..., Policy]


def node(name: str, parent: Node | None = None, stop: StopReason = StopReason.STOP, value: float = 0.0) -> Node:
    made = Node(Rollout(name, Task("t", "p"), [Turn(TurnKind.ACTION, [1], stop=stop, text=name)]), parent, value=value, visits=1)
    if parent:
        parent.children.append(made)
        parent.expanded = True
    return made


def test_values_of_three_right_steps_are_a_third_two_thirds_and_one() -> None:
    root = node("root")
    a = node("a", root)
    b = node("b", a)
    node("c", b, StopReason.END)
    values = step_values(root, lambda leaf: leaf.rollout.id == "c")
    assert [values[name] for name in "abc"] == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_a_step_that_leads_to_no_right_solution_loses_value() -> None:
    root = node("root")
    a = node("a", root)
    node("right", a, StopReason.END)
    wrong = node("wrong", a, StopReason.END)
    other = node("other", root)
    values = step_values(root, lambda leaf: leaf.rollout.id == "right")
    # a: one step of two, 1/2. wrong: a counts two to the end, 1/2 - (1 - 1/2) / 2 = 1/4. other: nothing is known of it.
    assert values["a"] == pytest.approx(0.5) and values["right"] == 1.0
    assert values[wrong.rollout.id] == pytest.approx(0.25) and other.rollout.id not in values


def test_wrong_steps_lose_by_the_steps_that_were_left_as_published() -> None:
    """Three right steps, 1/3, 2/3, 1, with m = 3, 2, 1. A wrong third: 2/3 - (1/3) / 2 = 1/2. A wrong second: 1/3 - (2/3) / 3 = 1/9, and the step
    after it loses by the same m: 1/9 - (8/9) / 3 < 0. A wrong first: 0 - 1/4 < 0."""
    root = node("root")
    first = node("first", root)
    second = node("second", first)
    node("third", second, StopReason.END)
    node("wrong third", second, StopReason.END)
    astray = node("wrong second", first)
    node("after it", astray, StopReason.END)
    node("wrong first", root, StopReason.END)
    values = step_values(root, lambda leaf: leaf.rollout.id == "third")
    assert values.pop("root") == 0.0
    assert list(values.values()) == pytest.approx([1 / 3, 2 / 3, 1, 1 / 2, 1 / 9, 0, 0])


def test_what_was_not_finished_or_never_right_teaches_nothing() -> None:
    root = node("root")
    a = node("a", root)
    node("wrong", a, StopReason.END)
    node("cut off", a, StopReason.LENGTH)
    node("open", root)
    assert step_values(root, lambda leaf: False) == {}, "a tree without a right end is discarded"
    node("right", a, StopReason.END)
    assert set(step_values(root, lambda leaf: leaf.rollout.id == "right")) == {"root", "a", "wrong", "right"}


def test_search_follows_value_and_curiosity_and_passes_over_what_is_done() -> None:
    root = node("root")
    low, high = node("low", root, value=0.1), node("high", root, value=0.8)
    root.visits = 3
    assert select(root, 0.0) is high
    low.visits, high.visits, root.visits = 1, 60, 61
    assert select(root, 2.0) is low
    high.rollout.turns[-1].stop = StopReason.END
    assert select(root, 0.0) is low
    low.rollout.turns[-1].stop = StopReason.LENGTH
    assert select(root, 0.0) is None


def test_values_are_backed_up_as_visit_weighted_means() -> None:
    root = node("root")
    a, b = node("a", root, value=0.2), node("b", root, value=0.8)
    b.visits = 3
    back_up(a)
    assert root.visits == 2 and root.value == pytest.approx((0.2 + 3 * 0.8) / 4)


def half(rollouts: Sequence[Rollout]) -> list[float]:
    return [0.5] * len(rollouts)


def test_trees_grow_until_leaves_are_finished_and_share_batches(policy: Make) -> None:
    ctx = context(policy())
    search = TreeSearch(iterations=2, branching=2, step="1")
    roots = asyncio.run(grow(ctx, "solver", TASKS[:2], half, search))
    assert len(roots) == 2 and all(len(list(root)) > 1 for root in roots)
    for root in roots:
        for below in list(root)[1:]:
            assert below.parent is not None and below.rollout.parent == below.parent.rollout.id
            assert below.rollout.tokens[: len(below.parent.rollout.tokens)] == below.parent.rollout.tokens


def test_a_tree_without_a_finished_leaf_is_counted(policy: Make) -> None:
    ctx = context(policy())
    room = ctx.policies["solver"].model.context
    roots = asyncio.run(grow(ctx, "solver", [Task("full", "1" * room)], half, TreeSearch(iterations=3)))
    assert not any(below.finished for below in roots[0]) and ctx.metrics["tree/unfinished"] == 1
    assert step_values(roots[0], lambda leaf: True) == {}
