"""Best-of-n by the model's own confidence as a way of answering."""

from collections.abc import Sequence
from statistics import fmean

from pydantic import Field

from autotelic.rounds.context import Context
from autotelic.systems.base import Way, way
from autotelic.types import Rollout, Task


@way(name="best-of-n", system="best-of-n by confidence", paper="", family="search", model="chain-medium", tasks="chain")
class BestOfN(Way):
    """Of n samples the one in which the model was most confident.

    Formula: the largest mean log-probability of a completion's tokens, as they were sampled, among those that have an answer.
    Ends: where none parses, there is no answer.
    Fails: where the model is sure of its errors; short and formulaic completions are favored.
    Differs: nothing. Beside plain samples that are chosen in the same way no difference is to be seen.
    """

    n: int = Field(4, ge=1)
    """Samples of a task."""

    async def answer(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        groups = await ctx.sample("solver", tasks, self.n)
        return [max(filter(answered, group), key=confidence, default=None) or group.rollouts[0] for group in groups]


def answered(rollout: Rollout) -> bool:
    """Whether it has an answer."""
    return rollout.answer is not None


def confidence(rollout: Rollout) -> float:
    """The mean log-probability of its last action's tokens, when it was sampled."""
    return fmean(rollout.actions[-1].logprobs or [0.0])
