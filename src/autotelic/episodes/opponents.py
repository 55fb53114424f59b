"""A pool of past checkpoints to play against, with ratings. Not the playing (`rounds.playing`).

Its state is plain JSON, meant for `ctx.state`; the weights are clones that the run saves. Ratings are Elo's: a player that scores as expected keeps
its own, and the expected score against one that is 400 points better is 1/11.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from autotelic.types import Rollout, Settings

if TYPE_CHECKING:
    from autotelic.rounds.context import Context

START = 1000.0
"""The rating of the first weights."""


class PoolSettings(Settings):
    """How a pool is filled and asked."""

    share: float = Field(0.0, ge=0.0, le=1.0)
    """Share of plays against a past checkpoint; the others are against the current weights."""
    choose: Literal["uniform", "rating"] = "uniform"
    """Which checkpoint: all equally likely, or in proportion to what it is expected to score against the current weights (AlphaStar's linear weights)."""
    every: int = Field(10, ge=1)
    """Rounds between checkpoints."""
    most: int = Field(8, ge=1)
    """Checkpoints that are kept; the oldest goes."""
    step: float = Field(4.0, gt=0)
    """Elo's K: how far a rating moves at most after one play."""


class OpponentPool:
    """Past checkpoints of one policy. Everything in `state` must be saved and put back with the run."""

    def __init__(self, settings: PoolSettings, state: dict[str, Any], role: str = "solver") -> None:
        """`state` is filled where it is empty; `role` is whose policy the checkpoints are of, and as whom they speak."""
        self.settings, self.state, self.role = settings, state, role
        state.setdefault("made", 0)
        state.setdefault("current", START)
        state.setdefault("past", {})

    @property
    def ratings(self) -> Mapping[str, float]:
        """Ratings of the checkpoints by name, oldest first."""
        return {name: entry["rating"] for name, entry in self.state["past"].items()}

    def add(self, ctx: "Context") -> str:
        """Keep a copy of the current weights, with their rating; returns its name. Drops the oldest above `most`."""
        name = f"opponent-{self.state['made']}"
        self.state["made"] += 1
        ctx.clone(ctx.role(self.role).policy, name)
        self.state["past"][name] = {"rating": self.state["current"], "plays": 0, "born": ctx.round}
        while len(self.state["past"]) > self.settings.most:
            self._forget(ctx, next(iter(self.state["past"])))
        return name

    def pick(self, ctx: "Context", random: Random) -> str:
        """The role of an opponent: `self.role` for the current weights, else that of a checkpoint.

        A checkpoint whose weights are gone is counted in `opponents/missing` and forgotten, and the current weights play in its place.
        """
        past = self.ratings
        if not past or random.random() >= self.settings.share:
            return self.role
        weights = [1.0 if self.settings.choose == "uniform" else 1 - expected(self.state["current"], rating) for rating in past.values()]
        name = random.choices(list(past), weights)[0]
        if name not in ctx.policies:
            ctx.count("opponents/missing")
            self._forget(ctx, name)
            return self.role
        if name not in ctx.roles:
            ctx.roles[name] = replace(ctx.role(self.role), name=name, policy=name)
        return name

    def settle(self, rollouts: Iterable[Rollout]) -> list[Rollout]:
        """After the plays: those rollouts that are the current weights' own. The checkpoints' are not trained on, and move the ratings."""
        own = []
        for rollout in rollouts:
            if (name := rollout.keys["role"]) == self.role:
                own.append(rollout)
                continue
            offender = rollout.keys["offender"]
            lost = (1 - rollout.rewards["outcome"]) / 2 if offender is None else float(offender == rollout.keys["seat"])
            self.record(name, lost)
            rollout.trained = False
            rollout.keys |= {"role": "opponent", "opponent": name}
        return own

    def record(self, name: str, score: float) -> None:
        """Move the ratings of the current weights and of a checkpoint after a play: `score` of the current ones is 1 won, 0.5 drawn, 0 lost."""
        if name not in self.state["past"]:
            return
        entry = self.state["past"][name]
        change = self.settings.step * (score - expected(self.state["current"], entry["rating"]))
        self.state["current"] += change
        entry["rating"] -= change
        entry["plays"] += 1

    def _forget(self, ctx: "Context", name: str) -> None:
        del self.state["past"][name]
        ctx.roles.pop(name, None)
        if name in ctx.policies:
            ctx.drop(name)


def expected(rating: float, other: float) -> float:
    """Elo's expected score against another rating: 1 / (1 + 10^((other - rating) / 400))."""
    return float(1 / (1 + 10 ** ((other - rating) / 400)))
