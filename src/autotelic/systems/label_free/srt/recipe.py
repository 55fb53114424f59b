"""Majority-vote reinforcement learning: SRT, with TTRL's variant as a setting."""

from pydantic import Field

from autotelic.answers.votes import VoteRule, vote
from autotelic.learning.advantages import Scale, center
from autotelic.learning.objectives import PolicyGradient
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Group


@recipe(name="srt", system="SRT", paper="arXiv:2505.21444", family="label-free", catalogue=(0,), proxy="rewards/agreement/mean")
class SelfRewardedTraining(Recipe):
    """The answer most of a group agrees on stands in for the label.

    reward(i) = 1 if answer(i) is the group's majority answer, else 0; advantage: reward minus the group's mean.
    TTRL (arXiv:2504.16084) is `group_size=64 trained=32 scale=std vote.denominator=all`.
    Degenerate case: all agree or none parses, and the group carries no signal; below `vote.min_share` there is no label and no reward.
    Fails by agreeing on a wrong answer: label/purity and the probe fall while the reward still rises to 1.
    """

    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(16, ge=2)
    trained: int | None = None
    """How many rollouts of a group are trained on, the first by id; all vote. None: all."""
    vote: VoteRule = VoteRule()
    scale: Scale = "none"
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28)

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        for group in groups:
            label = vote(group.answers, self.vote).label
            ctx.label(group.task, label)
            group.reward(agreement=[label is not None and answer == label for answer in group.answers])
        trained = [Group(group.task, group.rollouts[: self.trained]) for group in groups]
        ctx.learn("solver", center(trained, self.scale), self.objective)
