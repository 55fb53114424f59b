"""Trees of steps whose right solutions train the policy. Run it with `autotelic run examples/tree.py`."""

from pydantic import Field

from autotelic.episodes.tree import TreeSearch, grow
from autotelic.learning.examples import example
from autotelic.learning.objectives import NLL
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe


@recipe(name="tree", system="tree search", paper="", family="search", needs_answers=True, model="chain-weak")
class Tree(Recipe):
    """Every partial solution is worth the same, so that the search spreads; right solutions are trained on."""

    rounds: int = Field(5, ge=0)
    tasks_per_round: int = Field(32, ge=1)
    search: TreeSearch = TreeSearch(iterations=6)

    async def round(self, ctx: Context) -> None:
        tasks = ctx.pool.draw(self.tasks_per_round)
        roots = await grow(ctx, "solver", tasks, lambda rollouts: [0.5] * len(rollouts), self.search)
        ended = [(task, node) for task, root in zip(tasks, roots, strict=True) for node in root if node.finished]
        ctx.learn("solver", [example(node.rollout) for task, node in ended if ctx.world.verify(task, node.rollout.answer)], NLL())
