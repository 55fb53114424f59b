"""Trees of steps guided by a value model that learns from them: ReST-MCTS*."""

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from autotelic.engines.registry import Capability
from autotelic.episodes.accuracy import accuracy, best_of
from autotelic.episodes.tree import Node, TreeSearch, Value, grow, step_values
from autotelic.learning.examples import under
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import NLL
from autotelic.measures.metrics import Metric
from autotelic.rewards.token_scores import ValueModel
from autotelic.rounds.context import Context
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.systems.search.rest_mcts.way import TreeOfSteps
from autotelic.types import Example, Metrics, Rollout, Task, World


@recipe(
    name="rest-mcts",
    system="ReST-MCTS*",
    paper="arXiv:2406.03816",
    family="search",
    catalogue=(50,),
    proxy="tree/right",
    needs_answers=True,
    model="chain-weak",
)
class RestMCTS(Recipe):
    """Tree search finds right solutions; they train the policy, and how near each step was to one trains the value model that guides the search.

    Formula: value targets v_k = max(0, v_{k-1} + (1 - v_{k-1}) r_k / m_k), v_0 = 0, with r_k = 1 for a step that led to a right solution and -1 for
    one that led to wrong ones alone; m_k of a right step is the number of steps from it to the nearest right solution, itself included, and of a wrong
    step that of the last right step before it. Search: `select`, `grow` of `episodes.tree`. Policy data: right solutions of the trees, at most
    `keep` different ones a task, by likelihood.
    Ends: a tree without a right solution teaches nothing, neither the policy nor the value model, and a step from which no solution was finished has
    no value; `tree/right` is the share of trees with a right solution. Where all have none, no update is made.
    Fails: where ends are right by luck, wrong steps are valued, tree/right rises and the probe does not.
    Differs: in the search. Here an expansion visits every new child once, children are born with one visit, and the value at the end of a greedy
    completion, which goes to the end and joins the tree, is blended into the child's. In the published code an expansion is one visit; a child
    without a visit is selected by its value plus 1 and weighs nothing in the mean above it; and the largest value within three steps is blended in,
    of steps that are then forgotten. Here a tree ends at a finished solution of value `gate`; there, when training data are made, such a node is
    only not expanded any more. The value model is a second copy of the policy, untrained in the first round, which says a value by two tokens.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("tree/right", "share", "trees with a right solution"),
        Metric("tree/nodes", "nodes", "of a tree, mean"),
        Metric("probe/tree/accuracy", "share", "accuracy on the probe of the most valued leaf"),
        Metric("probe/tree/best_of_n", "share", "that of the most valued of n samples which cost as many tokens as the tree"),
        Metric("probe/tree/n", "samples", "that n"),
    )

    engine_needs: ClassVar[frozenset[Capability]] = frozenset({"stops", "weights"})

    rounds: int = Field(6, ge=0)
    tasks_per_round: int = Field(64, ge=1)
    search: TreeSearch = TreeSearch()
    guided: bool = True
    """Off, every partial solution is worth .5, as a control."""
    keep: int = Field(4, ge=1)
    high: str = "="
    low: str = "-"
    """The two tokens by which the value model says a value."""
    updates: Updates = Updates(batch_size=64, epochs=2)
    value_updates: Updates = Updates(batch_size=128, epochs=2)
    measured: int = Field(48, ge=0)
    """Held-out tasks that the tree search is measured on."""

    def policies(self) -> dict[str, str | None]:
        return {"value": None}

    def setup(self, ctx: Context) -> None:
        checks.written(ctx.policies["solver"], **{"search.step": self.search.step})
        checks.told_apart(ctx.policies["value"], high=self.high, low=self.low)

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
            found = right_ends(ctx.world, root)
            lessons += self.value(ctx).lessons(*valued(root, found))
            best = sorted(found, key=lambda node: -node.value)[: self.keep]
            solutions += [under(node.rollout, ctx.prompt("solver", node.rollout.task)) for node in best]
            right.append(bool(found))
        ctx.log(**{"tree/right": fmean(right), "tree/nodes": fmean(len(list(root)) for root in roots)})
        ctx.learn("value", lessons, NLL(), self.value_updates)
        ctx.learn("solver", solutions, NLL(), self.updates)

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        """The tree's most valued solution, and the most valued of as many samples as the tree sampled tokens for."""
        some = tasks[: self.measured]
        if not some:
            return {}
        before = ctx.meter.sampled
        ends = await TreeOfSteps(search=self.search).ends(ctx, some, self.judge(ctx))
        best, n = await best_of(ctx, "solver", some, self.judge(ctx), ctx.meter.sampled - before)
        return {
            "probe/tree/accuracy": accuracy(ctx.world, some, [end.answer if end else None for end in ends]),
            "probe/tree/best_of_n": accuracy(ctx.world, some, [rollout.answer for rollout in best]),
            "probe/tree/n": float(n),
        }


def right_ends(world: World, root: Node) -> list[Node]:
    """The right solutions of a tree."""
    return [node for node in root if node.finished and world.verify(node.rollout.task, node.rollout.answer) == 1.0]


def valued(root: Node, right: Sequence[Node]) -> tuple[dict[str, float], list[Rollout]]:
    """The value targets of a tree by rollout id, and the steps that have one."""
    values = step_values(root, right.__contains__)
    return values, [node.rollout for node in root if node.parent and node.rollout.id in values]
