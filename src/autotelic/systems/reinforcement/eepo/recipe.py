"""Sample, forget, sample again: EEPO."""

from math import log
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from autotelic.errors import SettingError
from autotelic.learning.advantages import center
from autotelic.learning.examples import example
from autotelic.learning.objectives import PolicyGradient, Unlikelihood
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Group, World


def surprise(groups: list[Group]) -> float:
    """Mean -log p of the sampled tokens in nats: an unbiased estimate of the entropy of the distributions they were drawn from."""
    found = [logprob for group in groups for rollout in group for turn in rollout.actions for logprob in turn.logprobs or []]
    return -sum(found) / max(len(found), 1)


@recipe(
    name="eepo",
    system="EEPO",
    paper="arXiv:2510.05837",
    family="reinforcement",
    catalogue=(141,),
    proxy="rewards/correct/mean",
    needs_answers=True,
    model="chain-weak",
)
class SampleThenForget(Recipe):
    """Half of a group is sampled, a copy unlearns it for a moment, the copy samples the other half; both halves train the policy.

    Formula: forgetting: one step on -log(1 - p(token)) over the first half, which pushes likely tokens down and leaves rare ones alone; only where the
    entropy of the first half, a mean over the last `window` rounds, is below `entropy_below`, and thrown away afterwards. Reward 1 for a right
    answer; the advantage is the reward minus the mean of the whole group; the ratio of the second half is to the copy that sampled it, clipped.
    Ends: a group that is all right or all wrong, in both of its halves, carries no signal.
    Fails: when forgetting is too strong; the second half is noise, and all that is learned is to avoid it.
    Differs: the forgetting step is one of AdamW at `forget_rate`, over a mean of all tokens; the paper's is plain gradient ascent at .003, over means of
    sequences, and its advantages are divided by the group's std (GRPO). Threshold and window are the paper's, for models of 3B and more.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("explore/surprise", "nats", "mean negative log-probability of the tokens of the first half", low=0.0),
        Metric("explore/distinct", "answers", "different ones in a group, mean"),
        Metric("explore/forgot", "0 or 1", "whether a copy unlearned the first half before it sampled the second"),
    )

    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(16, ge=2)
    forget: bool = True
    entropy_below: float | None = Field(0.3, ge=0.0)
    """In nats per token; None: the copy always unlearns."""
    window: int = Field(3, ge=1)
    """Rounds over which the entropy is averaged."""
    forget_rate: float = Field(1e-4, gt=0)
    """Learning rate of the step that unlearns; all else is as in `optimizer`, without its warm-up."""
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28)

    def roles(self, world: World) -> dict[str, Role]:
        return {name: Role(name, name, self.sampling, world.parse) for name in ("solver", "explorer")}

    def setup(self, ctx: Context) -> None:
        ctx.optimizers["explorer"] = self.optimizer.model_copy(update={"learning_rate": self.forget_rate, "warmup": 0})
        most = log(ctx.policies["solver"].model.vocab_size)
        if self.forget and self.entropy_below is not None and self.entropy_below >= most:
            never = f"the entropy of {ctx.policies['solver'].model.vocab_size} tokens is never above {most:.3g} nats"
            raise SettingError(f"entropy_below = {self.entropy_below:g}: {never}, so that the threshold decides nothing; say null for none")

    async def round(self, ctx: Context) -> None:
        tasks, half = ctx.pool.draw(self.tasks_per_round), self.group_size // 2
        first = await ctx.sample("solver", tasks, n=half)
        forget = self.forget and self.sure(ctx, surprise(first))
        ctx.log(**{"explore/surprise": surprise(first), "explore/forgot": forget})
        if forget:
            ctx.clone("solver", "explorer")
            ctx.learn("explorer", [example(rollout) for group in first for rollout in group], Unlikelihood())
            second = await ctx.sample("explorer", tasks, n=self.group_size - half)
            ctx.drop("explorer")
        else:
            second = await ctx.sample("solver", tasks, n=self.group_size - half)
        groups = [Group(a.task, a.rollouts + b.rollouts) for a, b in zip(first, second, strict=True)]
        for group in groups:
            group.reward(correct=[ctx.world.verify(group.task, answer) for answer in group.answers])
        ctx.log(**{"explore/distinct": sum(len(set(group.answers)) for group in groups) / len(groups)})
        ctx.learn("solver", center(groups), self.objective)

    def sure(self, ctx: Context, entropy: float) -> bool:
        """Whether the policy has become sure of itself: the mean entropy of the last rounds is below the threshold."""
        ctx.state["entropies"] = [*ctx.state.get("entropies", []), entropy][-self.window :]
        return self.entropy_below is None or fmean(ctx.state["entropies"]) < self.entropy_below
