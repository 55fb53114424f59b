"""Reinforcement learning against a gold verifier: the reference arm."""

from pydantic import Field

from autotelic.learning.advantages import Scale, center
from autotelic.learning.objectives import PolicyGradient
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe


@recipe(
    name="gold",
    system="SimpleRL-Zoo",
    paper="arXiv:2503.18892",
    family="control",
    catalogue=(81,),
    proxy="rewards/correct/mean",
    needs_answers=True,
)
class GoldVerifier(Recipe):
    """A completion is worth 1 if its answer is right, else 0: what labels would buy.

    advantage: reward minus the group's mean. Degenerate case: a group all right or all wrong carries no signal.
    The paper divides by the group's std and adds a KL term; both are settings here (`scale`, `objective.kl`) and off, as tiny models collapse less without the division.
    """

    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(16, ge=2)
    scale: Scale = "none"
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28)

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        for group in groups:
            group.reward(correct=[ctx.world.verify(group.task, answer) for answer in group.answers])
        ctx.learn("solver", center(groups, self.scale), self.objective)
