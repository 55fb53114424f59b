"""Compose a plan of ways of thinking once, and solve every task by it: Self-Discover."""

from collections.abc import Mapping, Sequence
from typing import Literal, Self

from pydantic import Field

from autotelic.episodes.planning import PLANNER, planned, said, shown, stage
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import Way, way
from autotelic.systems.search.self_discover.modules import MODULES
from autotelic.types import Rollout, Sampling, Task, World

SELECT = (
    "These are ways of thinking:\n{modules}\n\nThese are problems of one kind:\n\n{problems}\n\nWhich of the ways of thinking help to solve them? Copy those "
    "that do, a line each. Do not solve the problems."
)
ADAPT = (
    "These ways of thinking were chosen:\n{modules}\n\nThese are problems of one kind:\n\n{problems}\n\nReword each way of thinking so that it fits these "
    "problems, a line each. Do not solve the problems."
)
IMPLEMENT = (
    "These ways of thinking fit:\n{modules}\n\nThese are problems of one kind:\n\n{problems}\n\nMake of them a plan that solves any such problem: a line for each "
    "step, as 'what is found: ', with nothing filled in. Do not solve the problems."
)
FOLLOW = "Follow this plan, and fill in what each step asks for.\n{plan}\n\nProblem: {problem}\n\nEnd with a line 'Answer: ' and the answer."
MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"


@way(name="self-discover", system="Self-Discover", paper="arXiv:2402.03620", family="search", catalogue=(268,), model=MODEL, tasks="word-problems")
class SelfDiscover(Way):
    """From a list of ways of thinking the model composes a plan, once for all tasks, and then fills in the plan for each.

    Formula: from a few problems without answers, three greedy calls: select modules of the 39, adapt their wording to the problems, implement them as a plan of
    named steps; then every task is answered by the plan in one greedy call.
    Ends: a call that is cut off counts as far as it goes; one that says nothing leaves what it was given (planner/unparsed); without a plan tasks are asked
    as they are. self-discover/setup counts the tokens of the three calls, which are charged to all tasks together.
    Fails: where the model cannot follow a plan, or the plan says nothing about the problems. Its ablation makes the plan and does not show it.
    Differs: the modules are put in short words. The paper's claim is one about large models: no model of this project's size can show it, and what is tested
    is the order of calls, the prompts and the cost. A widely used copy of the list lacks commas, so that its last six modules are one, and six others are left out.
    """

    examples: int = Field(3, ge=1)
    """Problems that the planner is shown."""
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
        checks.asked(ctx.policies["solver"], plan="\n".join([SELECT, ADAPT, IMPLEMENT, FOLLOW, *MODULES]))

    async def answer(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        before = ctx.meter.sampled
        plan = await self.discovered(ctx, tasks[: self.examples])
        ctx.count("self-discover/setup", ctx.meter.sampled - before)
        return await planned(ctx, tasks, plan if self.plan == "shown" else "", FOLLOW)

    async def discovered(self, ctx: Context, tasks: Sequence[Task]) -> str:
        """The plan for tasks of the kind of these."""
        modules = "\n".join(f"- {module}" for module in MODULES)
        for name, text in (("select", SELECT), ("adapt", ADAPT), ("implement", IMPLEMENT)):
            modules = await stage(ctx, name, tasks[0], text, modules=modules, problems=shown(tasks)) or modules
        return modules
