"""Answer, criticize, refine, keep what passes one's own check, train on it: SELF."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any, ClassVar

from pydantic import Field

from autotelic.bases.making import lesson_example
from autotelic.learning.examples import under
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import NLL
from autotelic.measures.metrics import Metric
from autotelic.rewards.judges import judgements
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Example, Metrics, Rollout, Sampling, Task, World
from autotelic.worlds.chain_skills import FINE, ChainSkills, criticizing, index, refining


@recipe(
    name="self",
    system="SELF",
    paper="arXiv:2310.00533",
    family="self-training",
    catalogue=(128,),
    proxy="label/kept",
    needs_answers=True,
    model="chain-skills",
    tasks="chain-skills",
)
class SelfEvolution(Recipe):
    """The policy answers, criticizes and refines its answer, keeps what its own critique then passes, and is trained on that.

    Kept: refined answers whose critique by the same policy finds nothing wrong; loss: mean negative log-likelihood of the refined answer to the plain task
    (it was written under another prompt, so off-policy), beside `replay` lessons of the skills for every kept answer.
    Degenerate case: nothing passes, and the round trains on the lessons alone. Fails by a lenient critic: label/kept rises and label/purity does not.
    Online refinement is measured too: probe/refined/accuracy is that of the refined greedy answer.
    Differs from the paper: the skills come with the base; one refinement a round; `refine` and `check` off are its control arms.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("probe/refined/accuracy", "share", "greedy accuracy on the probe after one refinement"),
        Metric("probe/critic/accuracy", "share", "critiques on the probe that tell a right answer from a wrong one"),
    )

    rounds: int = Field(6, ge=0)
    tasks_per_round: int = Field(256, ge=1)
    refine: bool = True
    check: bool = True
    replay: float = Field(0.5, ge=0.0)
    sampling: Sampling = Sampling(max_tokens=96)
    updates: Updates = Updates(batch_size=64, epochs=1)
    objective: NLL = NLL()

    def roles(self, world: World) -> dict[str, Role]:
        once = Sampling(max_tokens=64, temperature=0.0)
        return {
            "solver": Role("solver", "solver", self.sampling, world.parse),
            "critic": Role("critic", "solver", once, index),
            "refiner": Role("refiner", "solver", self.sampling, world.parse),
        }

    async def round(self, ctx: Context) -> None:
        answers = await self.answer(ctx, ctx.pool.draw(self.tasks_per_round))
        final = await self.refined(ctx, answers) if self.refine else answers
        critiques = await self.criticize(ctx, final) if self.check else {}
        kept = [rollout for rollout in final if critiques.get(rollout.id, FINE) == FINE]
        ctx.log(**{"label/kept": len(kept) / max(len(answers), 1)})
        for rollout in kept:
            ctx.label(origin(rollout), rollout.answer)
        own = [under(rollout, ctx.prompt("solver", origin(rollout))) for rollout in kept]
        ctx.learn("solver", own + self.lessons(ctx, round(self.replay * len(own)) or 64), self.objective, self.updates)

    async def answer(self, ctx: Context, tasks: Sequence[Task], **sampling: Any) -> list[Rollout]:
        """One answer a task; those without one are left out."""
        groups = await ctx.sample("solver", tasks, n=1, **sampling)
        return [group.rollouts[0] for group in groups if group.rollouts[0].answer is not None]

    async def criticize(self, ctx: Context, rollouts: Sequence[Rollout]) -> dict[str, str | None]:
        """The policy's critique of each rollout, by its id; None where it cannot be read."""
        groups = await judgements(ctx, "critic", rollouts, lambda rollout: criticizing(str(origin(rollout).prompt), rollout.text))
        return {rollout.id: group.answers[0] for rollout, group in zip(rollouts, groups, strict=True)}

    async def refined(self, ctx: Context, answers: Sequence[Rollout], **sampling: Any) -> list[Rollout]:
        """Answers with a critique are refined; the others stay. What the refinement leaves without an answer is left out."""
        found = await self.criticize(ctx, answers)
        faulty = [rollout for rollout in answers if found[rollout.id] not in (FINE, None)]
        tasks = [Task(f"of-{r.id}", refining(str(r.task.prompt), r.text, str(found[r.id])), hidden={"origin": r.task}) for r in faulty]
        mended = [group.rollouts[0] for group in await ctx.sample("refiner", tasks, n=1, **sampling)]
        return [rollout for rollout in answers if found[rollout.id] == FINE] + [rollout for rollout in mended if rollout.answer is not None]

    def lessons(self, ctx: Context, count: int) -> list[Example]:
        """Lessons of the skills, as the base was taught, so that it keeps them; none in a world that has no such teacher."""
        if not isinstance(ctx.world, ChainSkills):
            return []
        solver, random = ctx.policies["solver"], ctx.random("lessons")
        tasks = [random.choice(ctx.pool.tasks) for _ in range(count)]
        return [lesson_example(f"lesson/{place}", ctx.world.lesson(task, random), solver.tokenizer, task) for place, task in enumerate(tasks)]

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        answers = await self.answer(ctx, tasks, temperature=0.0)
        final = await self.refined(ctx, answers, temperature=0.0)
        critiques = await self.criticize(ctx, answers)
        right = {rollout.id: ctx.world.verify(rollout.task, rollout.answer) for rollout in answers}
        return {
            "probe/refined/accuracy": sum(ctx.world.verify(origin(rollout), rollout.answer) for rollout in final) / len(tasks),
            "probe/critic/accuracy": fmean((critiques[name] == FINE) == bool(value) for name, value in right.items()) if right else 0.0,
        }


def origin(rollout: Rollout) -> Task:
    """The task that a rollout answers, which of a refinement is not the one it was put."""
    found: Task = rollout.task.hidden.get("origin", rollout.task)
    return found
