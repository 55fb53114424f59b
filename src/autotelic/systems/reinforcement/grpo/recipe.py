"""Policy gradients on any rewards: the world's, functions of the user's own, reward models."""

import asyncio
from statistics import fmean
from typing import Annotated, ClassVar, Self

from pydantic import Field, PrivateAttr, model_validator

from autotelic.errors import DataError
from autotelic.learning.advantages import Scale, abstains, center, total
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import PolicyGradient
from autotelic.measures.metrics import Metric
from autotelic.rewards.sources import Rewards, Specs, names
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.types import LARGEST, Rollout

Weight = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]


@recipe(name="grpo", system="GRPO", paper="arXiv:2402.03300", family="reinforcement", proxy="rewards/weighted", needs_answers=True)
class RewardsByName(Recipe):
    """Completions are compared within the group of one task, by a weighted sum of rewards that are named: functions of a file, reward models, the truth.

    Formula: A(i) = (R(i) - mean R) / (std R + 1e-6) in the group, R = sum of weight x reward; loss = - min(r A, clip(r, 1 - .2, 1 + .2) A), a mean over
    the tokens of each completion, then over completions; r the ratio to the policy that sampled.
    Ends: a group of equal rewards carries no signal; a completion on which every reward abstains counts in no mean and is not trained on.
    Fails: as its rewards can be gamed; hold rewards/weighted against probe/accuracy.
    Differs: no KL term (`objective.kl`; .04 in the paper) and one update on what was sampled, as TRL has them.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (Metric("rewards/weighted", "reward", "sum of weight times reward, mean over the rollouts that got any"),)

    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(16, ge=2)
    rewards: Specs = Field(("correct",), min_length=1)
    """`correct`, `format`, functions as FILE.py:NAME with TRL's signature, and reward models: folders or hub names of sequence classifiers."""
    reward_weights: tuple[Weight, ...] | None = None
    """One for each reward, below 0 for what is to be avoided; None: 1 for all."""
    scale: Scale = "std"
    updates: Updates = Updates()
    objective: PolicyGradient = PolicyGradient(aggregation="sequence")
    _opened: Rewards | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.reward_weights is not None and len(self.reward_weights) != len(self.rewards):
            raise ValueError(f"reward_weights has {len(self.reward_weights)} weights for {len(self.rewards)} rewards")
        return self

    @property
    def weights(self) -> dict[str, float]:
        """By the name under which a reward is written."""
        return dict(zip(names(self.rewards), self.reward_weights or [1.0] * len(self.rewards), strict=True))

    @property
    def reads_answers(self) -> bool:
        return "correct" in self.rewards

    @property
    def sees_gold(self) -> bool:
        return True

    def setup(self, ctx: Context) -> None:
        self._opened = Rewards(self.rewards, ctx.policies["solver"].model.device.type)

        def gold(rollout: Rollout) -> str:
            try:
                return ctx.world.gold(rollout.task)
            except DataError:
                return ""

        asyncio.run(self._opened.try_out(ctx, gold))

    async def round(self, ctx: Context) -> None:
        assert self._opened is not None, "`setup` has opened them"
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        await self._opened.pay(ctx, groups)
        paid = [total(rollout, self.weights) for group in groups for rollout in group if not abstains(rollout, self.weights)]
        ctx.log(**{"rewards/weighted": fmean(paid) if paid else 0.0})
        ctx.learn("solver", center(groups, self.scale, weights=self.weights), self.objective, self.updates)
