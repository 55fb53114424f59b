"""Strategist (arXiv:2408.10635) without its language model: a library of strategies that ideas change, and a bandit that chooses among ideas."""

from collections.abc import Mapping, Sequence
from functools import cache
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems.search.strategist.evolving import Search, evolve
from autotelic.systems.search.strategist.gops import Strategy, bid, expected, match
from autotelic.systems.study import Study, Trial
from autotelic.types import Metrics, Task, World


class Strategist(Trial):
    """Strategies for a small game of bids are changed idea by idea. The model and the tasks of the trial are opened and not asked anything."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("strategist/margin", "points", "exact mean difference of the best strategy by its score against bids at random", low=-15.0, high=15.0),
        Metric("strategist/match", "points", "the same against a player who bids the prize", low=-15.0, high=15.0),
    )

    model: str = "chain-medium"
    tasks: str = "chain"
    count: int = Field(1, ge=1)
    search: Search = "bandit"
    """How it is searched: by a bandit over ideas, by random ideas to the best strategy, to the newest, or to one of the best three."""
    cycles: int = Field(40, ge=1)
    """Strategies that are made."""
    games: int = Field(24, ge=1)
    """Plays by which one is scored."""
    temperature: float = Field(1.0, gt=0.0)
    """At which the bandit draws."""
    explore: float = Field(1.0, ge=0.0)
    """Its bonus for ideas that were seldom tried."""
    libraries: int = Field(8, ge=1)
    """Independent libraries, of which means are taken."""

    def roles(self, world: World) -> Mapping[str, Role]:
        return {"solver": Role("solver", "solver", self.sampling, world.parse)}

    async def steps(self, ctx: Context, tasks: Sequence[Task]) -> list[Metrics]:
        runs = [
            evolve(self.search, self.cycles, self.games, self.temperature, self.explore, ctx.random("library", number))
            for number in range(self.libraries)
        ]
        worth = [[exact(strategy) for strategy in found] for found in zip(*runs, strict=True)]
        return [{name: fmean(one[name] for one in found) for name in found[0]} for found in worth]


@cache
def exact(strategy: Strategy) -> Metrics:
    """What a strategy is worth."""
    mine = bid(strategy)
    return {"strategist/margin": expected(mine), "strategist/match": expected(mine, match)}


STUDY = Study(
    system="strategist",
    catalogue=(214,),
    paper="arXiv:2408.10635",
    trial=Strategist,
    claim="A library of strategies gets better faster where a bandit reuses the ideas that helped before than where ideas are drawn at random, at as many games.",
    quantities={"strategist/margin": "up", "strategist/match": "shown"},
    arms={"bandit": {}, "random ideas": {"search": "random"}, "line": {"search": "line"}, "beam": {"search": "beam"}},
    control="random ideas",
)
