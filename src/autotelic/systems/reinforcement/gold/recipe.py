"""Reinforcement learning against a gold verifier: the reference arm."""

from collections.abc import Sequence

from pydantic import Field

from autotelic.learning.advantages import Scale, center
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import PolicyGradient
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Group


@recipe(
    name="gold",
    system="SimpleRL-Zoo",
    paper="arXiv:2503.18892",
    family="reinforcement",
    catalogue=(81,),
    proxy="rewards/correct/mean",
    needs_answers=True,
)
class GoldVerifier(Recipe):
    """A completion is worth 1 if its answer is right, else 0: what labels would buy.

    Formula: reward(i) = 1 if answer(i) is right, else 0; advantage: reward minus the group's mean.
    Ends: a group all right or all wrong carries no signal.
    Fails: by losing variety; answers/distinct and pass@k fall once most groups are right.
    Differs: the authors' code divides by the group's std (`scale`), adds .001 times the KL to the start (`objective.kl`) and an entropy bonus of .001
    (`objective.entropy`), takes 8 answers a task and clips at .2 on both sides. Here these are off, as tiny models collapse less without the division.
    """

    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(16, ge=2)
    scale: Scale = "none"
    updates: Updates = Updates()
    """More than one make ratios and their clips matter."""
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28)

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        for group in groups:
            self.reward(ctx, group)
        self.learn(ctx, groups)

    def reward(self, ctx: Context, group: Group) -> None:
        """Say what each completion of a group is worth."""
        group.reward(correct=[ctx.world.verify(group.task, answer) for answer in group.answers])

    def learn(self, ctx: Context, groups: Sequence[Group]) -> None:
        """Update the solver."""
        ctx.learn("solver", center(groups, self.scale), self.objective, self.updates)
