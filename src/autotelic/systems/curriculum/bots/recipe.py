"""Tasks whose success rate is believed to be near one half: BOTS."""

from statistics import fmean
from typing import Literal

from pydantic import Field

from autotelic.learning.advantages import Scale, center
from autotelic.learning.objectives import PolicyGradient
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.systems.curriculum.mixed import log_mixed
from autotelic.tasks.samplers import BetaBand, Sampler, Shuffled


@recipe(
    name="bots", system="BOTS", paper="arXiv:2510.26374", family="curriculum", catalogue=(328,), proxy="rewards/correct/mean", needs_answers=True,
    model="chain-range", tasks="chain?ops=1-8",
)  # fmt: skip
class BayesianOnlineTaskSelection(Recipe):
    """Keeps a Beta posterior over every task's success rate and trains on those that a draw from it puts nearest to one half.

    The posterior adds up the task's own outcomes, `1 - implicit` of them, and what the difficulty of a task and this round's successes on others let
    one expect, `implicit` of it, and forgets a share `forget` a round; formulas in `tasks.samplers.BetaBand`. reward = 1 for a right answer;
    advantage: reward minus the group's mean. implicit=0 is the paper's explicit-only arm, implicit=1 the implicit-only one; `select` uniform the control.
    Degenerate case: all solved or none; all posteriors move to one end and those drawn are the least certain.
    Fails where `tag` does not order the tasks by difficulty: then implicit evidence moves posteriors away from the truth.
    Differs from the paper: the two reference solvers are not models that were run but success rates of `references` per unit of difficulty; a task's
    posterior is formed at once for the whole pool, which is the published update rewritten, not changed.
    """

    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(8, ge=2)
    tag: str = "ops"
    """A numeric tag that grows with difficulty."""
    select: Literal["bots", "uniform"] = "bots"
    target: float = Field(0.5, ge=0.0, le=1.0)
    implicit: float = Field(0.1, ge=0.0, le=1.0)
    forget: float = Field(0.1, ge=0.0, le=1.0)
    references: tuple[float, float] = (0.6, 0.98)
    thompson: bool = True
    """Draw rates from the posteriors; without, take their means."""
    scale: Scale = "none"
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28)

    def sampler(self) -> Sampler:
        if self.select == "uniform":
            return Shuffled()
        return BetaBand(self.tag, self.target, self.references, self.group_size, self.forget, self.implicit, thompson=self.thompson)

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        for group in groups:
            group.reward(correct=[ctx.world.verify(group.task, answer) for answer in group.answers])
        rates = {group.task.id: fmean(rollout.rewards["correct"] for rollout in group) for group in groups}
        log_mixed(ctx, groups, "correct")
        ctx.learn("solver", center(groups, self.scale), self.objective)
        ctx.pool.observe("rate", rates)
