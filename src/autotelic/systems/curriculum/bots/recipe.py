"""Tasks whose success rate is believed to be near one half: BOTS."""

from statistics import fmean
from typing import Literal

from pydantic import Field, model_validator

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

    Formula: alpha <- (1 - l) alpha + l + (1 - r) s + r p m, beta likewise with failures and 1 - p, from (1, 1): s successes of m = `group_size` answers,
    l = `forget`, r = `implicit`, and p what the task's difficulty and this round's successes on others let one expect (`tasks.samplers.BetaBand`).
    Drawn are the tasks whose rate, sampled from the posterior, is nearest to `target`. reward = 1 for a right answer; advantage: reward minus the
    group's mean. implicit=0 is the paper's explicit-only arm, implicit=1 the implicit-only one; `select` uniform the control.
    Ends: where all is solved or nothing is, all posteriors move to one end and those drawn are the least certain.
    Fails: where `tag` does not order the tasks by difficulty, implicit evidence moves posteriors away from the truth.
    Differs: the two reference solvers are not models that were run but success rates of `references` per unit of difficulty; a task's posterior is formed
    at once for the whole pool, which is the published update rewritten, not changed; its option that halves r where p errs is left out.
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
    """Success rates of a weak and a strong solver at difficulty 1."""
    thompson: bool = True
    """Draw rates from the posteriors; without, take their means."""
    scale: Scale = "none"
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28)

    @model_validator(mode="after")
    def _ordered(self) -> "BayesianOnlineTaskSelection":
        if not 0 < self.references[0] < self.references[1] <= 1:
            raise ValueError(
                f"references must be two rates within 0 to 1, the weak solver's first, got {self.references[0]} and {self.references[1]}"
            )
        return self

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
