"""Temperature and threshold set every round by what a few tasks say about exploration and reward: B-STaR."""

from collections.abc import Sequence
from statistics import fmean
from typing import Annotated, ClassVar, NamedTuple

from pydantic import Field

from autotelic.learning.advantages import total
from autotelic.learning.examples import example
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import NLL
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.streams import generator
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Group, Rollout


@recipe(
    name="b-star", system="B-STaR", paper="arXiv:2412.17256", family="self-training", catalogue=(119,), proxy="balance/effect", needs_answers=True,
    model="chain-range", tasks="chain?ops=1-8",
)  # fmt: skip
class BalancedSelfTaughtReasoner(Recipe):
    """Trains on its own best-scored solutions; a controller picks temperature and threshold each round so that many different right ones pass.

    Formula: effect(task) = min(r / wanted, 1) * r / s, with s the different solutions whose score is above the threshold, at most `most` of the best,
    and r those of them that are right; 0 where none passes. Each round the pair of `temperatures` and `thresholds` with the highest mean effect on `dev`
    tasks of the pool is used; both means, of min(r / wanted, 1) and of r / s, are logged: exploration and exploitation. Loss: mean negative log-likelihood
    of what passes, at temperature 1. score = 1 for a right answer + `noise` times a normal number that is always the same for the same solution. With
    `controller` off `temperature` and `threshold` stay (online rejection tuning).
    Ends: no solution of a round passes the threshold, and nothing is learned in it.
    Fails: where the dev tasks are too few to tell settings apart; the pair jumps about.
    Differs: the score stands in for the paper's answer check plus process reward, and errs like a reward model does. Gold solutions are not added, and the
    optimizer goes on from round to round.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("balance/temperature", "temperature", "that the controller chose for the round"),
        Metric("balance/threshold", "reward", "score above which solutions pass, as the controller chose it"),
        Metric("balance/exploration", "share", "right solutions that passed over the wanted number, at most 1, mean over tasks"),
        Metric("balance/exploitation", "share", "right ones among the solutions that passed, mean over tasks"),
        Metric("balance/effect", "share", "product of both, mean over tasks"),
    )

    rounds: int = Field(12, ge=0)
    tasks_per_round: int = Field(128, ge=1)
    group_size: int = Field(8, ge=1)
    controller: bool = True
    temperature: float = Field(1.0, gt=0.0)
    """Without the controller; `sampling.temperature` is the probe's alone."""
    threshold: float = Field(0.5, ge=-10.0, le=10.0)
    """Without the controller."""
    temperatures: tuple[Annotated[float, Field(gt=0.0)], ...] = Field((0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2), min_length=1)
    thresholds: tuple[float, ...] = Field(tuple(step / 10 for step in range(-5, 16)), min_length=1)
    dev: int = Field(32, ge=1)
    """Tasks the controller asks, drawn anew each round."""
    wanted: int = Field(1, ge=1)
    """How many different right solutions of a task are enough; the published code has 8. A chain has one way to be written out right."""
    most: int = Field(4, ge=1)
    noise: float = Field(0.4, ge=0.0)
    updates: Updates = Updates(batch_size=64, epochs=1)
    objective: NLL = NLL()

    async def round(self, ctx: Context) -> None:
        temperature, threshold = await self.settings(ctx)
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size, temperature=temperature)
        self.score(ctx, groups)
        chosen = [select(ranked(group), threshold, self.most) for group in groups]
        found = [balance(rollouts, self.wanted) for rollouts in chosen]
        ctx.log(**{"balance/temperature": temperature, "balance/threshold": threshold, **means(found)})
        ctx.learn("solver", [example(rollout) for rollouts in chosen for rollout in rollouts], self.objective, self.updates)

    async def settings(self, ctx: Context) -> tuple[float, float]:
        """The pair of highest mean effect on some tasks of the pool; the first of equal ones, low temperatures and thresholds first."""
        if not self.controller or not len(ctx.pool):
            return self.temperature, self.threshold
        tasks = ctx.random("dev").sample(ctx.pool.tasks, min(self.dev, len(ctx.pool)))
        effects = {}
        for temperature in self.temperatures:
            groups = await ctx.sample("solver", tasks, n=self.group_size, note=False, temperature=temperature)
            self.score(ctx, groups)
            best = [ranked(group) for group in groups]
            for threshold in self.thresholds:
                effects[temperature, threshold] = fmean(balance(select(rollouts, threshold, self.most), self.wanted).effect for rollouts in best)
        return max(effects, key=effects.__getitem__)

    def score(self, ctx: Context, groups: Sequence[Group]) -> None:
        """Rewards `correct` and `error`, whose sum is the score."""
        for group in groups:
            group.reward(
                correct=[ctx.world.verify(group.task, answer) for answer in group.answers],
                error=[self.noise * generator("scorer", group.task.id, rollout.text).gauss(0.0, 1.0) for rollout in group],
            )


class Balance(NamedTuple):
    """What was selected of one task."""

    exploration: float
    exploitation: float

    @property
    def effect(self) -> float:
        """Their product."""
        return self.exploration * self.exploitation


def ranked(group: Group) -> list[Rollout]:
    """The different solutions of a group, the first of equal ones, best-scored first."""
    different = {rollout.text: rollout for rollout in reversed(group.rollouts)}
    return sorted(different.values(), key=lambda rollout: (-total(rollout), rollout.id))


def select(best: Sequence[Rollout], threshold: float, most: int) -> list[Rollout]:
    """Of rollouts in order of their scores at most `most` that are above the threshold."""
    return [rollout for rollout in best[:most] if total(rollout) > threshold]


def balance(selected: Sequence[Rollout], wanted: int) -> Balance:
    """How far the right ones reach what is wanted, and their share."""
    right = sum(rollout.rewards["correct"] == 1.0 for rollout in selected)
    return Balance(min(right / wanted, 1.0), right / len(selected) if selected else 0.0)


def means(found: Sequence[Balance]) -> dict[str, float]:
    """What is logged of a round."""
    names = ("exploration", "exploitation", "effect")
    return {f"balance/{name}": fmean(getattr(one, name) for one in found) if found else 0.0 for name in names}
