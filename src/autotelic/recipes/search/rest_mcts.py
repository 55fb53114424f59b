"""Trees of steps guided by a value model that learns from them: ReST-MCTS*."""

from collections.abc import Sequence
from functools import partial
from statistics import fmean

from pydantic import Field

from autotelic.episodes.tree import Node, TreeSearch, grow, step_values
from autotelic.learning.examples import example, written
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import NLL
from autotelic.policies.policy import Policy
from autotelic.recipes.base import Recipe, recipe
from autotelic.recipes.context import Context
from autotelic.types import Example, Metrics, Rollout, Task


class ValueModel:
    """A policy that says what a partial solution is worth by which of two reserved tokens it would write next: p(high) / (p(high) + p(low))."""

    def __init__(self, policy: Policy, high: str, low: str) -> None:
        self.policy = policy
        self.high, self.low = policy.tokenizer.encode(high)[0], policy.tokenizer.encode(low)[0]

    def __call__(self, rollouts: Sequence[Rollout]) -> list[float]:
        found = self.policy.next_logprobs([rollout.tokens for rollout in rollouts])
        return (found[:, self.high] - found[:, self.low]).sigmoid().tolist() if len(found) else []

    def lessons(self, rollout: Rollout, value: float) -> list[Example]:
        """What teaches it that value: each of the two tokens, weighted by its share. None for a solution that fills the context."""
        if len(rollout.tokens) >= self.policy.model.context:
            return []
        tokens = ((self.high, value), (self.low, 1 - value))
        return [written(f"{rollout.id}/{token}", rollout.tokens, [token], weight) for token, weight in tokens if weight > 0]


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

    def judge(self, ctx: Context, rollouts: Sequence[Rollout]) -> list[float]:
        """The values that guide the search."""
        return self.value(ctx)(rollouts) if self.guided else [0.5] * len(rollouts)

    async def round(self, ctx: Context) -> None:
        tasks = ctx.pool.draw(self.tasks_per_round)
        roots = await grow(ctx, "solver", tasks, lambda rollouts: self.judge(ctx, rollouts), self.search)
        model, solutions, lessons, right = self.value(ctx), [], [], []
        for task, root in zip(tasks, roots, strict=True):
            values = step_values(root, partial(self.right, ctx, task))
            right.append(any(values.values()))
            lessons += [
                lesson
                for node in root
                if node.parent and not node.rollout.truncated
                for lesson in model.lessons(node.rollout, values[node.rollout.id])
            ]
            solutions += self.solutions(ctx, task, root)
        ctx.log(**{"tree/right": fmean(right), "tree/nodes": fmean(len(list(root)) for root in roots)})
        ctx.learn("value", lessons, NLL(), self.value_updates)
        ctx.learn("solver", solutions, NLL(), self.updates)

    def right(self, ctx: Context, task: Task, node: Node) -> bool:
        """Whether a finished node has the right answer."""
        return ctx.world.verify(task, node.rollout.answer) == 1.0

    def solutions(self, ctx: Context, task: Task, root: Node) -> list[Example]:
        """Right solutions of a tree, the most valued first."""
        found = [node for node in root if node.finished and self.right(ctx, task, node)]
        return [example(node.rollout) for node in sorted(found, key=lambda node: -node.value)[: self.keep]]

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        """The tree's most valued solution, and the most valued of as many samples as the tree sampled tokens for."""
        some = tasks[: self.measured]
        if not some:
            return {}
        before = ctx.batcher.sampled
        roots = await grow(ctx, "solver", some, lambda rollouts: self.judge(ctx, rollouts), self.search)
        spent = ctx.batcher.sampled - before
        best = [max((node for node in root if node.finished), key=lambda node: node.value, default=None) for root in roots]
        before, groups = ctx.batcher.sampled, await ctx.sample("solver", some, n=1)
        n = max(1, round(spent / max(ctx.batcher.sampled - before, 1)))
        groups = await ctx.sample("solver", some, n=n)
        valued = [dict(zip(self.judge(ctx, group.rollouts), group.rollouts, strict=True)) for group in groups]
        return {
            "probe/tree/accuracy": fmean(
                ctx.world.verify(task, node.rollout.answer if node else None) for task, node in zip(some, best, strict=True)
            ),
            "probe/tree/best_of_n": fmean(ctx.world.verify(task, found[max(found)].answer) for task, found in zip(some, valued, strict=True)),
            "probe/tree/n": float(n),
        }
