"""Majority-vote reinforcement learning: SRT."""

from typing import Self

from pydantic import Field, model_validator

from autotelic.answers.votes import VoteRule, vote
from autotelic.learning.advantages import Scale, center
from autotelic.learning.objectives import PolicyGradient
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Group


@recipe(name="srt", system="SRT", paper="arXiv:2505.21444", family="label-free", catalogue=(0,), proxy="rewards/agreement/mean")
class SelfRewardedTraining(Recipe):
    """The answer most of a group agrees on stands in for the label.

    Formula: reward(i) = 1 if answer(i) is the group's majority answer, else 0; advantage: reward minus the group's mean.
    Ends: all agree or none parses, and the group carries no signal; below `vote.min_share` there is no label and no reward.
    Fails: by agreeing on a wrong answer; label/purity and the probe fall while the reward still rises to 1.
    Differs: the authors' code subtracts the mean of the others (RLOO), which is n / (n - 1) times this advantage, and takes .001 times the KL to the
    start from the reward; it uses 32 answers to each of 16 questions.
    """

    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(16, ge=2)
    trained: int | None = Field(None, ge=2)
    """How many rollouts of a group are trained on, the first that were sampled; all vote. None: all."""
    vote: VoteRule = VoteRule()
    scale: Scale = "none"
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.trained is not None and self.trained > self.group_size:
            raise ValueError(f"trained = {self.trained} is more than group_size = {self.group_size}")
        return self

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        for group in groups:
            found = vote(group.answers, self.vote)
            for label in found.winners or (None,):
                ctx.label(group.task, label)
            group.reward(agreement=[found.elects(answer) for answer in group.answers])
        trained = [Group(group.task, group.rollouts[: self.trained]) for group in groups]
        ctx.learn("solver", center(trained, self.scale), self.objective)
