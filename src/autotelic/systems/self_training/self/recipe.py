"""Answer, criticize, refine, keep what passes one's own check, train on it: SELF."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any, ClassVar

from pydantic import Field

from autotelic.bases.specs import BASES
from autotelic.episodes import teaching
from autotelic.errors import SettingError
from autotelic.learning.examples import under
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import NLL
from autotelic.measures.metrics import Metric
from autotelic.rewards.judges import judgements
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.tasks.english import words
from autotelic.tasks.language import FINE
from autotelic.types import Example, Metrics, Rollout, Sampling, Task, World
from autotelic.worlds import GeneratedWorld


@recipe(
    name="self",
    system="SELF",
    paper="arXiv:2310.00533",
    family="self-training",
    catalogue=(128,),
    proxy="label/kept",
    seeds="lessons of the skills by a teacher who errs as the base's did, on tasks of their own",
    model="chain-skills",
    tasks="chain-skills",
)
class SelfEvolution(Recipe):
    """The policy answers, criticizes and refines its answer, keeps what its own critique then passes, and is trained on that.

    Formula: kept = refined answers whose critique by the same policy finds nothing wrong; loss: mean negative log-likelihood of a kept answer behind the
    plain task (it was written under another prompt, so off-policy), and of `replay` seed lessons of the skills for every kept answer. An answer whose
    critique cannot be read stays as it is. Online refinement is measured too: probe/refined/accuracy is that of the refined greedy answer.
    Ends: no answer of a round passes its critique, and nothing is learned in it.
    Fails: by a lenient critic; label/kept rises and label/purity does not.
    Differs: the skills come with the base, so that the paper's first stage, in which a stronger model's data teach them, is left out. What is kept of these
    data are `seeds` lessons by `teacher`, the teacher of the base with its errors, on tasks of their own, never those of the pool or the probe; no answer
    to a task of the run is read. One refinement a round; `refine` and `check` off are the control arms.
    """

    skills: ClassVar[tuple[str, ...]] = ("critique", "refine")
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("probe/refined/accuracy", "share", "greedy accuracy on the probe after one refinement"),
        Metric("probe/critic/accuracy", "share", "critiques on the probe that tell a right answer from a wrong one"),
    )

    rounds: int = Field(6, ge=0)
    tasks_per_round: int = Field(256, ge=1)
    refine: bool = True
    check: bool = True
    replay: float = Field(0.5, ge=0.0)
    """Seed lessons for every kept answer; 0: none. A world of another language than the teacher's has none."""
    seeds: int = Field(512, ge=1)
    """How many seed lessons there are; they are drawn once."""
    teacher: str = BASES["chain-skills"].tasks
    """World whose teacher wrote the seed lessons, by default as the base was taught. Its solutions are those of a teacher who is unsure, not gold."""
    critiques: Sampling = Sampling(max_tokens=64, temperature=0.0)
    """How critics are sampled."""
    sampling: Sampling = Sampling(max_tokens=96)
    updates: Updates = Updates(batch_size=64, epochs=1)
    objective: NLL = NLL()

    def roles(self, world: World) -> dict[str, Role]:
        return {
            "solver": Role("solver", "solver", self.sampling, world.parse),
            "critic": Role("critic", "solver", self.critiques, world.skill("critique").read),
            "refiner": Role("refiner", "solver", self.sampling, world.skill("refine").read),
        }

    def setup(self, ctx: Context) -> None:
        critique, refine = (ctx.world.skill(name).ask for name in self.skills)
        asked = {
            "critic": [Task(task.id, critique(task.prompt, "")) for task in ctx.pool.tasks],
            "refiner": [Task(task.id, refine(task.prompt, "", FINE)) for task in ctx.pool.tasks],
        }
        checks.asked(ctx.policies["solver"], critique=words(critique("", "")), refine=words(refine("", "", FINE)))
        for role, tasks in asked.items():
            checks.answerable(ctx, role, tasks, "sampling.max_tokens", more=self.sampling.max_tokens)
        if self.replay:
            teaching.check(ctx.policies["solver"], self.lessons(ctx), self.teacher)

    async def round(self, ctx: Context) -> None:
        answers = await self.answer(ctx, ctx.pool.draw(self.tasks_per_round))
        final = await self.refined(ctx, answers) if self.refine else answers
        critiques = await self.criticize(ctx, final) if self.check else {}
        kept = [rollout for rollout in final if critiques.get(rollout.id, FINE) == FINE]
        ctx.log(**{"label/kept": len(kept) / max(len(answers), 1)})
        for rollout in kept:
            ctx.label(origin(rollout), rollout.answer)
        own = [under(rollout, ctx.prompt("solver", origin(rollout))) for rollout in kept]
        replayed, seeds = round(self.replay * len(own)), self.lessons(ctx) if self.replay and own else []
        again = ctx.random("lessons").choices(seeds, k=replayed) if replayed and seeds else []
        ctx.learn("solver", own + again, self.objective, self.updates)

    async def answer(self, ctx: Context, tasks: Sequence[Task], **sampling: Any) -> list[Rollout]:
        """One answer a task; those without one are left out."""
        groups = await ctx.sample("solver", tasks, n=1, **sampling)
        return [group.rollouts[0] for group in groups if group.rollouts[0].answer is not None]

    async def criticize(self, ctx: Context, rollouts: Sequence[Rollout]) -> dict[str, str | None]:
        """The policy's critique of each rollout, by its id; None where it cannot be read."""
        ask = ctx.world.skill("critique").ask
        groups = await judgements(ctx, "critic", rollouts, lambda rollout: ask(origin(rollout).prompt, rollout.text))
        return {rollout.id: group.answers[0] for rollout, group in zip(rollouts, groups, strict=True)}

    async def refined(self, ctx: Context, answers: Sequence[Rollout], **sampling: Any) -> list[Rollout]:
        """Answers with a critique that finds a fault are refined, and left out where the refinement has no answer; the others stay."""
        found = await self.criticize(ctx, answers)
        faulty = [rollout for rollout in answers if found[rollout.id] not in (FINE, None)]
        ask = ctx.world.skill("refine").ask
        tasks = [Task(f"of-{r.id}", ask(r.task.prompt, r.text, found[r.id]), hidden={"origin": r.task}) for r in faulty]
        mended = [group.rollouts[0] for group in await ctx.sample("refiner", tasks, n=1, **sampling)]
        return [rollout for rollout in answers if found[rollout.id] in (FINE, None)] + [rollout for rollout in mended if rollout.answer is not None]

    def lessons(self, ctx: Context) -> list[Example]:
        """The seed lessons, the same in every round; none where the teacher speaks another language than the world."""
        teacher = teaching.teacher(self.teacher)
        if not set(self.skills) <= set(teacher.taught_skills):
            raise SettingError(f"teacher = {self.teacher!r}: self needs a teacher of critiques and refinements, such as chain-skills")
        if teacher.skill("critique").ask != ctx.world.skill("critique").ask:
            return []
        return teaching.examples(ctx.policies["solver"], self.seed_lessons(teacher, ctx))

    def seed_lessons(self, teacher: GeneratedWorld[Any], ctx: Context) -> list[teaching.Taught]:
        """What the teacher says about tasks that are in the training split, and neither in the pool nor held out."""
        return teaching.apart(ctx, teacher, self.seeds, "seed lessons")

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        known = [task for task in tasks if task.answer is not None]
        if not known:
            return {}
        answers = await self.answer(ctx, known, temperature=0.0)
        final = await self.refined(ctx, answers, temperature=0.0)
        critiques = await self.criticize(ctx, answers)
        right = {rollout.id: ctx.world.verify(rollout.task, rollout.answer) for rollout in answers}
        return {
            "probe/refined/accuracy": sum(ctx.world.verify(origin(rollout), rollout.answer) for rollout in final) / len(known),
            "probe/critic/accuracy": fmean((critiques[name] == FINE) == bool(value) for name, value in right.items()) if right else 0.0,
        }


def origin(rollout: Rollout) -> Task:
    """The task that a rollout answers, which of a refinement is not the one it was put."""
    found: Task = rollout.task.hidden.get("origin", rollout.task)
    return found
