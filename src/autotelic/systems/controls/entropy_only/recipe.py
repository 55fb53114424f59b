"""Negative entropy as the only reward: what sharpening alone buys."""

from pydantic import Field

from autotelic.learning.advantages import center
from autotelic.learning.objectives import PolicyGradient
from autotelic.rewards.confidence import confidence
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe


@recipe(name="entropy-only", system="EM-RL", paper="arXiv:2505.15134", family="controls", proxy="rewards/sharpness/mean")
class EntropyOnly(Recipe):
    """A completion is worth the mean negative entropy of its next-token distributions.

    Formula: reward(i) = the mean over its tokens of minus the entropy, scored by the policy that sampled it; advantage: reward minus the group's mean.
    Ends: completions of a group that are equally sharp carry no signal.
    Fails: by design at the end; the entropy goes to 0 on right and wrong answers alike.
    Differs: the paper's token form sums over tokens, which also pays for short completions; here it is their mean.
    """

    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(16, ge=2)
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28)

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        for group in groups:
            group.reward(sharpness=confidence(ctx.policies["solver"], group.rollouts, "entropy"))
        ctx.learn("solver", center(groups), self.objective)
