"""The policy writes the tasks, answers them, grades its answers, and learns from best against worst: Self-Rewarding Language Models."""

from collections.abc import Sequence
from typing import ClassVar, Self

from pydantic import Field, model_validator

from autotelic.learning.examples import example, pair
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import DPO
from autotelic.measures.bias import Judged, length_bias
from autotelic.measures.metrics import Metric
from autotelic.rewards.judges import judgements, mean_grade, pair_accuracy
from autotelic.rounds.context import Context
from autotelic.rounds.notes import Truth
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.systems.proposer_solver.posing import held_out, known_task, own
from autotelic.tasks.english import words
from autotelic.types import Example, Group, Metrics, Rollout, Sampling, Task, World


def best_and_worst(group: Group) -> tuple[Rollout, Rollout] | None:
    """The first of the highest and the first of the lowest graded rollouts; None where all graded ones have the same grade."""
    graded = [rollout for rollout in group if "grade" in rollout.rewards]
    best = max(graded, key=lambda rollout: rollout.rewards["grade"], default=None)
    worst = min(graded, key=lambda rollout: rollout.rewards["grade"], default=None)
    return None if best is None or worst is None or best.rewards["grade"] == worst.rewards["grade"] else (best, worst)


@recipe(
    name="self-rewarding",
    system="Self-Rewarding LM",
    paper="arXiv:2401.10020",
    family="self-rewarding",
    catalogue=(127,),
    proxy="rewards/grade/mean",
    model="chain-skills",
    tasks="chain-skills",
)
class SelfRewarding(Recipe):
    """The policy writes tasks, answers each several times, grades its own answers, and is trained on best against worst.

    Formula: grade = mean of `judgements` own gradings from 0 to 5; pair = (highest, lowest); loss: DPO against the weights at the start of the round, which
    also graded. Of its own tasks those that a probe may hold are left out, and counted.
    Ends: all answers of a task get the same grade, or none can be read, and the task gives no pair.
    Fails: by grading what it likes, not what is right; judge/pair_accuracy sinks towards .5 while rewards/grade/mean rises.
    Differs: the skills (answer, grade, write tasks) come with the base instead of being taught in a first stage. Two controls are not the paper's:
    `frozen_judge` keeps the weights of the run's start as the judge; `coin` grades by chance.
    """

    skills: ClassVar[tuple[str, ...]] = ("judge", "propose")
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("proposer/distinct", "share", "different tasks that the policy wrote and that can be put to it, over those asked for"),
    )

    rounds: int = Field(6, ge=0)
    tasks_per_round: int = Field(128, ge=1)
    own_tasks: bool = True
    """Tasks written by the policy instead of the pool's."""
    group_size: int = Field(4, ge=2)
    judgements: int = Field(3, ge=1)
    """Gradings of every answer."""
    frozen_judge: bool = False
    coin: bool = False
    """Grades by chance instead of judging: a control."""
    sampling: Sampling = Sampling(max_tokens=96, temperature=0.7)
    replies: Sampling = Sampling(max_tokens=64)
    """How the judge and the writer of tasks are sampled."""
    updates: Updates = Updates(batch_size=32, epochs=1)
    objective: DPO = DPO(beta=0.1)

    def policies(self) -> dict[str, str | None]:
        return {"start": None} if self.frozen_judge else {}

    def roles(self, world: World) -> dict[str, Role]:
        judge, propose = (world.skill(name) for name in self.skills)
        return {
            "solver": Role("solver", "solver", self.sampling, world.parse),
            "proposer": Role("proposer", "solver", self.replies, propose.read, only_read=True),
            "judge": Role("judge", "start" if self.frozen_judge else "solver", self.replies, judge.read, only_read=True),
        }

    @model_validator(mode="after")
    def _one_judge(self) -> Self:
        if self.coin and self.frozen_judge:
            raise ValueError("coin = true grades by chance: there is no judge that frozen_judge could keep")
        return self

    def setup(self, ctx: Context) -> None:
        judge, propose = (ctx.world.skill(name).ask for name in self.skills)
        if self.own_tasks:
            checks.answerable(ctx, "proposer", [Task("write", propose())], "model")
        if not self.coin:
            checks.asked(ctx.speaker("judge"), judge=words(judge("", "")))
            asked = [Task(task.id, judge(task.prompt, "")) for task in ctx.pool.tasks]
            checks.answerable(ctx, "judge", asked, "sampling.max_tokens", more=self.sampling.max_tokens)

    async def round(self, ctx: Context) -> None:
        tasks = await self.write_tasks(ctx) if self.own_tasks else ctx.pool.draw(self.tasks_per_round)
        groups = await ctx.sample("solver", tasks, n=self.group_size)
        await self.grade(ctx, groups)
        pairs: list[Example] = []
        for group in groups:
            if found := best_and_worst(group):
                pairs += pair(example(found[0]), example(found[1]))
        ctx.log(**{"label/kept": len(pairs) / 2 / max(len(groups), 1)})
        ctx.audit(lambda truth: self.accuracy(truth, groups, "judge/pair_accuracy") | leaning(truth, groups))
        ctx.learn("solver", pairs, self.objective, self.updates, reference=ctx.policies["solver"].clone("opponent"))

    async def write_tasks(self, ctx: Context) -> list[Task]:
        """Distinct tasks of the policy's own; what is none, or cannot be put to it, is counted."""
        written = (await ctx.sample("proposer", [Task("write", ctx.world.skill("propose").ask())], n=self.tasks_per_round))[0]
        known = {r.answer: (r, task) for r in written if r.answer is not None and (task := known_task(ctx.world, r.answer))}
        kept = [task for r, found in known.values() if ctx.fits("solver", task := own(ctx, r, found))]
        ctx.log(**{"proposer/unparsed": sum(a is None for a in written.answers), "proposer/distinct": len(kept) / self.tasks_per_round})
        allowed = [task for task in kept if not held_out(ctx.world, task)]
        ctx.count("proposals/held_out", len(kept) - len(allowed))
        return allowed

    async def grade(self, ctx: Context, groups: Sequence[Group]) -> None:
        """Write the mean grade on every rollout that ended and got one."""
        ended = {rollout.id: rollout for group in groups for rollout in group if rollout.answer is not None}
        if self.coin:
            for rollout in ended.values():
                rollout.rewards["grade"] = ctx.random("grade", rollout.id).random()
            return
        ask = ctx.world.skill("judge").ask
        for judged in await judgements(ctx, "judge", list(ended.values()), lambda r: ask(r.task.prompt, r.text), n=self.judgements):
            if (found := mean_grade(judged)) is not None:
                ended[judged.task.tags["parents"][0]].rewards["grade"] = found

    def accuracy(self, truth: Truth, groups: Sequence[Group], name: str) -> Metrics:
        """How often the judge puts a right answer above a wrong one, under a name; nothing where it never told two such apart, or nobody knows."""
        known = [group for group in groups if truth.verify(group.task, None) is not None]
        found = pair_accuracy(known, lambda rollout: rollout.rewards.get("grade"), lambda rollout: truth.verify(rollout.task, rollout.answer) or 0.0)
        return {} if found is None else {name: found}

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        known = [task for task in tasks if task.answer is not None]
        groups = await ctx.sample("solver", known, n=self.group_size)
        await self.grade(ctx, groups)
        return self.accuracy(Truth(ctx.world), groups, "probe/judge/pair_accuracy")


def leaning(truth: Truth, groups: Sequence[Group]) -> Metrics:
    """How far the judge grades length; nothing where no two answers tell."""
    graded = [(r, truth.verify(r.task, r.answer)) for group in groups for r in group if "grade" in r.rewards]
    found = length_bias(Judged(r.task.id, r.rewards["grade"], right, len(r.turns[-1].tokens)) for r, right in graded if right is not None)
    return {} if found is None else {"judge/length_bias": found}
