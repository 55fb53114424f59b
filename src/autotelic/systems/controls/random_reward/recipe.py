"""A reward without information: what the update alone does."""

from pydantic import Field

from autotelic.learning.advantages import center
from autotelic.learning.objectives import PolicyGradient
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe


@recipe(name="random-reward", system="Spurious Rewards", paper="arXiv:2506.10947", family="controls", catalogue=(), proxy="rewards/random/mean")
class RandomReward(Recipe):
    """A completion is worth 1 with probability `share`, whatever it says.

    Formula: reward(i) = 1 with probability `share`, else 0, by a coin keyed by the completion's id; advantage: reward minus the group's mean.
    Ends: all coins of a group fall alike, and it carries no signal.
    Fails: by drifting; the expected gradient is zero, and what the policy gains under it, it did not gain from a signal.
    Differs: the paper divides by the group's std; here the advantage is only centered.
    """

    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(16, ge=2)
    share: float = Field(0.5, ge=0.0, le=1.0)
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28)

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        for group in groups:
            group.reward(random=[ctx.random("reward", rollout.id).random() < self.share for rollout in group])
        ctx.learn("solver", center(groups), self.objective)
