"""Best of K, then likelihood: RAFT."""

from collections.abc import Sequence

from pydantic import Field

from autotelic.learning.examples import example
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import NLL
from autotelic.rewards.graded import prefix_share
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Example, Group


@recipe(
    name="raft",
    system="RAFT",
    paper="arXiv:2304.06767",
    family="self-training",
    catalogue=(353,),
    proxy="rewards/score/mean",
    needs_answers=True,
)
class RewardRankedFineTuning(Recipe):
    """Of K completions of each task the best-scored one becomes a supervised target.

    Formula: kept(task) = the completion of highest score, the first sampled among equals; loss: mean negative log-likelihood of the kept ones.
    Ends: K equal scores, where the kept one is simply a sample of the policy.
    Fails: by losing variety, as one completion a task is what remains; answers/distinct falls.
    Differs: the score is the share of the gold solution that a completion follows before it first departs from it; the paper's is a learned reward model.
    """

    rounds: int = Field(10, ge=0)
    tasks_per_round: int = Field(256, ge=1)
    group_size: int = Field(8, ge=2)
    updates: Updates = Updates(batch_size=64, epochs=1)
    objective: NLL = NLL()

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        ctx.learn("solver", self.targets(ctx, groups), self.objective, self.updates)

    def targets(self, ctx: Context, groups: Sequence[Group]) -> list[Example]:
        """What is kept of the groups, with its weights."""
        for group in groups:
            group.reward(score=[prefix_share(rollout.text, ctx.world.gold(group.task)) for rollout in group])
        best = [max(group.rollouts, key=lambda rollout: rollout.rewards["score"]) for group in groups]
        return [example(rollout) for rollout in best]
