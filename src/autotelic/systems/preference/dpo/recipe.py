"""Given pairs, of a file or of a world: DPO."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from autotelic.learning.examples import pair
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import DPO
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.systems.preference.given import PAIRS, ranking, ready, sides
from autotelic.types import Metrics, Task


@recipe(
    name="dpo", system="DPO", paper="arXiv:2305.18290", family="preference", proxy="rewards/accuracies", preferences=True, tasks="chain?pairs=true"
)
class GivenPairs(Recipe):
    """The chosen completion of each pair that the tasks carry is preferred to the rejected one: the control of pairs that a model makes itself.

    Formula: loss = - log sigmoid(beta (h_w - h_l)), h = log p(y) - log ref(y) of the chosen side w and the rejected side l, ref the policy as the run
    began; `objective.kind` has other losses of two sides.
    Ends: a pair whose sides are the same is refused before the run.
    Fails: by making both sides less likely, the chosen one less so; rewards/chosen falls while rewards/accuracies rises.
    Differs: the paper trains on pairs that the policy's supervised start has written; here they are whatever the file holds.
    """

    metrics: ClassVar[tuple[Metric, ...]] = PAIRS

    rounds: int = Field(6, ge=0)
    tasks_per_round: int = Field(256, ge=1)
    updates: Updates = Updates(batch_size=32, epochs=1)
    objective: DPO = DPO(beta=0.1)

    def setup(self, ctx: Context) -> None:
        ready(ctx, ctx.pool.tasks, unpaired=False)

    async def round(self, ctx: Context) -> None:
        pairs = [side for task in ctx.pool.draw(self.tasks_per_round) for side in pair(*sides(ctx, task))]
        ctx.learn("solver", pairs, self.objective, self.updates)

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        return ranking(ctx, tasks)
