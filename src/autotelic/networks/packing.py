"""Rows of a padded batch laid end to end: no padding, and a prompt that several rows share laid down once. Knows nothing of networks."""

from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor

WORTH = 0.25
"""Rows with different prompts that begin alike are one tree where that saves at least this share of the tokens."""

Trees = dict[tuple[int, ...], list[tuple[int, list[int]]]]
"""By what a root holds: the rows that continue it, each with the rest of its tokens."""


@dataclass(slots=True)
class Packed:
    """N tokens in S segments. A tree of segments is a root and its children, which continue it; a row that shares no prompt is a root alone."""

    tokens: Tensor
    """(N,) int64."""
    positions: Tensor
    """(N,) int64: each token's place in its row."""
    starts: Tensor
    """(S + 1,) int64 on the CPU: the first token of each segment, and N."""
    tree_at: Tensor
    """(trees + 1,) int64 on the CPU: the first segment of each tree, which is its root, and S."""
    sources: Tensor
    """(M,) int64: for each wanted place of the batch, in its order, the packed token whose hidden state predicts it."""
    longest: int
    """Most tokens of a root and one of its children together."""

    @property
    def roots(self) -> Tensor:
        """(S,) int64: the root of the tree that each segment is in."""
        return torch.repeat_interleave(self.tree_at[:-1], self.tree_at.diff())

    @property
    def children(self) -> Tensor:
        """(S,) bool: whether a segment is no root."""
        return torch.arange(len(self.starts) - 1) != self.roots


def pack(tokens: Tensor, wanted: Tensor) -> Packed:
    """Pack rows (B, T) int64 for predicting the tokens after the places `wanted` (B, T - 1) bool.

    What comes after a row's last wanted place is left out. Rows are in one tree when what precedes their first wanted token is equal, or all of
    them where that saves much, as with prompts that hold the same worked examples.
    """
    trees: Trees = {}
    for row, (ids, places) in enumerate(zip(tokens.tolist(), wanted.tolist(), strict=True)):
        if True in places:
            end = len(places) - places[::-1].index(True)
            first = places.index(True) + 1
            trees.setdefault(tuple(ids[:first]), []).append((row, ids[first:end]))
    trees = _joined(trees)
    laid: list[int] = []
    positions: list[int] = []
    starts: list[int] = []
    tree_at: list[int] = []
    root_length = [0] * len(tokens)
    root_start = [0] * len(tokens)
    child_start = [0] * len(tokens)

    def lay(ids: list[int], first: int) -> int:
        starts.append(len(laid))
        laid.extend(ids)
        positions.extend(range(first, first + len(ids)))
        return starts[-1]

    for prompt, members in trees.items():
        tree_at.append(len(starts))
        whole = [*prompt, *members[0][1]] if len(members) == 1 else list(prompt)
        start = lay(whole, 0)
        for row, rest in members:
            root_start[row], root_length[row] = start, len(whole)
            if rest and len(members) > 1:
                child_start[row] = lay(rest, len(prompt))
    rows, places_ = wanted.nonzero(as_tuple=True)
    device = tokens.device
    length, root, child = (torch.tensor(values, device=device)[rows] for values in (root_length, root_start, child_start))
    return Packed(
        tokens=torch.tensor(laid, dtype=torch.int64, device=device),
        positions=torch.tensor(positions, dtype=torch.int64, device=device),
        starts=torch.tensor([*starts, len(laid)]),
        tree_at=torch.tensor([*tree_at, len(starts)]),
        sources=torch.where(places_ < length, root + places_, child + places_ - length),
        longest=max(positions, default=-1) + 1,
    )


def _joined(trees: Trees) -> Trees:
    """These as one tree whose root is what all begin with, where that is worth it."""
    if len(trees) < 2:
        return trees
    root = tuple(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(min(trees), max(trees), strict=False)))
    together = {root: [(row, [*prompt[len(root) :], *rest]) for prompt, members in trees.items() for row, rest in members]}
    return together if _size(together) <= (1 - WORTH) * _size(trees) else trees


def _size(trees: Trees) -> int:
    """Tokens that are laid down."""
    return sum(len(root) + sum(len(rest) for _, rest in members) for root, members in trees.items())
