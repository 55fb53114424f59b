"""Sample, forget, sample again: EEPO."""

from typing import ClassVar

from pydantic import Field

from autotelic.learning.advantages import center
from autotelic.learning.examples import example
from autotelic.learning.learner import Optimizer
from autotelic.learning.objectives import PolicyGradient, Unlikelihood
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Group, World


def surprise(groups: list[Group]) -> float:
    """Mean -log p of the sampled tokens in nats: an unbiased estimate of the entropy of the distributions they were drawn from."""
    found = [logprob for group in groups for rollout in group for turn in rollout.actions for logprob in turn.logprobs or []]
    return -sum(found) / max(len(found), 1)


@recipe(
    name="eepo",
    system="EEPO",
    paper="arXiv:2510.05837",
    family="RL-algorithm",
    catalogue=(141,),
    proxy="rewards/correct/mean",
    needs_answers=True,
    model="chain-weak",
)
class SampleThenForget(Recipe):
    """Half of a group is sampled, a copy unlearns it for a moment, the copy samples the other half; both halves train the policy.

    Forgetting: one step on -log(1 - p(token)) over the first half, which pushes likely tokens down and leaves rare ones alone; only where the entropy of
    the first half is below `entropy_below`, and thrown away afterwards. Reward 1 for a right answer, advantage: reward minus the mean of the whole
    group; the ratio of the second half is to the copy that sampled it, clipped.
    Degenerate case: a group all right or all wrong. Fails when forgetting is too strong: the second half is noise, and all that is learned is to avoid it.
    The paper's rate and entropy threshold belong to models of 3B and more; the ones here were chosen on this world.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("explore/surprise", "nats", "mean negative log-probability of the tokens of the first half", low=0.0),
        Metric("explore/distinct", "answers", "different ones in a group, mean"),
        Metric("explore/forgot", "0 or 1", "whether a copy unlearned the first half before it sampled the second"),
    )

    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(16, ge=2)
    forget: bool = True
    entropy_below: float = 10.0
    """In nats per token."""
    forget_rate: float = Field(1e-4, gt=0)
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28)

    def roles(self, world: World) -> dict[str, Role]:
        return {name: Role(name, name, self.sampling, world.parse) for name in ("solver", "explorer")}

    def setup(self, ctx: Context) -> None:
        ctx.optimizers["explorer"] = Optimizer(learning_rate=self.forget_rate)

    async def round(self, ctx: Context) -> None:
        tasks, half = ctx.pool.draw(self.tasks_per_round), self.group_size // 2
        first = await ctx.sample("solver", tasks, n=half)
        ctx.log(**{"explore/surprise": surprise(first), "explore/forgot": 0.0})
        if self.forget and surprise(first) < self.entropy_below:
            ctx.clone("solver", "explorer")
            ctx.learn("explorer", [example(rollout) for group in first for rollout in group], Unlikelihood())
            second = await ctx.sample("explorer", tasks, n=self.group_size - half)
            ctx.drop("explorer")
            ctx.log(**{"explore/forgot": 1.0})
        else:
            second = await ctx.sample("solver", tasks, n=self.group_size - half)
        groups = [Group(a.task, a.rollouts + b.rollouts) for a, b in zip(first, second, strict=True)]
        for group in groups:
            group.reward(correct=[ctx.world.verify(group.task, answer) for answer in group.answers])
        ctx.log(**{"explore/distinct": sum(len(set(group.answers)) for group in groups) / len(groups)})
        ctx.learn("solver", center(groups), self.objective)
