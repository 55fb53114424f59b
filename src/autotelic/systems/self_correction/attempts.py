"""Two attempts at a task in one rollout, and how the second compares with the first. Declares no recipe."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from autotelic.rounds.context import Context
from autotelic.types import Group, Metrics, Rollout, Task


async def two_attempts(ctx: Context, tasks: Sequence[Task], n: int, retry: str, **settings: Any) -> list[Group]:
    """`n` rollouts for every task, each an answer, the observation `retry` and another answer; `settings` override the solver's sampling.

    `keys["first"]` is the first answer, `Rollout.answer` the second; rewards "first" and "second" say whether they are right.
    """
    groups = await ctx.sample("solver", tasks, n, **settings)
    rollouts = [rollout for group in groups for rollout in group]
    for rollout in rollouts:
        rollout.keys["first"] = rollout.answer
        ctx.observe(rollout, retry)
    await ctx.extend("solver", rollouts, **settings)
    for rollout in rollouts:
        rollout.rewards["first"] = ctx.world.verify(rollout.task, rollout.keys["first"])
        rollout.rewards["second"] = ctx.world.verify(rollout.task, rollout.answer)
    return groups


def changes(rollouts: Sequence[Rollout]) -> Metrics:
    """Of rollouts with two attempts: the shares right at the first and at the second, the gain, and the shares whose answer changed, and changed
    sides; the empty dict of none."""
    if not rollouts:
        return {}
    pairs = [(rollout.rewards["first"], rollout.rewards["second"]) for rollout in rollouts]
    first, second = fmean(a for a, _ in pairs), fmean(b for _, b in pairs)
    return {
        "first": first,
        "second": second,
        "gain": second - first,
        "changed": fmean(rollout.keys["first"] != rollout.answer for rollout in rollouts),
        "wrong_to_right": fmean(a < b for a, b in pairs),
        "right_to_wrong": fmean(a > b for a, b in pairs),
    }


def rates(rollouts: Sequence[Rollout]) -> Metrics:
    """Of rollouts with two attempts: the share of right first answers that stay right (CL), the share of wrong ones that are put right (CS), and
    (acc2 - acc1^2) / (2 acc1 (1 - acc1)), which is one half where the second answer is an independent draw (RSS). What has no meaning, as where all first
    answers are right, is left out."""
    kept = [rollout.rewards["second"] for rollout in rollouts if rollout.rewards["first"]]
    mended = [rollout.rewards["second"] for rollout in rollouts if not rollout.rewards["first"]]
    found = {name: fmean(some) for name, some in (("kept", kept), ("mended", mended)) if some}
    if len(found) == 2:
        first, second = len(kept) / len(rollouts), fmean([*kept, *mended])
        found["rss"] = (second - first**2) / (2 * first * (1 - first))
    return found


def answered(tasks: Sequence[Task]) -> list[Task]:
    """The tasks whose answer is known."""
    return [task for task in tasks if task.answer is not None]


def under_prefix(prefix: str, metrics: Metrics) -> Metrics:
    """Metrics under a common prefix."""
    return {f"{prefix}/{name}": value for name, value in metrics.items()}
