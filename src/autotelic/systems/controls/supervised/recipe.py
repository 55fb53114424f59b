"""Supervised training on gold completions of the same tasks: what labels would buy without sampling."""

from pydantic import Field

from autotelic.learning.learner import Updates
from autotelic.learning.objectives import NLL
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe


@recipe(name="supervised", system="supervised on gold", paper="", family="controls", needs_answers=True)
class Supervised(Recipe):
    """Gold completions are the targets: the upper arm of every comparison with label-free methods.

    Formula: loss: mean negative log-likelihood of the tokens of the world's own solution.
    Ends: there are none; every task that is drawn gives its solution as a target.
    Fails: by learning solutions by heart, where the pool is small for so many updates.
    Differs: from no paper; the solutions are the world's own, and all written in one way.
    """

    tasks_per_round: int = Field(128, ge=1)
    updates: Updates = Updates(batch_size=32, epochs=1)
    objective: NLL = NLL()

    @property
    def trains_on_gold(self) -> bool:
        return True

    async def round(self, ctx: Context) -> None:
        tasks = ctx.pool.draw(self.tasks_per_round)
        targets = [ctx.taught("solver", task, ctx.world.gold(task)) for task in tasks]
        ctx.learn("solver", targets, self.objective, self.updates)
