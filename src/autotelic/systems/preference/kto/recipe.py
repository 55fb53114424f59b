"""Given completions that are good or bad by themselves: KTO."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from autotelic.learning.examples import sided
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import KTO
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.systems.preference.given import LABELS, PAIRS, judged, ranking, ready
from autotelic.types import Metrics, Task


@recipe(name="kto", system="KTO", paper="arXiv:2402.01306", family="preference", preferences=True, tasks="chain?pairs=true")
class GivenLabels(Recipe):
    """Completions with the label good are made more likely, those with the label bad less so, without pairs.

    Formula: loss = lambda_D (1 - sigmoid(beta (h - z))) of a good completion, lambda_U (1 - sigmoid(beta (z - h))) of a bad one, h = log p(y) - log
    ref(y), z the mean h of mismatched prompts and completions, at least 0; ref the policy as the run began.
    Ends: only good or only bad completions are refused before the run; the two sides of a pair count as one of each.
    Fails: where one label is much rarer than the other, by its loss alone; objective.desirable and objective.undesirable weigh them.
    Differs: nothing in the loss; the paper's batches hold both labels in fixed numbers, here as they are drawn.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (*PAIRS, *LABELS)

    rounds: int = Field(6, ge=0)
    tasks_per_round: int = Field(256, ge=1)
    updates: Updates = Updates(batch_size=32, epochs=1)
    objective: KTO = KTO()

    def setup(self, ctx: Context) -> None:
        ready(ctx, ctx.pool.tasks, unpaired=True)

    async def round(self, ctx: Context) -> None:
        found = [judged(ctx, task) for task in ctx.pool.draw(self.tasks_per_round)]
        data = sided([item for good, _ in found for item in good], [item for _, bad in found for item in bad])
        ctx.learn("solver", data, self.objective, self.updates)

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        return ranking(ctx, tasks)
