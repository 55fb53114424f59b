"""Task categories as arms of a bandit that is paid in learning signal: SEC."""

from collections import Counter
from statistics import fmean
from typing import ClassVar, Literal

from pydantic import Field

from autotelic.learning.advantages import Scale, center
from autotelic.learning.objectives import PolicyGradient
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.systems.curriculum.mixed import log_mixed
from autotelic.tasks.samplers import Bandit, Sampler, Shuffled, Staged
from autotelic.types import Group


@recipe(
    name="sec", system="SEC", paper="arXiv:2505.14970", family="curriculum", catalogue=(155,), proxy="rewards/correct/mean", needs_answers=True,
    model="chain-range", tasks="chain?ops=1-8",
)  # fmt: skip
class SelfEvolvingCurriculum(Recipe):
    """Draws the categories of tasks that have lately moved the policy most, learned as it trains.

    Formula: arm = value of `tag`; P(arm) = softmax(Q / temperature); after each round Q <- (1 - rate) Q + rate mean |advantage| of the arm's rollouts, 0
    for arms that were not drawn. reward = 1 for a right answer; advantage: (reward - mean of the group) / std.
    Ends: where all is solved or nothing is, every advantage is 0, every Q decays to 0 and the arms are drawn alike. An arm whose tasks are all drawn
    already is passed over for the rest of the draw.
    Fails: where a large temperature hides small differences of Q, and where luck pays: |advantage| does not tell a guess from a lesson.
    Differs: exact world, no KL, one update on the whole batch. `curriculum` random and ordered are the paper's controls: all tasks alike, and the arms
    from low to high for equal shares of the rounds.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("curriculum/chance/{category}", "share", "chance of a category to be drawn"),
        Metric("curriculum/drawn/{category}", "share", "tasks of the round that are of a category"),
    )

    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(8, ge=2)
    tag: str = "ops"
    """The tag whose values are the arms."""
    curriculum: Literal["sec", "random", "ordered"] = "sec"
    rate: float = Field(0.5, gt=0.0, le=1.0)
    temperature: float = Field(0.2, gt=0.0)
    """The paper's: 1.0 for countdown, 0.4 for mathematics, 0.2 for puzzles."""
    decay: bool = True
    """Whether arms that were not drawn count as 0, as in the published code."""
    scale: Scale = "std"
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28)

    def sampler(self) -> Sampler:
        if self.curriculum == "sec":
            return Bandit(self.tag, self.rate, self.temperature, self.decay)
        return Staged(self.tag, self.rounds) if self.curriculum == "ordered" else Shuffled()

    async def round(self, ctx: Context) -> None:
        if isinstance(ctx.pool.sampler, Bandit):
            ctx.log(**{f"curriculum/chance/{self.tag} {arm}": chance for arm, chance in ctx.pool.sampler.chances(ctx.pool).items()})
        tasks = ctx.pool.draw(self.tasks_per_round)
        ctx.log(**{f"curriculum/drawn/{arm}": count / len(tasks) for arm, count in Counter(f"{self.tag} {t.tags[self.tag]}" for t in tasks).items()})
        groups = await ctx.sample("solver", tasks, n=self.group_size)
        for group in groups:
            group.reward(correct=[ctx.world.verify(group.task, answer) for answer in group.answers])
        log_mixed(ctx, groups, "correct")
        ctx.learn("solver", center(groups, self.scale), self.objective)
        ctx.pool.observe("signal", {group.task.id: signal(group) for group in groups})


def signal(group: Group) -> float:
    """The mean absolute advantage of a group, each rollout's a mean over its tokens; 0 for an empty group or without advantages."""
    values = [rollout.advantage if rollout.advantage is not None else 0.0 for rollout in group]
    return fmean(fmean(map(abs, value)) if isinstance(value, list) else abs(value) for value in values) if values else 0.0
