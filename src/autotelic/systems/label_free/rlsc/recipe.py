"""Sharpening towards the policy's own mode: RLSC."""

from math import exp

from pydantic import Field

from autotelic.learning.examples import example
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import NLL
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Rollout, Sampling


def self_confidence(rollout: Rollout, alpha: float, power: float = 1.0) -> float:
    """p_old(y | x)^power + alpha, with p_old the probability of the whole completion when it was sampled, at the temperature of sampling."""
    return exp(power * sum(logprob for turn in rollout.actions for logprob in turn.logprobs or [])) + alpha


@recipe(name="rlsc", system="RLSC", paper="arXiv:2506.06395", family="label-free", catalogue=(117,), proxy="rewards/probability/mean")
class SelfConfidence(Recipe):
    """Completions are made likelier in proportion to how likely they were: the policy moves towards its mode.

    Formula: loss = - mean over samples of (p_old(y | x) + alpha) log p(y | x), p_old frozen at sampling: the gradient of the chance that two samples
    agree, smoothed by alpha. No baseline: every sample is pushed up, alpha keeps unlikely ones in play. Both probabilities are taken at the temperature of
    sampling, as in the paper's algorithm (`objective.temperature` = None).
    Ends: completions so long that p_old is 0 leave alpha alone, which is plain training on one's own samples.
    Fails: where the mode is wrong; accuracy on such prompts goes to 0 as the entropy does.
    Differs: the paper stops after 10 to 20 updates at a learning rate of 1e-5.
    """

    rounds: int = Field(20, ge=0)
    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(16, ge=1)
    alpha: float = Field(0.1, ge=0.0)
    power: float = Field(1.0, ge=0.0)
    """Of the probability in the weight; at 0 all completions weigh alike."""
    sampling: Sampling = Sampling(temperature=0.5, max_tokens=96)
    updates: Updates = Updates()
    objective: NLL = NLL(aggregation="sequence", temperature=None)

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        for group in groups:
            group.reward(probability=[self_confidence(rollout, 0.0) for rollout in group])
        weighed = [example(rollout, self_confidence(rollout, self.alpha, self.power)) for group in groups for rollout in group]
        ctx.learn("solver", weighed, self.objective, self.updates)
