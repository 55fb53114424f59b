"""The search of Self-Backtracking as a way of answering."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from autotelic.engines.registry import Capability
from autotelic.episodes.backtracking import backtrack, least_perplexity
from autotelic.rounds.context import Context
from autotelic.systems import checks
from autotelic.systems.base import Way, way
from autotelic.types import Rollout, Task
from autotelic.worlds.countdown_steps import BACK


@way(
    name="steps-back",
    system="search of Self-Backtracking",
    paper="arXiv:2502.04404",
    family="search",
    model="countdown-back",
    tasks="countdown-steps?largest=12",
)
class StepsBack(Way):
    """Tries that end in the model's backtrack token are gone on from one step earlier, and the whole solution with the least perplexity is the answer.

    Formula: n tries from each state, at first the task; a try that ends itself is a candidate; one that ends in the backtrack token loses it and its last
    step, and up to sqrt(n) such states of a task, if new, are gone on from, `depth` times (`episodes.backtracking`).
    Ends: a task without a candidate has no answer; search/empty counts them. With depth=0 it is best-of-n by perplexity.
    Fails: where the model takes back right steps, or does not find its own wrong ones.
    Differs: as `self-backtracking` does, whose search it is.
    """

    engine_needs: ClassVar[frozenset[Capability]] = frozenset({"stops"})

    tries: int = Field(16, ge=1)
    """n: tries from each state."""
    depth: int = Field(1, ge=0)
    """How many times the search goes on after a step back."""
    temperature: float = Field(0.7, gt=0.0)
    back: str = BACK
    step_end: str = ";"

    def setup(self, ctx: Context) -> None:
        checks.one_token(ctx.policies["solver"], back=self.back)
        checks.written(ctx.policies["solver"], step_end=self.step_end)

    async def answer(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        found = await self.search(ctx, tasks)
        return [best or ctx.begin("solver", task) for best, task in zip(found, tasks, strict=True)]

    async def search(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout | None]:
        """The best candidate for each task; None where the search found none."""
        candidates = await backtrack(ctx, "solver", tasks, self.tries, self.depth, self.temperature, self.back, self.step_end)
        ctx.count("search/empty", sum(task.id not in candidates for task in tasks))
        return [least_perplexity(ctx, candidates.get(task.id, [])) for task in tasks]
