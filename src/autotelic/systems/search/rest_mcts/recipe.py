"""Trees of steps guided by a value model that learns from them: ReST-MCTS*."""

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from autotelic.episodes.accuracy import accuracy, best_of
from autotelic.episodes.tree import TreeSearch, Value, grow, step_values
from autotelic.learning.examples import example
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import NLL
from autotelic.measures.metrics import Metric
from autotelic.rewards.token_scores import ValueModel
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Example, Metrics, Task


@recipe(
    name="rest-mcts",
    system="ReST-MCTS*",
    paper="arXiv:2406.03816",
    family="search/test-time",
    catalogue=(50,),
    proxy="tree/right",
    needs_answers=True,
    model="chain-weak",
)
class RestMCTS(Recipe):
    """Tree search finds right solutions; they train the policy, and how near each step was to one trains the value model that guides the search.

    Value targets: v_k = max(0, v_{k-1} + (1 - v_{k-1}) r_k / m_k), with r_k = 1 for a step that led to a right solution and -1 for another, and m_k
    steps to the nearest right solution. Policy data: right solutions of the trees, at most `keep` distinct ones a task.
    Degenerate case: in a tree without a right solution every value is 0; `tree/right` is the share of the others. Fails where ends are right by luck: then
    wrong steps are valued, tree/right rises and the probe does not.
    Differs from the paper: a greedy completion goes to the end, not three steps, and joins the tree; the value model is a second copy of the policy, which is
    untrained in the first round, and says a value by two reserved tokens.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("tree/right", "share", "trees with a right solution"),
        Metric("tree/nodes", "nodes", "of a tree, mean"),
        Metric("probe/tree/accuracy", "share", "accuracy on the probe of the most valued leaf"),
        Metric("probe/tree/best_of_n", "share", "that of the most valued of n samples which cost as many tokens as the tree"),
        Metric("probe/tree/n", "samples", "that n"),
    )

    rounds: int = Field(6, ge=0)
    tasks_per_round: int = Field(64, ge=1)
    search: TreeSearch = TreeSearch()
    guided: bool = True
    """Off, every partial solution is worth .5."""
    keep: int = Field(4, ge=1)
    high: str = "="
    low: str = "-"
    updates: Updates = Updates(batch_size=64, epochs=2)
    value_updates: Updates = Updates(batch_size=128, epochs=2)
    measured: int = Field(48, ge=0)
    """Held-out tasks that the tree search is measured on."""

    def policies(self) -> dict[str, str | None]:
        return {"value": None}

    def value(self, ctx: Context) -> ValueModel:
        """The value model as it is."""
        return ValueModel(ctx.policies["value"], self.high, self.low)

    def judge(self, ctx: Context) -> Value:
        """What guides the search."""
        return self.value(ctx) if self.guided else lambda rollouts: [0.5] * len(rollouts)

    async def round(self, ctx: Context) -> None:
        tasks, lessons, solutions, right = ctx.pool.draw(self.tasks_per_round), list[Example](), list[Example](), list[bool]()
        roots = await grow(ctx, "solver", tasks, self.judge(ctx), self.search)
        for root in roots:
            found = [node for node in root if node.finished and ctx.world.verify(node.rollout.task, node.rollout.answer) == 1.0]
            values = step_values(root, found.__contains__)
            steps = [node.rollout for node in root if node.parent and not node.rollout.truncated]
            lessons += self.value(ctx).lessons(values, steps)
            solutions += [example(node.rollout) for node in sorted(found, key=lambda node: -node.value)[: self.keep]]
            right.append(bool(found))
        ctx.log(**{"tree/right": fmean(right), "tree/nodes": fmean(len(list(root)) for root in roots)})
        ctx.learn("value", lessons, NLL(), self.value_updates)
        ctx.learn("solver", solutions, NLL(), self.updates)

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        """The tree's most valued solution, and the most valued of as many samples as the tree sampled tokens for."""
        some = tasks[: self.measured]
        if not some:
            return {}
        before = ctx.batcher.sampled
        roots = await grow(ctx, "solver", some, self.judge(ctx), self.search)
        ends = [max((node for node in root if node.finished), key=lambda node: node.value, default=None) for root in roots]
        best, n = await best_of(ctx, "solver", some, self.judge(ctx), ctx.batcher.sampled - before)
        return {
            "probe/tree/accuracy": accuracy(ctx.world, some, [node.rollout.answer if node else None for node in ends]),
            "probe/tree/best_of_n": accuracy(ctx.world, some, [rollout.answer for rollout in best]),
            "probe/tree/n": float(n),
        }
