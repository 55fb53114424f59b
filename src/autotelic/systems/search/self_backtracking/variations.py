"""Solutions that go on after the backtrack token, in one pass: S3c-Math."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from autotelic.errors import SettingError
from autotelic.learning.learner import Optimizer
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.systems.base import variation
from autotelic.systems.search.self_backtracking.recipe import SelfBacktracking
from autotelic.tasks.language import FINE
from autotelic.types import Example, Metrics, Sampling, Task


@variation(
    name="s3c-math",
    system="S3c-Math",
    paper="arXiv:2409.01524",
    catalogue=(308,),
    family="self-correction",
    proxy="probe/back/found",
    model="slips",
    tasks="slips",
)
class SpontaneousCorrection(SelfBacktracking):
    """Learn to remark on a wrong step at once, write it anew and go on, in one pass and without being asked.

    Formula: targets, by mean negative log-likelihood: whole solutions, and a start of a solution, a wrong step that is no target (`masked`), the backtrack
    token, the right step and the rest. Nothing is searched: the probe's plain answers show what was learned.
    Ends: with back_share=0, or where no own sample is wrong (`wrong=own`), it is supervised training on solutions.
    Fails: unmasked, by learning to err first: probe/pass@1 falls where the world does not slip. By too many repairs it learns to distrust right steps, and
    probe/back/false_alarms rises.
    Differs: the remark is one token; the paper's says in words why the step is wrong. Wrong steps are the world's or the policy's own of the same round;
    the paper samples them once, from starts of right solutions, and has a larger model write the remarks.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        *SelfBacktracking.metrics,
        Metric("repair/no_step", "samples", "own wrong samples of which no step is wrong, but what is missing"),
    )

    taught: int = Field(10**9, ge=0)
    back_share: float = Field(0.5, ge=0.0, le=1.0)
    """Lessons with a repair for every solution."""
    masked: bool = True
    """Whether the wrong step is left out of the targets."""
    wrong: Literal["made", "own"] = "made"
    """Whose wrong steps: those of the world, or the first wrong one in a sample of the policy."""
    sampling: Sampling = Sampling(max_tokens=90)
    optimizer: Optimizer = Optimizer(learning_rate=1e-3)

    @property
    def needed_skills(self) -> tuple[str, ...]:
        return ("critique", "sneak") if self.wrong == "own" else ()

    def setup(self, ctx: Context) -> None:
        super().setup(ctx)
        for task in ctx.pool.tasks[:1]:
            start, wrong = self.wrong_step(ctx, task)
            if ctx.world.parse(start + wrong + self.back + ctx.world.gold(task)[len(start) :]) is None:
                raise SettingError(
                    f"the world {ctx.world.name!r} reads no answer in a solution that takes a step back with {self.back!r}; slips does"
                )

    async def round(self, ctx: Context) -> None:
        tasks = ctx.pool.draw(self.tasks_per_round)
        examples = [ctx.taught("solver", task, ctx.world.gold(task)) for task in tasks]
        some = tasks[: round(self.back_share * len(tasks))]
        detours = await self.own(ctx, some) if self.wrong == "own" else [(task, *self.wrong_step(ctx, task)) for task in some]
        ctx.log(**{"label/kept": len(detours) / len(tasks)})
        ctx.learn("solver", [*examples, *(self.repair(ctx, *detour) for detour in detours)], self.objective, self.updates)

    async def own(self, ctx: Context, tasks: Sequence[Task]) -> list[tuple[Task, str, str]]:
        """Tasks whose sampled solution has a wrong step, with the steps before it and the step; `repair/no_step` counts solutions in which no step is."""
        critique, found = ctx.world.skill("critique"), []
        assert critique.truth is not None
        for group in await ctx.sample("solver", tasks, n=1):
            text = group.rollouts[0].text
            number, steps = int(critique.truth(group.task, text) or FINE), ctx.world.skill("sneak").steps(text)
            if number and number <= len(steps):
                found.append((group.task, "".join(steps[: number - 1]), steps[number - 1]))
            elif number:
                ctx.count("repair/no_step")
        return found

    def repair(self, ctx: Context, task: Task, start: str, wrong: str) -> Example:
        """A start, a wrong step, the backtrack token, and the right way on."""
        item = ctx.taught("solver", task, start + wrong + self.back + ctx.world.gold(task)[len(start) :], f"{task.id}{self.back}")
        encode, place = ctx.policies["solver"].tokenizer.encode, len(ctx.prompt("solver", task))
        place += len(encode(start))
        if self.masked:
            item.mask[place : place + len(encode(wrong))] = [0.0] * len(encode(wrong))
        return item

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        return self.alarms(ctx, tasks)
