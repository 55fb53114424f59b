"""Search over the steps of a solution. A node is a rollout that ends at a step boundary; its children go on from there by one step.

All trees grow in step with one another, so that every tree's next steps are sampled, and judged, in one batch. What the steps are worth is not
decided here: `value` is given.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf, log, sqrt
from typing import TYPE_CHECKING

from pydantic import Field

from autotelic.types import Rollout, Settings, StopReason, Task

if TYPE_CHECKING:
    from autotelic.rounds.context import Context

Value = Callable[[Sequence[Rollout]], list[float]]
"""What partial solutions are worth, each in [0, 1]."""


class TreeSearch(Settings):
    """Monte Carlo tree search guided by values: MCTS* of ReST-MCTS* (arXiv:2406.03816)."""

    iterations: int = Field(8, ge=1)
    """Expansions of every tree."""
    branching: int = Field(3, ge=1)
    """Steps sampled in an expansion; equal ones become one child."""
    step: str = ";"
    """What ends a step."""
    exploration: float = Field(0.7, ge=0.0)
    """c of V + c sqrt(2 ln N / n)."""
    blend: float = Field(0.5, ge=0.0, le=1.0)
    """Share of a node's own value where its greedy completion has been judged too."""
    gate: float = Field(0.9, ge=0.0)
    """A tree is done when it has a finished solution of at least this value."""


@dataclass(slots=True, eq=False)
class Node:
    """A partial solution; finished when the policy ended it."""

    rollout: Rollout
    parent: "Node | None" = None
    children: list["Node"] = field(default_factory=list)
    value: float = 0.0
    visits: int = 0
    expanded: bool = False
    """Whether steps from here have been sampled; a greedy completion may have passed through it without."""

    @property
    def ended(self) -> bool:
        """Whether it cannot be expanded: ended by the policy, or cut off."""
        return self.parent is not None and self.rollout.turns[-1].stop is not StopReason.STOP

    @property
    def finished(self) -> bool:
        """Whether it is a whole solution."""
        return self.parent is not None and self.rollout.turns[-1].stop is StopReason.END

    def __iter__(self) -> Iterator["Node"]:
        """This node and all below it, parents before children."""
        yield self
        for child in self.children:
            yield from child


def select(root: Node, exploration: float) -> Node | None:
    """The node to expand next, to which UCT leads; None when every node is expanded or ended."""
    node = root
    while node.expanded:
        parent = node
        ways = [child for child in node.children if any(not below.ended and not below.expanded for below in child)]
        if not ways:
            return None
        node = max(ways, key=lambda child: child.value + exploration * sqrt(2 * log(max(parent.visits, 1)) / max(child.visits, 1)))
    return node


def back_up(node: Node) -> None:
    """Count a visit of a new node, and make the value of every node above the visit-weighted mean of its children's."""
    above = node.parent
    while above is not None:
        above.visits += 1
        visits = sum(child.visits for child in above.children)
        above.value = sum(child.visits * child.value for child in above.children) / visits
        above = above.parent


async def grow(ctx: "Context", role: str, tasks: Sequence[Task], value: Value, search: TreeSearch) -> list[Node]:
    """A tree for every task, as its root. `ctx.count` counts trees without a finished leaf under tree/unfinished."""
    roots = [Node(ctx.begin(role, task), visits=1) for task in tasks]
    for _ in range(search.iterations):
        chosen = [select(root, search.exploration) for root in roots if not _done(root, search.gate)]
        nodes = [node for node in chosen if node is not None]
        if not nodes:
            break
        children = await _expand(ctx, role, nodes, value, search)
        best = [max(some, key=lambda child: child.value) for some in children if some]
        await _complete(ctx, role, [child for child in best if not child.ended], value, search)
        for child in (child for some in children for child in some):
            back_up(child)
    ctx.count("tree/unfinished", sum(not any(node.finished for node in root) for root in roots))
    return roots


def _done(root: Node, gate: float) -> bool:
    return any(node.finished and node.value >= gate for node in root)


async def _expand(ctx: "Context", role: str, nodes: Sequence[Node], value: Value, search: TreeSearch) -> list[list[Node]]:
    """The new children of every node, with their values."""
    forks = [ctx.fork(node.rollout, search.branching) for node in nodes]
    await ctx.extend(role, [fork for some in forks for fork in some], stop=(search.step,))
    added = []
    for node, some in zip(nodes, forks, strict=True):
        known = {child.rollout.turns[-1].text for child in node.children}
        fresh = {fork.turns[-1].text: fork for fork in some if fork.turns[-1].text not in known}
        added.append([Node(fork, node, visits=1) for fork in fresh.values()])
        node.children += added[-1]
        node.expanded = True
    children = [child for some in added for child in some]
    for child, found in zip(children, value([child.rollout for child in children]), strict=True):
        child.value = found
    return added


async def _complete(ctx: "Context", role: str, nodes: Sequence[Node], value: Value, search: TreeSearch) -> None:
    """Go on greedily from each node, step by step, to the end; the steps join the tree, and the value at the end goes into the node's own."""
    ends, added = list(nodes), []
    while live := [place for place, end in enumerate(ends) if not end.ended]:
        ahead = [ctx.fork(ends[place].rollout, 1)[0] for place in live]
        await ctx.extend(role, ahead, temperature=0.0, stop=(search.step,))
        for place, rollout in zip(live, ahead, strict=True):
            ends[place].children.append(child := Node(rollout, ends[place], visits=1))
            ends[place] = child
            added.append(child)
    for child, found in zip(added, value([child.rollout for child in added]), strict=True):
        child.value = found
    for node, end in zip(nodes, ends, strict=True):
        node.value = search.blend * node.value + (1 - search.blend) * end.value


def step_values(root: Node, right: Callable[[Node], bool]) -> dict[str, float]:
    """ReST-MCTS*'s targets by rollout id: v_k = max(0, v_{k-1} + (1 - v_{k-1}) r_k / m_k), v_0 = 0.

    r_k is 1 for a step from which a right solution was found and -1 for one from which only wrong ones were. m_k is the number of steps from this one
    to the nearest right solution, this one included; of a wrong step, the number from the last right step before it, that one included. Steps from
    which no solution was finished have no value, and a tree without a right solution has none at all: nothing is known of them.
    """
    distance: dict[Node, float] = {}
    ends: dict[Node, bool] = {}
    for node in reversed(list(root)):
        distance[node] = 1 if node.finished and right(node) else 1 + min((distance[child] for child in node.children), default=inf)
        ends[node] = node.finished or any(ends[child] for child in node.children)
    if distance[root] == inf:
        return {}
    values, steps = {root.rollout.id: 0.0}, {root: distance[root]}
    for node in (node for node in list(root)[1:] if ends[node]):
        assert node.parent is not None
        leads, before = distance[node] < inf, values[node.parent.rollout.id]
        steps[node] = distance[node] if leads else steps[node.parent]
        values[node.rollout.id] = max(0.0, before + (1 - before) * (1 if leads else -1) / steps[node])
    return values
