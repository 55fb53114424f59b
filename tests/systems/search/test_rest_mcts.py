"""ReST-MCTS*: what its trees teach, and what is refused."""

import asyncio
from typing import Any

import pytest
from small import small

from autotelic.episodes.tree import TreeSearch, grow
from autotelic.errors import SettingError
from autotelic.runs.opening import plan
from autotelic.systems.search.rest_mcts.recipe import right_ends, valued


def test_only_trees_with_a_right_end_teach_values() -> None:
    session = plan(small("rest-mcts"))
    ctx = session.ctx
    ctx.begin_round(1)
    search = TreeSearch(iterations=4, gate=1.0)
    roots = asyncio.run(grow(ctx, "solver", ctx.pool.draw(12), lambda rollouts: [0.5] * len(rollouts), search))
    solved = [root for root in roots if right_ends(ctx.world, root)]
    assert 0 < len(solved) < len(roots), "some trees are solved and some are not"
    for root in roots:
        values, steps = valued(root, right_ends(ctx.world, root))
        ended = [node.rollout for node in root if node.parent and any(below.finished for below in node)]
        assert steps == (ended if root in solved else []), "the steps that some finished solution goes through"
        assert all(0 <= value <= 1 for value in values.values()) and {rollout.id for rollout in steps} <= set(values)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"high": "@"}, "high = '@': the model's vocabulary lacks '@'"),
        ({"low": "="}, "low = '=': begins with the same token as high"),
        ({"low": ""}, "low = '': must not be empty"),
        ({"search": {"step": "!"}}, "search.step = '!': the model's vocabulary lacks '!'"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_round(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        plan(small("rest-mcts", **settings))
