"""Which tasks a draw takes. A sampler's state is saved with the run."""

from collections.abc import Sequence
from random import Random
from typing import Any, Protocol


class Sampler(Protocol):
    """Picks ids from a pool. `state` is plain JSON; a sampler without state keeps it empty."""

    state: dict[str, Any]

    def pick(self, ids: Sequence[str], count: int, random: Random) -> list[str]:
        """`count` of `ids`, which are in order of birth; fewer if the pool is smaller."""


class Shuffled:
    """Every task once before any comes again, in a fresh order each time round: what a data loader does."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {"ahead": []}

    def pick(self, ids: Sequence[str], count: int, random: Random) -> list[str]:
        count = min(count, len(ids))
        present = set(ids)
        ahead = [name for name in self.state["ahead"] if name in present]
        picked, ahead = ahead[:count], ahead[count:]
        if len(picked) < count:
            fresh = list(ids)
            random.shuffle(fresh)
            first = [name for name in fresh if name not in picked][: count - len(picked)]
            picked, ahead = picked + first, [name for name in fresh if name not in first]
        self.state["ahead"] = ahead
        return picked


class Newest:
    """Uniform over the `window` youngest tasks."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.state: dict[str, Any] = {}

    def pick(self, ids: Sequence[str], count: int, random: Random) -> list[str]:
        window = list(ids[-self.window :])
        return random.sample(window, min(count, len(window)))
