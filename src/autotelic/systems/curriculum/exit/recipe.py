"""Past attempts as starting points: a buffer of histories from which single steps of improvement are trained: ExIt."""

from collections.abc import Sequence
from statistics import fmean, pvariance
from typing import ClassVar

from pydantic import Field, model_validator

from autotelic.episodes.accuracy import accuracy
from autotelic.learning.advantages import center
from autotelic.learning.objectives import PolicyGradient
from autotelic.measures.metrics import Metric
from autotelic.rewards.novelty import spread
from autotelic.rounds.context import Context
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.tasks.samplers import Learnability, Sampler, Shuffled
from autotelic.types import Group, Metrics, Rollout, Task, TurnKind


@recipe(
    name="exit", system="ExIt", paper="arXiv:2509.04575", family="curriculum", catalogue=(66,), proxy="rewards/correct/mean", needs_answers=True,
    model="chain-skills", tasks="chain",
)  # fmt: skip
class ExploratoryIteration(Recipe):
    """Trains one step at a time, from a fresh task or from a past attempt at one, and keeps the starting points that taught most.

    Formula: a history is a task and its last `shown` attempts; it is put to the solver as the prompt, the attempts, and `refine`. A share `replay` of
    the groups starts from histories of the pool, drawn in proportion to the variance of the rewards they last led to; a share `diverge` of these is told
    `apart`, and repeating the last attempt then earns nothing. One attempt of every group whose rewards differ becomes a history one step deeper, with
    its group's variance until it has its own; beyond `capacity` the lowest go. reward = correct (1 + bonus d), with d in [0, 1] how far a text lies from
    the centroid of its group (bigrams of characters); advantage: reward minus the group's mean.
    Ends: where all is solved or nothing is, no reward varies, no history is added, and only fresh tasks are drawn.
    Fails: where repeating an attempt is as good as any improvement on it, the policy learns to copy.
    Differs: no embedding model; `replay`, `diverge` and `capacity` are chosen here, the paper's own were not at hand. By default nothing diverges.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("buffer/size", "tasks", "past attempts to start from"),
        Metric("buffer/replayed", "share", "starts of the round that are past attempts"),
        Metric("buffer/depth", "attempts", "that the starts hold, mean"),
        Metric("probe/step {k}", "share", "accuracy on the probe at the k-th attempt in a row"),
        Metric("probe/improvement", "difference", "accuracy at the last attempt minus that at the first"),
    )

    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(8, ge=2)
    replay: float = Field(0.5, ge=0.0, le=1.0)
    """0: no buffer, single steps from fresh tasks only."""
    diverge: float = Field(0.0, ge=0.0, le=1.0)
    """Share of the histories that are told `apart`; 0 for a model, as the shipped base, that was taught no word for it but that for `refine`."""
    refine: str = Field("?", min_length=1)
    """What follows an attempt that is to be improved."""
    apart: str = Field("?", min_length=1)
    """What follows one from which the next is to differ."""
    bonus: float = Field(0.0, ge=0.0)
    shown: int = Field(1, ge=1)
    least: int = Field(16, ge=1)
    """Histories in the pool before any is drawn."""
    capacity: int = Field(256, ge=1)
    iterations: int = Field(8, ge=1)
    """Steps of the yardstick `probe/step`."""
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28)

    @model_validator(mode="after")
    def _worded(self) -> "ExploratoryIteration":
        if self.diverge and self.apart == self.refine:
            raise ValueError(
                f"diverge={self.diverge} needs another text than refine={self.refine!r} in apart: under one prompt a repeated right attempt would be paid "
                "in one group and not in another"
            )
        return self

    def setup(self, ctx: Context) -> None:
        checks.shown(ctx, "solver", refine=self.refine, apart=self.apart)

    def sampler(self) -> Sampler:
        return Shuffled(skip="depth")

    async def round(self, ctx: Context) -> None:
        kept, random = sum("depth" in task.tags for task in ctx.pool.tasks), ctx.random("starts")
        replayed = sum(random.random() < self.replay for _ in range(self.tasks_per_round)) if kept >= self.least else 0
        starts = ctx.pool.draw(replayed, Learnability("variance"))
        starts += ctx.pool.draw(self.tasks_per_round - len(starts))
        away = {task.id for task in starts if "depth" in task.tags and random.random() < self.diverge}
        groups = await self.attempt(ctx, starts, self.group_size, away)
        ctx.note(groups)
        for group in groups:
            right = [ctx.world.verify(group.task, rollout.answer) * (group.task.id not in away or differs(rollout)) for rollout in group]
            far = spread([rollout.text for rollout in group]) if self.bonus else [0.0] * len(group)
            group.reward(correct=right, diversity=[self.bonus * value * distance for value, distance in zip(right, far, strict=True)])
        ctx.learn("solver", center(groups), self.objective)
        self.keep(ctx, groups)
        depths = [task.tags.get("depth", 0) for task in starts] or [0]
        ctx.log(**{"buffer/size": kept, "buffer/replayed": fmean(map(bool, depths)), "buffer/depth": fmean(depths)})

    async def attempt(self, ctx: Context, starts: Sequence[Task], n: int, away: set[str]) -> list[Group]:
        """`n` single steps from every start."""
        groups: list[Group] = []
        for task in starts:
            root = ctx.begin("solver", task)
            for past in task.hidden.get("attempts", []):
                again = self.apart if task.id in away else self.refine
                ctx.observe(root, [*past, *ctx.turn("solver", task, again, past)])
            groups.append(Group(task, ctx.fork(root, n)))
        await ctx.extend("solver", [rollout for group in groups for rollout in group])
        return groups

    def keep(self, ctx: Context, groups: Sequence[Group]) -> None:
        """Note the variances of tried histories, add new ones, and drop those of least variance."""
        variances = {group.task.id: pvariance([rollout.rewards["correct"] for rollout in group]) for group in groups}
        ctx.pool.observe("variance", {group.task.id: variances[group.task.id] for group in groups if "depth" in group.task.tags})
        for group in groups if self.replay else ():
            child = self.history(ctx, ctx.random("child", group.task.id).choice(group.rollouts))
            if variances[group.task.id] > 0 and child is not None:
                ctx.pool.add([child], why="an attempt where attempts differ")
                ctx.pool.observe("variance", {child.id: variances[group.task.id]})
        histories = sorted((ctx.pool.stats[task.id]["variance"], task.id) for task in ctx.pool.tasks if "depth" in task.tags)
        ctx.pool.trim([name for _, name in histories], self.capacity, why="least variance")

    def history(self, ctx: Context, rollout: Rollout) -> Task | None:
        """The task as it stands after one more attempt; None where that was cut off or leaves no room for another."""
        if rollout.truncated or not rollout.actions:
            return None
        task = rollout.task
        attempts = [*task.hidden.get("attempts", []), attempted(rollout)][-self.shown :]
        turns = sum(len(ctx.turn("solver", task, text)) for text in (self.refine, self.apart))
        shown = sum(len(past) + turns for past in attempts)
        longest = len(ctx.prompt("solver", task)) + shown + self.sampling.max_tokens
        if longest > ctx.policies["solver"].model.context:
            return None
        tags = {name: value for name, value in task.tags.items() if name not in ("parents", "born")}
        return ctx.proposal(rollout, task.prompt, task.answer, {**task.hidden, "attempts": attempts}, **tags | {"depth": tags.get("depth", 0) + 1})

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        """Accuracy of the first to the last of `iterations` attempts, each from the one before, on the held-out tasks."""
        found: Metrics = {}
        for step in range(1, self.iterations + 1):
            rollouts = [group.rollouts[0] for group in await self.attempt(ctx, tasks, 1, set())]
            found[f"probe/step {step}"] = accuracy(ctx.world, tasks, [rollout.answer for rollout in rollouts])
            tasks = [self.history(ctx, rollout) or rollout.task for rollout in rollouts]
        return found | {"probe/improvement": found[f"probe/step {self.iterations}"] - found["probe/step 1"]}


def attempted(rollout: Rollout) -> list[int]:
    """The tokens of an attempt: of an answer, or of a play with what was shown in it."""
    first = next((place for place, turn in enumerate(rollout.turns) if turn.kind is TurnKind.ACTION), len(rollout.turns))
    return [token for turn in rollout.turns[first:] for token in turn.tokens]


def differs(rollout: Rollout) -> bool:
    """Whether the attempt is another than the last one it was shown."""
    attempts = rollout.task.hidden.get("attempts", [])
    return not attempts or attempted(rollout) != attempts[-1]
