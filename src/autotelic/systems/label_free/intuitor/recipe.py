"""Self-certainty as the only reward: Intuitor."""

from pydantic import Field

from autotelic.learning.advantages import center
from autotelic.learning.objectives import PolicyGradient
from autotelic.rewards.confidence import confidence
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe


@recipe(
    name="intuitor",
    system="Intuitor",
    paper="arXiv:2505.19590",
    family="label-free",
    catalogue=(161,),
    proxy="rewards/certainty/mean",
)
class Intuitor(Recipe):
    """A completion is worth how far its next-token distributions are from uniform.

    Formula: reward(i) = mean over tokens of logsumexp(z) - mean(z), which is KL(uniform || p) up to the constant log V, scored by the policy that
    sampled it; advantage: reward minus the group's mean, over its std; KL of .005 to the weights at the start.
    Ends: completions of a group that are equally certain carry no signal.
    Fails: by confident filler; length drifts and the probe falls while certainty rises. A scorer that stays frozen is hacked sooner.
    Differs: the paper's system prompt, which tells the model to stop after the answer, has no counterpart in a world without free text.
    """

    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(8, ge=2)
    objective: PolicyGradient = PolicyGradient(kl=0.005)

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        for group in groups:
            group.reward(certainty=confidence(ctx.policies["solver"], group.rollouts, "certainty"))
        ctx.learn("solver", center(groups, scale="std"), self.objective)
