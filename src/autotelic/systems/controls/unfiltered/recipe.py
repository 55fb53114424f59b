"""Likelihood of everything that one sampled, nothing left out: what a filter, a vote or a reward adds is measured against it."""

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from autotelic.bases.specs import BASES
from autotelic.episodes import teaching
from autotelic.errors import SettingError
from autotelic.learning.examples import example
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import NLL
from autotelic.measures.metrics import Metric
from autotelic.rewards.novelty import distinct, longest_repeat
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Example, Metrics, Task


@recipe(
    name="unfiltered",
    system="Self-trained GPT-2",
    paper="arXiv:2404.02305",
    family="controls",
    seeds="with `real` above 0, lessons by the teacher of the base, on tasks of their own",
)
class Unfiltered(Recipe):
    """One completion of every task is sampled, and all of them are the targets, right or wrong.

    Formula: loss: mean negative log-likelihood of the tokens of all samples, and of fresh lessons by `teacher` in the place of a share `real` of them.
    Ends: there are none; every sample is a target, cut off or not.
    Fails: by design. At temperature 1 the expected update is zero, and what is left is noise that adds up; below it the policy sharpens on what it says
    most, right or wrong. The training loss shows none of it: probe/lessons/loss, on lessons that it has not seen, does.
    Differs: the paper samples open text from GPT-2 and trains on that; here completions are short, so that there is little room for loops of a few tokens.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("probe/texts/distinct", "share", "different runs of four tokens among all of a sampled completion, mean over the probe's tasks"),
        Metric("probe/texts/longest_repeat", "tokens", "the longest run of tokens that a sampled completion has twice, mean over the probe's tasks"),
        Metric("probe/lessons/loss", "nats", "negative log-likelihood of held-out lessons by the base's teacher, mean over their tokens", low=0.0),
    )

    rounds: int = Field(40, ge=0)
    tasks_per_round: int = Field(256, ge=1)
    """Texts of a round, samples and lessons together."""
    real: float = Field(0.0, ge=0.0, le=1.0)
    """Share of the texts that are lessons by the teacher, about tasks that are neither in the pool nor held out."""
    teacher: str = BASES["chain-medium"].tasks
    """World whose teacher writes the lessons, by default as the base was taught: it errs as the base does. A world of other tasks has no lessons of it."""
    updates: Updates = Updates(batch_size=64, epochs=1)
    objective: NLL = NLL()

    def setup(self, ctx: Context) -> None:
        teacher = teaching.teacher(self.teacher)
        if teaching.kindred(teacher, ctx.world):
            solver = ctx.policies["solver"]
            teaching.check(solver, teaching.examples(solver, teaching.unseen(teacher, 8)), self.teacher)
        elif self.real:
            raise SettingError(f"real = {self.real:g}: the teacher of {self.teacher!r} has no lessons about tasks of {ctx.world.name!r}; set teacher")

    async def round(self, ctx: Context) -> None:
        real = round(self.real * self.tasks_per_round)
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round - real), n=1)
        ctx.learn("solver", [example(group.rollouts[0]) for group in groups] + self.lessons(ctx, real), self.objective, self.updates)

    def lessons(self, ctx: Context, count: int) -> list[Example]:
        """Fresh lessons of the round."""
        if not count:
            return []
        found = teaching.apart(ctx, teaching.teacher(self.teacher), count, "lessons", ctx.round)
        return teaching.examples(ctx.policies["solver"], found, f"r{ctx.round}/lesson")

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        measured = repetition([group.rollouts[0].actions[-1].tokens for group in await ctx.sample("solver", tasks, n=1)])
        teacher = teaching.teacher(self.teacher)
        if teaching.kindred(teacher, ctx.world):
            measured["probe/lessons/loss"] = teaching.loss(ctx.policies["solver"], teaching.unseen(teacher, len(tasks)))
        return measured


def repetition(texts: Sequence[Sequence[int]]) -> Metrics:
    """How much completions repeat themselves."""
    distinct_runs, repeats = [distinct(text, 4) for text in texts], map(longest_repeat, texts)
    return {"probe/texts/distinct": fmean(distinct_runs), "probe/texts/longest_repeat": fmean(repeats)}
