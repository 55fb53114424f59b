"""Most-voted against least-voted completion, without labels: ScPO."""

from pydantic import Field

from autotelic.answers.votes import VoteRule, vote
from autotelic.learning.examples import example, pair
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import DPO
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Example, Group, Sampling


@recipe(name="scpo", system="ScPO", paper="arXiv:2411.04109", family="preference", catalogue=(149,), proxy="label/agreement")
class SelfConsistencyPreference(Recipe):
    """Of k completions one with the most-voted answer is preferred to one with the least-voted.

    Kept where the top vote V+ has at least `vote.min_share` of the k; weight w = (V+ - V-) / k;
    loss = w (-log sigmoid(beta (h+ - h-)) - nll log p(y+) / |y+|), h the log-ratio to the policy at the start of the round.
    An unparsed completion has no votes, so it is the first to be rejected.
    Degenerate case: all agree, V+ = V-, and there is no pair. Fails as every vote does: where the majority is wrong it is preferred all the same.
    Differs from the paper: tasks come from the pool only; the policy writes no new ones.
    """

    rounds: int = Field(6, ge=0)
    tasks_per_round: int = Field(128, ge=1)
    group_size: int = Field(16, ge=2)
    sampling: Sampling = Sampling(temperature=0.7, max_tokens=96)
    vote: VoteRule = VoteRule(min_share=0.5, denominator="all")
    updates: Updates = Updates(batch_size=32, epochs=1)
    objective: DPO = DPO(beta=0.5, nll=1.0)

    async def round(self, ctx: Context) -> None:
        anchor = ctx.policies["solver"].clone("anchor")
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        pairs = [side for group in groups for side in self.pair(group)]
        ctx.log(**{"label/kept": len(pairs) / 2 / len(groups)})
        ctx.learn("solver", pairs, self.objective, self.updates, reference=anchor)

    def pair(self, group: Group) -> list[Example]:
        """The group's pair and its weight; nothing below the threshold or without a loser."""
        counted = vote(group.answers, self.vote)
        most, least = max(counted.votes), min(counted.votes)
        if counted.label is None or most == least:
            return []
        chosen = group.rollouts[counted.votes.index(most)]
        rejected = group.rollouts[counted.votes.index(least)]
        return pair(example(chosen), example(rejected), weight=(most - least) / len(group))
