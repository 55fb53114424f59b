"""Reinforcement of reflections that help: Reflect, Retry, Reward."""

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar, Literal

from pydantic import Field

from autotelic.learning.advantages import Scale, center
from autotelic.learning.examples import example
from autotelic.learning.objectives import PolicyGradient
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.systems.self_correction.attempts import answered
from autotelic.types import Group, Metrics, Rollout, Task


@recipe(
    name="reflect-retry-reward",
    system="Reflect, Retry, Reward",
    paper="arXiv:2505.24726",
    family="self-correction",
    catalogue=(137,),
    proxy="reward",
    needs_answers=True,
    model="chain-skills",
)
class ReflectRetryReward(Recipe):
    """After a failure the policy reflects and tries again; if that succeeds, the reflection alone is rewarded.

    Formula: reward(i) = 1 if the retry is right; advantage: reward minus the mean of the reflections on the same failure, over their std (GRPO). Only the
    reflection's tokens are targets; with `credit=all` the retry's are too.
    Ends: no first attempt fails, or every retry of a failure ends alike, and nothing is learned.
    Fails: when retries succeed whatever the reflection says; turns/retry rises while turns/reflections_differ falls.
    Differs: the paper collects failures of the base once, before training; here they are the policy's own of the same round.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("turns/retry", "share", "retries that are right, of those after a failure"),
        Metric("turns/reflections_differ", "share", "different reflections on a failure over their number, mean"),
        Metric("probe/turns/retry", "share", "failures on the probe that the retry mends"),
    )

    rounds: int = Field(40, ge=0)
    tasks_per_round: int = Field(48, ge=1)
    """First attempts of a round, one a task."""
    group_size: int = Field(8, ge=2)
    """Reflections on every failure."""
    reflect: str = "!"
    """What the policy is shown after a failure, before it reflects; a chat model needs a sentence, as for `retry`."""
    retry: str = "?"
    """What it is shown after its reflection."""
    credit: Literal["reflection", "all"] = "reflection"
    scale: Scale = "std"
    objective: PolicyGradient = PolicyGradient(kl=0.001)

    def setup(self, ctx: Context) -> None:
        checks.shown(ctx, "solver", reflect=self.reflect, retry=self.retry)

    async def round(self, ctx: Context) -> None:
        firsts = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=1)
        failed = failures(ctx, firsts)
        groups = [Group(rollout.task, ctx.fork(rollout, self.group_size)) for rollout in failed]
        await self.again(ctx, groups)
        ctx.note(groups)
        retries = [rollout for group in groups for rollout in group]
        ctx.log(**{"turns/first": 1 - len(failed) / len(firsts)})
        if retries:
            differ = fmean(len({said(rollout) for rollout in group}) / len(group) for group in groups)
            ctx.log(**{"turns/retry": fmean(rollout.rewards["retry"] for rollout in retries), "turns/reflections_differ": differ})
        actions = [1] if self.credit == "reflection" else [1, 2]
        center(groups, self.scale)
        ctx.learn("solver", [example(rollout, actions=actions) for rollout in retries], self.objective)

    async def again(self, ctx: Context, groups: list[Group], **settings: float) -> None:
        """A reflection and another answer on each rollout, with the reward "retry"."""
        rollouts = [rollout for group in groups for rollout in group]
        for text in (self.reflect, self.retry):
            for rollout in rollouts:
                ctx.observe(rollout, text)
            await ctx.extend("solver", rollouts, **settings)
        for rollout in rollouts:
            rollout.rewards["retry"] = ctx.world.verify(rollout.task, rollout.answer)

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        firsts = await ctx.sample("solver", answered(tasks), n=1, temperature=0.0)
        if not firsts:
            return {}
        failed = failures(ctx, firsts)
        groups = [Group(rollout.task, [rollout]) for rollout in failed]
        await self.again(ctx, groups, temperature=0.0)
        right = 1 - len(failed) / len(firsts)
        mended = sum(rollout.rewards["retry"] for rollout in failed)
        return {
            "probe/turns/first": right,
            "probe/turns/retry": mended / len(failed) if failed else 0.0,
            "probe/turns/second": right + mended / len(firsts),
        }


def failures(ctx: Context, groups: list[Group]) -> list[Rollout]:
    """The rollouts with a wrong answer or none."""
    return [rollout for group in groups for rollout in group if not ctx.world.verify(rollout.task, rollout.answer)]


def said(rollout: Rollout) -> str:
    """The reflection of a rollout."""
    return rollout.actions[1].text
