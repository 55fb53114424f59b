"""Self-consistency as a way of answering: the vote of several samples."""

from collections.abc import Sequence

from pydantic import Field

from autotelic.answers.votes import VoteRule, vote
from autotelic.rounds.context import Context
from autotelic.systems.base import Way, way
from autotelic.types import Rollout, Task


@way(name="majority", system="Self-Consistency", paper="arXiv:2203.11171", family="search", model="chain-medium", tasks="chain")
class Majority(Way):
    """The answer that most of n samples agree on.

    Formula: `answers.votes.vote` of n samples; the first sample with the winning answer is the final one.
    Ends: where none parses, or nobody wins under `vote`, there is no answer.
    Fails: where the most frequent answer is a wrong one. With n=2 the vote decides nothing, and it does worse than greedy decoding.
    Differs: nothing. Beside the vote of as many plain samples, which it is, no difference is to be seen: it shows that the comparison is fair.
    """

    n: int = Field(4, ge=1)
    """Samples of a task."""
    vote: VoteRule = VoteRule()

    async def answer(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        groups = await ctx.sample("solver", tasks, self.n)
        final = []
        for group in groups:
            label = vote(group.answers, self.vote).label
            chosen = next((rollout for rollout in group if label is not None and rollout.answer == label), None)
            final.append(chosen or ctx.begin("solver", group.task))
        return final
