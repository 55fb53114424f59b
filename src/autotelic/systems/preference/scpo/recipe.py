"""Most-voted against least-voted completion, without labels: ScPO."""

from typing import NamedTuple

from pydantic import Field

from autotelic.answers.votes import VoteRule, vote
from autotelic.learning.examples import example, pair
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import DPO
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Example, Group, Rollout, Sampling


class Preference(NamedTuple):
    """Which completion is preferred to which, and how much that weighs."""

    chosen: Rollout
    rejected: Rollout
    weight: float


@recipe(name="scpo", system="ScPO", paper="arXiv:2411.04109", family="preference", catalogue=(149,), proxy="label/agreement")
class SelfConsistencyPreference(Recipe):
    """Of k completions one with the most-voted answer is preferred to one with the least-voted.

    Formula: kept where the top vote V+ has at least `vote.min_share` of the k; weight w = (V+ - V-) / k;
    loss = w (-log sigmoid(beta (h+ - h-)) - nll log p(y+) / |y+|), h the log-ratio to the policy at the start of the round.
    An unparsed completion has no votes, so it is the first to be rejected; it is never the chosen one.
    Ends: all agree, V+ = V-, and there is no pair.
    Fails: as every vote does; where the majority is wrong it is preferred all the same.
    Differs: tasks come from the pool only; in the paper the policy writes new ones too. Of several completions with the same answer the first is taken.
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
        pairs: list[Example] = []
        for group in groups:
            found = self.pair(group)
            ctx.label(group.task, found.chosen.answer if found else None)
            pairs += pair(example(found.chosen), example(found.rejected), weight=found.weight) if found else []
        ctx.log(**{"label/kept": len(pairs) / 2 / len(groups)})
        ctx.learn("solver", pairs, self.objective, self.updates, reference=anchor)

    def pair(self, group: Group) -> Preference | None:
        """The group's pair; None below the threshold or without a loser."""
        counted = vote(group.answers, self.vote)
        best = next((place for place, answer in enumerate(group.answers) if counted.elects(answer)), None)
        least = min(counted.votes)
        if best is None or counted.votes[best] == least:
            return None
        return Preference(group.rollouts[best], group.rollouts[counted.votes.index(least)], (counted.votes[best] - least) / len(group))
