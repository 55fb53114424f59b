"""What a recipe's round may use: the pool, the roles, the learners, streams and a place for state. Engines and files are out of its sight.

Its parts are `asking` (sampling, dialogues, plays), `weights` (learning, clones) and `notes` (metrics, groups, audits).
"""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any

from autotelic.learning.learner import Optimizer
from autotelic.policies.policy import Policy
from autotelic.rounds.held_out import HeldOut
from autotelic.rounds.roles import Role
from autotelic.rounds.sealed import SealedPool, sealed_world
from autotelic.rounds.weights import Weights
from autotelic.tasks.pool import TaskPool
from autotelic.types import Rollout, Sampling, Task, World

Episode = Callable[["Context", Task, int], Awaitable[list[Rollout]]]
"""How one task becomes rollouts: plain control flow around `Context.act`. The number tells the plays of a task apart."""


class Context(Weights):
    """One per run; `round` counts up from 1. Everything in `state`, the pool, the policies and the learners survives a restart."""

    def __init__(
        self,
        *,
        world: World,
        pool: TaskPool,
        policies: dict[str, Policy],
        roles: dict[str, Role],
        seed: int,
        optimizer: Optimizer,
        held_out: HeldOut | None = None,
        main: str = "solver",
    ) -> None:
        super().__init__(seed, next(iter(policies.values())).meter)
        self.policies, self.roles, self.endpoints = policies, roles, {}
        self.held_out = held_out or HeldOut()
        self.main = main
        """The policy whose metrics bear plain names: the one that is measured and handed over."""
        self.state: dict[str, Any] = {}
        """Plain JSON values of the recipe that must survive a restart: baselines, frontiers, schedules."""
        self.optimizer = optimizer
        self.optimizers = {}
        """Optimizers of policies that are not to use the recipe's; filled in `Recipe.setup`."""
        self.origins = {}
        """Which policy each clone descends from, of those that every run of the recipe begins with."""
        self.learners = {}
        self.rate = 1.0
        self._starts = {}
        self._learned = defaultdict(list)
        self._world, self._pool = world, pool
        self._sealed: World | None = None
        self._seeds = False

    @property
    def world(self) -> World:
        """Where tasks come from and what is true of them; without what is true inside `sealing`."""
        return self._sealed or self._world

    @world.setter
    def world(self, world: World) -> None:
        self._world = world

    @property
    def pool(self) -> TaskPool:
        """The tasks that the run draws from; without their gold answers inside `sealing`."""
        return SealedPool(self._pool, self._seeds) if self._sealed else self._pool

    @pool.setter
    def pool(self, pool: TaskPool) -> None:
        self._pool = pool

    @contextmanager
    def sealing(self, environment: bool = False, seeds: bool = False) -> Iterator[None]:
        """Inside, gold answers are out of reach (see `rounds.sealed`), but that `environment` lets the world verify and `seeds` opens labeled seeds."""
        self._sealed, self._seeds = sealed_world(self._world, environment), seeds
        try:
            yield
        finally:
            self._sealed = None
            self.open_notes()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What happens inside leaves no trace in the round, nor in `state`: for yardsticks."""
        state = deepcopy(self.state)
        with super().aside():
            yield
        self.state = state

    @contextmanager
    def sampling_as(self, role: str, change: Callable[[Sampling], Sampling]) -> Iterator[Role]:
        """Inside, a role samples otherwise: for probes with settings of their own."""
        own = self.role(role)
        self.roles[role] = replace(own, sampling=change(own.sampling))
        try:
            yield self.roles[role]
        finally:
            self.roles[role] = own

    def begin_round(self, number: int) -> None:
        """The loop's business: forget what belonged to the round before."""
        self.round = number
        self.groups, self.labels, self.metrics, self.trained_on = [], [], {}, {}
        self._monitors, self._drawn, self._learned = [], Counter(), defaultdict(list)
