"""Where every sample fails, the answer is given and the policy explains it in its own words: ExPO."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from autotelic.learning.advantages import center
from autotelic.learning.examples import example, under
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import NLL, Mixture, PolicyGradient, Term
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.tasks.english import words
from autotelic.types import Example, Group, Sampling, Task, World


@recipe(
    name="expo",
    system="ExPO",
    paper="arXiv:2507.02834",
    family="self-training",
    catalogue=(21,),
    proxy="rewards/correct/mean",
    needs_answers=True,
    model="chain-skills",
    tasks="chain-skills",
)
class SelfExplanation(Recipe):
    """Reinforcement learning on verified answers; a task that no sample solves is explained by the policy, which is shown the answer, and trained on that.

    Formula: loss = policy gradient over the samples + `coefficient` x mean -log p(explanation | task), where the explanation was sampled given task and
    answer, ends in that answer, and is trained behind the task alone (off-policy). `instead` = "expert" puts gold solutions in its place, "nothing" leaves
    plain GRPO: the control arms. `everywhere` explains solved tasks too.
    Ends: no explanation ends in the answer, and the task gives no gradient, as under GRPO.
    Fails: by explanations that reach the answer by a wrong way; explain/gold counts those that are the gold solution, of explain/found.
    Differs: the coefficient is not the paper's; its pairwise form (explanation over own wrong sample) is not here.
    """

    skills: ClassVar[tuple[str, ...]] = ("explain",)
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("explain/unsolved", "share", "tasks that no sample solved"),
        Metric("explain/found", "tasks", "with an explanation that ends in the answer"),
        Metric("explain/gold", "tasks", "whose explanation is the gold solution, word for word"),
    )

    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(8, ge=1)
    explanations: int = Field(4, ge=1)
    instead: Literal["explanation", "expert", "nothing"] = "explanation"
    everywhere: bool = False
    coefficient: float = Field(0.5, gt=0.0)
    sampling: Sampling = Sampling(max_tokens=96)
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28)

    @property
    def trains_on_gold(self) -> bool:
        return self.instead == "expert"

    @property
    def needed_skills(self) -> tuple[str, ...]:
        return self.skills if self.instead == "explanation" else ()

    def roles(self, world: World) -> dict[str, Role]:
        found = {"solver": Role("solver", "solver", self.sampling, world.parse)}
        if self.instead == "explanation":
            explain = world.skill("explain")
            found["explainer"] = Role("explainer", "solver", self.sampling, explain.read, lambda task: explain.ask(task.prompt, str(task.answer)))
        return found

    def setup(self, ctx: Context) -> None:
        if self.instead == "explanation":
            checks.asked(ctx.policies["solver"], explain=words(ctx.world.skill("explain").ask("", "")))
            checks.answerable(ctx, "explainer", ctx.pool.tasks, "sampling.max_tokens")

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        for group in groups:
            group.reward(correct=[ctx.world.verify(group.task, answer) for answer in group.answers])
        unsolved = [group.task for group in groups if self.everywhere or not any(r.rewards["correct"] for r in group)]
        ctx.log(**{"explain/unsolved": len(unsolved) / len(groups)})
        shown = await self.explanations_of(ctx, unsolved)
        sampled = [example(rollout, part="sampled") for group in center(groups) for rollout in group]
        terms = {"sampled": Term(objective=self.objective), "shown": Term(objective=NLL(), coefficient=self.coefficient)}
        ctx.learn("solver", sampled + shown, Mixture(terms=terms), Updates())

    async def explanations_of(self, ctx: Context, tasks: Sequence[Task]) -> list[Example]:
        """What unsolved tasks are trained on, of part "shown"."""
        if self.instead == "nothing":
            return []
        if self.instead == "expert":
            found = [ctx.taught("solver", task, ctx.world.gold(task), f"{task.id}/gold") for task in tasks]
        else:
            groups = await ctx.sample("explainer", tasks, n=self.explanations)
            found = [item for group in groups for item in self.first_right(ctx, group)]
        for item in found:
            item.part = "shown"
        return found

    def first_right(self, ctx: Context, group: Group) -> list[Example]:
        """The first explanation that ends in the answer, behind the plain task; none where none does."""
        right = next((rollout for rollout in group if ctx.world.verify(group.task, rollout.answer)), None)
        ctx.count("explain/found", right is not None)
        if right is None:
            return []
        ctx.count("explain/gold", right.text == ctx.world.gold(group.task))
        return [under(right, ctx.prompt("solver", group.task))]
