"""Write ways of thinking, make a plan of them, and refine it, before any task is solved: Auto-Evolve."""

from collections.abc import Mapping, Sequence
from typing import Literal, Self

from pydantic import Field

from autotelic.episodes.planning import PLANNER, planned, said, shown, stage
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import Way, way
from autotelic.types import Rollout, Sampling, Task, World

CREATE = "These are problems of one kind:\n\n{problems}\n\nWhich ways of thinking help to solve such problems? Write some, a line each. Do not solve the problems."
COMBINE = (
    "These ways of thinking help:\n{modules}\n\nThese are problems of one kind:\n\n{problems}\n\nMake of them a plan that solves any such problem: a line for each "
    "step, as 'what is found: ', with nothing filled in. Do not solve the problems."
)
REVIEW = (
    "This plan is to solve any problem of one kind:\n{plan}\n\nThese are such problems:\n\n{problems}\n\nWhat does the plan lack, and what of it is not needed? "
    "Do not solve the problems."
)
IMPROVE = (
    "This plan is to solve any problem of one kind:\n{plan}\n\nA reviewer says:\n{review}\n\nWrite a better plan: a line for each step, as 'what is found: ', with "
    "nothing filled in."
)
FOLLOW = "Follow this plan, and fill in what each step asks for.\n{plan}\n\nProblem: {problem}\n\nEnd with a line 'Answer: ' and the answer."
MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"


@way(name="auto-evolve", system="Auto-Evolve", paper="arXiv:2410.06328", family="search", catalogue=(364,), model=MODEL, tasks="word-problems")
class AutoEvolve(Way):
    """The model writes its own ways of thinking for a kind of problem, makes a plan of them and refines it, and then fills it in for each task.

    Formula: from a few problems without answers: create modules, combine them into a plan, then `refinements` times review the plan and write it anew; each call
    greedily. Then every task is answered by the plan in one greedy call.
    Ends: a call that is cut off counts as far as it goes; one that says nothing leaves what it was given (planner/unparsed); without a plan tasks are asked
    as they are. auto-evolve/setup counts the tokens of all these calls, which are charged to all tasks together.
    Fails: as Self-Discover, and by refinements that make a plan longer and no better. Its ablation makes the plan and does not show it.
    Differs: the prompts are not the paper's, whose code was not read. Its claim is one about large models: no model of this project's size can show it, and
    what is tested is the order of calls, the prompts and the cost. Of Self-Discover it differs by having no list and by the refinements.
    """

    examples: int = Field(3, ge=1)
    """Problems that the planner is shown."""
    refinements: int = Field(2, ge=0)
    """Times that the plan is reviewed and written anew."""
    planning: Sampling = Sampling(max_tokens=256, temperature=0.0)
    """How the planner is sampled."""
    plan: Literal["shown", "kept"] = "shown"
    """Whether tasks are answered by the plan, or as they are."""

    @property
    def ablations(self) -> Mapping[str, Self]:
        return {} if self.plan == "kept" else {"without the plan": self.model_copy(update={"plan": "kept"})}

    def roles(self, world: World) -> dict[str, Role]:
        return {"solver": Role("solver", "solver", self.sampling, world.parse), PLANNER: Role(PLANNER, "solver", self.planning, said)}

    def setup(self, ctx: Context) -> None:
        checks.asked(ctx.policies["solver"], plan="\n".join([CREATE, COMBINE, REVIEW, IMPROVE, FOLLOW]))

    async def answer(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        before = ctx.meter.sampled
        plan = await self.evolved(ctx, tasks[: self.examples])
        ctx.count("auto-evolve/setup", ctx.meter.sampled - before)
        return await planned(ctx, tasks, plan if self.plan == "shown" else "", FOLLOW)

    async def evolved(self, ctx: Context, tasks: Sequence[Task]) -> str:
        """The plan for tasks of the kind of these."""
        like, problems = tasks[0], shown(tasks)
        modules = await stage(ctx, "create", like, CREATE, problems=problems)
        plan = await stage(ctx, "combine", like, COMBINE, modules=modules, problems=problems) or modules
        for turn in range(self.refinements):
            review = await stage(ctx, f"review/{turn}", like, REVIEW, plan=plan, problems=problems)
            plan = await stage(ctx, f"improve/{turn}", like, IMPROVE, plan=plan, review=review) or plan
        return plan
