"""A library of strategies that evolves by ideas: which strategy is changed, by which idea, and what was gained. No model writes either."""

import random
from dataclasses import dataclass, field
from math import exp, inf, log, sqrt
from statistics import fmean
from typing import Literal

from autotelic.systems.search.strategist.gops import FEATURES, Strategy, bid, played

Idea = tuple[int, float]
"""A weight, and what is added to it."""
Search = Literal["bandit", "random", "line", "beam"]
IDEAS: tuple[Idea, ...] = tuple((place, change) for place in range(FEATURES) for change in (-0.5, 0.5))
BEAM = 3


@dataclass
class Library:
    """Strategies with their scores, in the order in which they came, and what ideas gained each time that they were tried."""

    strategies: list[tuple[Strategy, float]]
    gains: dict[Idea, list[float]] = field(default_factory=lambda: {idea: [] for idea in IDEAS})

    @property
    def best(self) -> tuple[Strategy, float]:
        """That of the highest score, of equals the first."""
        return max(self.strategies, key=lambda one: one[1])

    def weights(self, temperature: float, explore: float) -> list[float]:
        """How likely each idea is drawn: the softmax of its mean gain with a bonus for what was seldom tried; only those never tried, where there are any."""
        tried = sum(map(len, self.gains.values()))
        bounds = [fmean(gains) + explore * sqrt(log(tried) / len(gains)) if gains else inf for gains in self.gains.values()]
        if inf in bounds:
            return [float(bound == inf) for bound in bounds]
        return [exp((bound - max(bounds)) / temperature) for bound in bounds]


def evolve(search: Search, cycles: int, games: int, temperature: float, explore: float, rng: random.Random) -> list[Strategy]:
    """The best strategy by its score before the first cycle and after each. A cycle makes one strategy and plays it `games` times."""
    start: Strategy = (0.0,) * FEATURES
    library = Library([(start, score(start, games, rng))])
    found = [start]
    for _ in range(cycles):
        old, before = parent(library, search, rng)
        (idea,) = rng.choices(IDEAS, library.weights(temperature, explore) if search == "bandit" else None)
        new = changed(old, idea)
        library.strategies.append((new, after := score(new, games, rng)))
        library.gains[idea].append(after - before)
        found.append(library.best[0])
    return found


def parent(library: Library, search: Search, rng: random.Random) -> tuple[Strategy, float]:
    """The strategy that is changed: of a line the newest, of a beam one of the best few, else the best."""
    if search == "line":
        return library.strategies[-1]
    if search == "beam":
        return rng.choice(sorted(library.strategies, key=lambda one: -one[1])[:BEAM])
    return library.best


def changed(strategy: Strategy, idea: Idea) -> Strategy:
    """A strategy with an idea carried out."""
    place, change = idea
    return tuple(weight + change * (place == at) for at, weight in enumerate(strategy))


def score(strategy: Strategy, games: int, rng: random.Random) -> float:
    """The mean difference of some plays against an opponent who bids at random."""
    mine = bid(strategy)
    return fmean(played(mine, rng) for _ in range(games))
