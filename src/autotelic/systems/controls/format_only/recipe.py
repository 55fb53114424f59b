"""A reward for the form alone: what answering in the right shape buys."""

from pydantic import Field

from autotelic.learning.advantages import center
from autotelic.learning.objectives import PolicyGradient
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe


@recipe(name="format-only", system="Spurious Rewards", paper="arXiv:2506.10947", family="controls", proxy="rewards/format/mean")
class FormatOnly(Recipe):
    """A completion is worth 1 if an answer can be read from it, right or wrong.

    Formula: reward(i) = 1 if completion i has an answer, else 0; advantage: reward minus the group's mean.
    Ends: everything parses, and there is no signal left, which is where it should end.
    Fails: by short completions that parse and say nothing about the task.
    Differs: the paper pays for a box anywhere in the text; here the world's own reader decides.
    """

    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(16, ge=2)
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28)

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        for group in groups:
            group.reward(format=[answer is not None for answer in group.answers])
        ctx.learn("solver", center(groups), self.objective)
