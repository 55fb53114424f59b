"""The tree search of ReST-MCTS* as a way of answering."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

from autotelic.engines.registry import Capability
from autotelic.episodes.tree import TreeSearch, Value, grow
from autotelic.rewards.confidence import logprobs_after_prompt
from autotelic.rounds.context import Context
from autotelic.systems import checks
from autotelic.systems.base import Way, way
from autotelic.types import Rollout, Task


@way(name="tree-search", system="MCTS* of ReST-MCTS*", paper="arXiv:2406.03816", family="search")
class TreeOfSteps(Way):
    """A tree of steps is grown from each task, guided by what partial solutions seem to be worth, and its most valued whole solution is the answer.

    Formula: `select`, `grow` of `episodes.tree`; the value of a partial solution is exp of the mean log-probability of its tokens, at temperature 1. In a
    run of `rest-mcts` it is what the trained value model says.
    Ends: a tree without a whole solution gives no answer; tree/unfinished counts them.
    Fails: by a value that is sure too early: the tree grows deep where it should spread. Then `guide=none` does as well, which is its ablation.
    Differs: no value model is trained beforehand, as the paper's is; see `rest-mcts` for what differs in the search.
    """

    engine_needs: ClassVar[frozenset[Capability]] = frozenset({"stops"})

    search: TreeSearch = TreeSearch(gate=1.0)
    guide: Literal["confidence", "none"] = "confidence"
    """What partial solutions are worth: the model's confidence in them, or .5 each."""

    @property
    def ablations(self) -> Mapping[str, Self]:
        return {} if self.guide == "none" else {"unguided": self.model_copy(update={"guide": "none"})}

    def setup(self, ctx: Context) -> None:
        checks.written(ctx.policies["solver"], **{"search.step": self.search.step})

    async def answer(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        ends = await self.ends(ctx, tasks, self.value(ctx))
        return [end or ctx.begin("solver", task) for end, task in zip(ends, tasks, strict=True)]

    def value(self, ctx: Context) -> Value:
        """What guides the search."""
        if self.guide == "none":
            return lambda rollouts: [0.5] * len(rollouts)
        return lambda rollouts: [float(found.mean().exp()) for found in logprobs_after_prompt(ctx.policies["solver"], rollouts)]

    async def ends(self, ctx: Context, tasks: Sequence[Task], value: Value) -> list[Rollout | None]:
        """The most valued whole solution of each task's tree; None of a tree without any."""
        roots = await grow(ctx, "solver", tasks, value, self.search)
        best = [max((node for node in root if node.finished), key=lambda node: node.value, default=None) for root in roots]
        return [None if node is None else node.rollout for node in best]
