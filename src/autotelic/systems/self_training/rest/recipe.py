"""Grow and Improve: ReST."""

from typing import Annotated, ClassVar

from pydantic import Field

from autotelic.learning.examples import example
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import NLL
from autotelic.measures.metrics import Metric
from autotelic.rewards.graded import prefix_share
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe


@recipe(
    name="rest",
    system="ReST",
    paper="arXiv:2308.08998",
    family="self-training",
    catalogue=(34,),
    proxy="rewards/score/mean",
    needs_answers=True,
)
class ReinforcedSelfTraining(Recipe):
    """Sample once (Grow), then train on what scores above a threshold that rises step by step (Improve).

    Formula: Grow: `group_size` completions per task, each with a fixed score, and with `original` the gold completion, whose score is 1. Improve, for
    each threshold in turn: mean negative log-likelihood of the completions of this Grow step whose score is at least the threshold.
    Ends: nothing reaches the threshold, and that Improve step is skipped.
    Fails: when a few easy tasks fill the top; answers/distinct falls.
    Differs: the score is the share of the gold solution that a completion follows before it first departs from it; the paper's is a learned reward model.
    The paper adds the samples to the original data set, which is `original=true`; by default they stand alone here, because gold completions by
    themselves teach the worlds that come with the package.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (Metric("label/kept/{threshold}", "share", "completions whose score reaches a threshold"),)

    rounds: int = Field(4, ge=0)
    tasks_per_round: int = Field(128, ge=1)
    group_size: int = Field(8, ge=1)
    thresholds: tuple[Annotated[float, Field(ge=0.0, le=1.0)], ...] = Field((0.0, 0.5, 0.8, 0.95), min_length=1)
    """Of the Improve steps, in their order."""
    original: bool = False
    """Whether the gold completions of the round's tasks are trained on too, at every threshold."""
    updates: Updates = Updates(batch_size=128, epochs=1)
    objective: NLL = NLL()

    @property
    def trains_on_gold(self) -> bool:
        return self.original

    async def round(self, ctx: Context) -> None:
        tasks = ctx.pool.draw(self.tasks_per_round)
        groups = await ctx.sample("solver", tasks, n=self.group_size)
        for group in groups:
            group.reward(score=[prefix_share(rollout.text, ctx.world.gold(group.task)) for rollout in group])
        grown = [rollout for group in groups for rollout in group]
        gold = [ctx.taught("solver", task, ctx.world.gold(task), f"{task.id}/gold") for task in tasks] if self.original else []
        for threshold in self.thresholds:
            kept = [example(rollout) for rollout in grown if rollout.rewards["score"] >= threshold]
            ctx.log(**{f"label/kept/{threshold:g}": len(kept) / len(grown)})
            ctx.learn("solver", gold + kept, self.objective, self.updates)
