"""Self-play of zero-sum games with a baseline by role: SPIRAL."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from autotelic.episodes.opponents import OpponentPool, PoolSettings
from autotelic.episodes.yardsticks import exact, probe_games
from autotelic.errors import SettingError
from autotelic.learning.advantages import MovingAverage
from autotelic.learning.examples import as_examples, merged
from autotelic.learning.learner import Optimizer, Updates
from autotelic.learning.objectives import PolicyGradient
from autotelic.measures.metrics import Metric
from autotelic.measures.probe import ProbeResult
from autotelic.rounds.context import Context
from autotelic.rounds.playing import Rules, Seat, self_play
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Metrics, Rollout, Sampling, Task, World
from autotelic.worlds.games import OPPONENTS, Games


@recipe(
    name="spiral", system="SPIRAL", paper="arXiv:2506.24119", family="self-play", catalogue=(37,), model="games", tasks="games?play=kuhn"
)  # fmt: skip
class Spiral(Recipe):
    """One policy plays every seat of a game against itself, or against its past.

    Formula: advantage(rollout) = reward - b[game, seat], then b <- .95 b + .05 reward, with b = 0 at first. Rewards are the outcomes of the game;
    after an illegal move -1.5 for the player who made it and .5 for the others. Clipped policy gradient, two updates a round.
    Ends: a rollout whose advantage is exactly 0 is dropped (`drop_zero`). A draw, whose reward is 0, is trained on as soon as the baseline of its
    seat is not 0. Where all plays of a seat always end alike, b comes to that reward and nothing more is learned.
    Fails: play goes round in circles, because the policy it plays against moves with it. In Kuhn poker it comes to bet always and from there to
    other moves that are certain. Its own outcomes, 0 on average, cannot show that; probe/nashconv does. A remedy that is not in the paper is
    objective.kl with `refresh` and a falling rate. A small coefficient (in units of reward) needs few refreshes and quiet updates, a large one many
    (docs/games.md).
    Differs: a rollout is a player's whole play, in the paper one turn; baselines are saved with the run, in the published code each of 8
    processes has its own and loses it at a restart; reasoning before a move is not asked for.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("opponents/rating", "points", "Elo rating of the current weights among their past ones"),
        Metric("opponents/count", "checkpoints", "that are opponents"),
    )

    run_defaults: ClassVar[Mapping[str, Any]] = {"probe_every": 5, "gate": {"min_distinct": 0.0}}
    """Good play repeats itself, so few different plays do not mean collapse."""

    rounds: int = Field(100, ge=0)
    optimizer: Optimizer = Optimizer(learning_rate=1e-3)
    sampling: Sampling = Sampling(max_tokens=6)
    """Of one move."""
    tasks_per_round: int = Field(128, ge=1)
    group_size: int = Field(1, ge=1)
    """Plays of each task, which then share what chance decides."""
    rules: Rules = Rules()
    baseline: Literal["role", "game", "shown", "none"] = "role"
    """By game and seat; by game, as a group's mean is in prime-rl before its role-conditioned one; by what the player was first shown, such as its
    card; or 0."""
    decay: float = Field(0.95, ge=0.0, le=1.0)
    drop_zero: bool = True
    """Train on no rollout whose advantage is exactly 0. Switch it off where a KL term is to hold those too."""
    opponents: PoolSettings = PoolSettings()
    refresh: int = Field(0, ge=0)
    """Rounds after which the reference of the KL term becomes a copy of the current weights; 0: it stays what the run began with. Needs objective.kl."""
    final_rate: float = Field(1.0, ge=0.0)
    """The learning rate of the last round as a multiple of the first's; it moves linearly."""
    epochs: int = Field(2, ge=1)
    """Updates on each round's plays. Equal plays are trained on as one, which from the second update on clips them together."""
    objective: PolicyGradient = PolicyGradient(kl_estimator="k2")

    @model_validator(mode="after")
    def _reference(self) -> "Spiral":
        if self.refresh and not self.objective.kl:
            raise ValueError("refresh renews the reference of the KL term, and objective.kl is 0")
        return self

    def setup(self, ctx: Context) -> None:
        if self.refresh:
            ctx.clone("solver", "reference")
        if any(name != "kuhn" and name not in OPPONENTS for name in games(ctx.world).names):
            ctx.clone("solver", "first")
            ctx.roles["first"] = replace(ctx.role("solver"), name="first", policy="first")

    async def round(self, ctx: Context) -> None:
        pool = OpponentPool(self.opponents, ctx.state.setdefault("opponents", {}))
        if self.opponents.share and (ctx.round - 1) % self.opponents.every == 0:
            pool.add(ctx)
        if self.refresh and ctx.round > 1 and (ctx.round - 1) % self.refresh == 0:
            ctx.policies["reference"].restore(ctx.policies["solver"].snapshot())

        async def episode(ctx: Context, task: Task, index: int) -> list[Rollout]:
            env, random = games(ctx.world).open(task), ctx.random("seats", task.id, index)
            other = pool.pick(ctx, random)
            seats: list[Seat] = ["solver"] * env.players
            seats[random.randrange(env.players)] = other
            return await self_play(ctx, task, index, env, seats, self.rules)

        groups = await ctx.play(episode, ctx.pool.draw(self.tasks_per_round), self.group_size)
        own = pool.settle(rollout for group in groups for rollout in group)
        self.credit(ctx, own)
        examples = merged(as_examples(own), "token" if self.objective.aggregation == "token" else "sequence")
        reference = ctx.policies["reference"] if self.refresh else None
        ctx.learn("solver", examples, self.objective, Updates(epochs=self.epochs, rate=(self.rate(ctx.round),) * 2), reference)
        ctx.log(**{"opponents/rating": pool.state["current"], "opponents/count": len(pool.ratings)} if self.opponents.share else {})

    def credit(self, ctx: Context, rollouts: Sequence[Rollout]) -> None:
        """Role-conditioned advantages, in order of the rollouts, and which rollouts are trained on. A baseline that never decays stays at 0."""
        average = MovingAverage(1.0 if self.baseline == "none" else self.decay)
        average.state = ctx.state.setdefault("baselines", {})
        average(rollouts, key=self.compared)
        for rollout in rollouts:
            rollout.trained = not (self.drop_zero and rollout.advantage == 0)

    def compared(self, rollout: Rollout) -> tuple[str, object]:
        """What shares a baseline with a rollout."""
        by = {"role": rollout.keys["seat"], "shown": rollout.task.prompt}
        return rollout.keys["game"], by.get(self.baseline, "any")

    def rate(self, number: int) -> float:
        """The multiple of the learning rate in a round."""
        return 1 + (self.final_rate - 1) * min(1.0, (number - 1) / max(self.rounds - 1, 1))

    async def ask(self, ctx: Context, tasks: Sequence[Task]) -> ProbeResult:
        return await probe_games(ctx, "solver", games(ctx.world), tasks, first="first" if "first" in ctx.policies else None)

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        return exact(ctx, "solver", games(ctx.world))


def games(world: World) -> Games:
    """The world, if plays are its tasks. Raises SettingError for another."""
    if not isinstance(world, Games):
        raise SettingError(f"games are played here, not tasks of {world.name!r}; try --tasks 'games?play=kuhn'")
    return world
