"""SOAR: a teacher is paid for how much better its problems make a student at problems that the student cannot solve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, ClassVar, Literal

from pydantic import Field

from autotelic.episodes.accuracy import greedy, greedy_accuracy
from autotelic.learning.advantages import against_others, leave_one_out
from autotelic.learning.learner import Optimizer
from autotelic.learning.objectives import PolicyGradient
from autotelic.measures.metrics import Metric
from autotelic.policies.policy import Snapshot
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.systems.proposer_solver.posing import SKILL, asked_for, held_out, labeled, log_proposals, posed, proposer, purity
from autotelic.types import Group, Rollout, Sampling, Task, World

Pay = Literal["gain", "learnability", "random"]


@dataclass(slots=True)
class Lessons:
    """One data set of the teacher: what it wrote, and the problems among it, labeled with its own answers."""

    rollouts: list[Rollout]
    problems: list[Task]


def gain(before: float, after: Sequence[float]) -> float:
    """A data set's worth: the mean accuracy of the students that it trained, minus that of the student they began as. 0 without a student."""
    return fmean(after) - before if after else 0.0


@recipe(
    name="soar", system="SOAR", paper="arXiv:2601.18778", family="proposer-solver", catalogue=(346,),
    proxy="teacher/gain", needs_answers=True, model="chain-skills", tasks="chain?ops=6",
)  # fmt: skip
class Soar(Recipe):
    """A teacher poses problems; a copy of the student trains on them for a moment; the teacher is paid with the copy's gain on hard tasks.

    Formula: a round has `tasks_per_round` data sets of `problems` problems that the teacher poses and answers. For each, `students` copies of the
    student make `steps` updates of RLOO on it, reward 1 for the teacher's answer. gain(set) = mean accuracy of its copies - accuracy of the student,
    greedily, on a sample of the hard tasks, whose answers are read and which are never trained on. Every problem of a set gets its gain as its
    reward, minus the mean gain of the other sets. When the mean gain of the last `window` rounds is above `threshold`, the best copy takes the
    student's place and the window begins anew.
    Ends: a set without a valid problem has gain 0 and trains no one (students/untrained). Where no task of the sample is ever solved, or all are, every
    gain is 0 and the teacher has no signal.
    Fails: by noise. The gains of a few steps on a few tasks are small beside their error, and a promotion picks the luckiest copy (watch student/hard,
    which is measured anew each round).
    Differs: from a paper whose details are recalled, not read. The teacher answers its problems in a second prompt, greedily, and only posing is
    trained. pay="learnability" pays 1 - |2 p - 1| for a problem that the student solves its way at rate p, and pay="random" pays at random, both as
    controls. Problems of the probe's split are not trained on.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("teacher/gain", "difference", "what students gain on hard tasks from a data set of the teacher's, mean over the data sets"),
        Metric("teacher/best", "difference", "gain from the best data set"),
        Metric("student/hard", "share", "greedy accuracy of the student on the hard tasks"),
        Metric("student/promoted", "0 or 1", "whether a copy took the student's place"),
        Metric("students/untrained", "data sets", "without a problem that can be trained on"),
    )

    skills: ClassVar[tuple[str, ...]] = (SKILL,)
    run_defaults: ClassVar[Mapping[str, Any]] = {"probe_size": 160, "probe_samples": 4, "pool_size": 512}

    rounds: int = Field(10, ge=0)
    tasks_per_round: int = Field(4, ge=2)
    """Data sets."""
    problems: int = Field(16, ge=1)
    """Problems of a data set."""
    students: int = Field(1, ge=1)
    """Copies that each data set trains; 4 or so in the paper."""
    steps: int = Field(8, ge=1)
    """Updates of a copy."""
    group_size: int = Field(8, ge=2)
    """Solutions to a problem in an update of a copy."""
    hard: int = Field(128, ge=1)
    """Hard tasks on which gains are measured, drawn anew each round."""
    threshold: float = Field(0.01, ge=-1.0, le=1.0)
    """Mean gain of the last `window` rounds above which the best copy takes the student's place."""
    window: int = Field(3, ge=1)
    pay: Pay = "gain"
    asks: str | None = None
    """What the teacher is shown; None: as the world's language asks for a problem."""
    asking: Sampling = Sampling(max_tokens=32)
    optimizer: Optimizer = Optimizer(learning_rate=1e-3)
    objective: PolicyGradient = PolicyGradient()

    def roles(self, world: World) -> dict[str, Role]:
        own = {name: Role(name, policy, self.sampling, world.parse) for name, policy in (("answerer", "teacher"), ("pupil", "pupil"))}
        return super().roles(world) | own | {"teacher": proposer("teacher", "teacher", self.asking, world)}

    def policies(self) -> Mapping[str, str | None]:
        return {"teacher": None, "pupil": None}

    @property
    def needed_skills(self) -> tuple[str, ...]:
        return self.skills if self.asks is None else ()

    def setup(self, ctx: Context) -> None:
        checks.answerable(ctx, "teacher", [Task("asks", asked_for(ctx.world, self.asks))], "asks")

    async def round(self, ctx: Context) -> None:
        hard = ctx.pool.draw(self.hard)
        before = await greedy_accuracy(ctx, "solver", hard)
        sets, gains, trained = await self.taught(ctx), [], []
        for lessons in sets:
            pupils = [await self.trial(ctx, lessons, hard) for _ in range(self.students if lessons.problems else 0)]
            ctx.count("students/untrained", not pupils)
            gains.append(gain(before, [score for score, _ in pupils]))
            trained += pupils
        await self.credit(ctx, sets, gains)
        ctx.learn("teacher", [rollout for lessons in sets for rollout in lessons.rollouts], self.objective)
        recent = [*ctx.state.get("gains", []), fmean(gains)][-self.window :]
        promoted = bool(trained) and len(recent) == self.window and fmean(recent) > self.threshold
        if promoted:
            ctx.policies["solver"].restore(max(trained, key=lambda pupil: pupil[0])[1])
        ctx.state["gains"] = [] if promoted else recent
        ctx.log(**{"teacher/gain": fmean(gains), "teacher/best": max(gains), "student/hard": before, "student/promoted": promoted})

    async def taught(self, ctx: Context) -> list[Lessons]:
        """The teacher's data sets of this round, with its own answers."""
        asks = asked_for(ctx.world, self.asks)
        groups = await ctx.sample("teacher", [Task(f"ask-{i}", asks) for i in range(self.tasks_per_round)], n=self.problems)
        tasks = list(posed(ctx, [rollout for group in groups for rollout in group], "pupil").values())
        labels = dict(zip((task.id for task in tasks), await greedy(ctx, "answerer", tasks), strict=True))
        log_proposals(ctx, tasks)
        kept = {task.tags["parents"][0]: task for task in labeled(tasks, labels) if not held_out(ctx.world, task)}
        purity(ctx, list(kept.values()))
        return [Lessons(group.rollouts, [kept[rollout.id] for rollout in group if rollout.id in kept]) for group in groups]

    async def trial(self, ctx: Context, lessons: Lessons, hard: Sequence[Task]) -> tuple[float, Snapshot]:
        """Train a copy of the student on a data set: its accuracy on the hard tasks, and its weights."""
        pupil = ctx.clone("solver", "pupil")
        for _ in range(self.steps):
            groups = await ctx.sample("pupil", lessons.problems, n=self.group_size, note=False)
            for group in groups:
                group.reward(correct=[answer == group.task.hidden["label"] for answer in group.answers])
            ctx.learn("pupil", leave_one_out(groups), self.objective)
        return await greedy_accuracy(ctx, "pupil", hard), pupil.snapshot()

    async def credit(self, ctx: Context, sets: Sequence[Lessons], gains: Sequence[float]) -> None:
        """The teacher's rewards and advantages: each set's gain against the others', or each problem's pay against all others' in the controls."""
        for lessons, value, advantage in zip(sets, gains, against_others(gains), strict=True):
            for rollout in lessons.rollouts:
                rollout.rewards["gain"], rollout.advantage = value, advantage
        if self.pay == "gain":
            return
        rates: dict[str, float] = {}
        if self.pay == "learnability":
            for group in await ctx.sample("solver", [task for lessons in sets for task in lessons.problems], n=self.group_size, note=False):
                rates[group.task.tags["parents"][0]] = fmean(answer == group.task.hidden["label"] for answer in group.answers)
        rollouts = [rollout for lessons in sets for rollout in lessons.rollouts]
        for rollout in rollouts:
            p = rates.get(rollout.id, 0.0)
            rollout.rewards[self.pay] = 1 - abs(2 * p - 1) if self.pay == "learnability" else ctx.random("pay", rollout.id).random()
        leave_one_out([Group(rollouts[0].task, rollouts)], weights={self.pay: 1.0})
