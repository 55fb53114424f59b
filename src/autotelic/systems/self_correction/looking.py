"""A second look at one's own answer, without training and without being told what is right: what studies of the second look measure."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from autotelic.episodes.answering import reply
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems.self_correction.attempts import changes, rates
from autotelic.systems.study import Trial
from autotelic.tasks.language import FINE
from autotelic.types import Metrics, Rollout, Task, World

Says = Literal["again", "doubt", "trust"]


class SecondLook(Trial):
    """Tasks are answered, something is said that tells nothing of the truth, and they are answered once more."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("look/accuracy", "share", "right answers; step 0 is the first answer, step 1 the second"),
        Metric("look/kept", "share", "right first answers whose second is right (CL)"),
        Metric("look/mended", "share", "wrong first answers whose second is right (CS)"),
        Metric("look/rss", "score", "what the second answer is worth beside an independent draw, which has .5 (RSS)", low=-50.0, high=50.0),
        Metric("look/changed", "share", "second answers that differ from the first"),
    )

    model: str = "chain-skills"
    tasks: str = "chain-skills"
    samples: int = Field(2, ge=1)
    """Pairs of answers to each task."""
    first: float = Field(0.0, ge=0.0)
    """Temperature of the first answer."""
    second: float = Field(0.0, ge=0.0)
    """Temperature of the second."""
    retry: str = "?"
    """What asks to answer again."""
    says: Says = "again"
    """What is said between them: to answer again; that a step, drawn at random, is the first wrong one; or that none is."""

    def roles(self, world: World) -> dict[str, Role]:
        refiner = Role("refiner", "solver", self.sampling, world.skill("refine").read)
        return {"solver": Role("solver", "solver", self.sampling, world.parse), "refiner": refiner}

    async def steps(self, ctx: Context, tasks: Sequence[Task]) -> list[Metrics]:
        first = [ctx.begin("solver", task) for task in tasks for _ in range(self.samples)]
        await ctx.extend("solver", first, temperature=self.first)
        answers = [rollout.answer for rollout in first]
        second = await self.again(ctx, first)
        for rollout, looked, answer in zip(first, second, answers, strict=True):
            looked.keys["first"] = answer
            looked.rewards["first"] = ctx.world.verify(rollout.task, answer)
            looked.rewards["second"] = ctx.world.verify(rollout.task, looked.answer)
        found = {**changes(second), **rates(second)}
        names = {"second": "accuracy", "kept": "kept", "mended": "mended", "rss": "rss", "changed": "changed"}
        return [{"look/accuracy": found["first"]}, {f"look/{name}": found[key] for key, name in names.items() if key in found}]

    async def again(self, ctx: Context, first: Sequence[Rollout]) -> list[Rollout]:
        """The second answers: behind the first, or to the request to mend it."""
        if self.says == "again":
            for rollout in first:
                ctx.observe(rollout, self.retry)
            await ctx.extend("solver", first, temperature=self.second)
            return list(first)
        refine = ctx.world.skill("refine").ask
        asked = [Task(rollout.id, refine(rollout.task.prompt, rollout.text, self.critique(ctx, rollout))) for rollout in first]
        return await reply(ctx, "refiner", asked, temperature=self.second)

    def critique(self, ctx: Context, rollout: Rollout) -> str:
        """What a first answer is said to be like, whatever it is."""
        if self.says == "trust":
            return FINE
        return str(ctx.random("wrong", rollout.id).randint(1, max(len(ctx.world.skill("sneak").steps(rollout.text)), 1)))
