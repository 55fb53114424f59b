"""One policy reads documents and asks about them, and answers without them. Run it with `autotelic run examples/asking.py`."""

from pydantic import Field

from autotelic.learning.advantages import center
from autotelic.learning.objectives import PolicyGradient
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Sampling, Task, World
from autotelic.worlds.facts import Facts


@recipe(name="asking", system="asking", paper="", family="proposer-solver", proxy="rewards/correct/mean", model="facts", tasks="facts")
class Asking(Recipe):
    """The asker is paid 4 p (1 - p) for a question that is answered as it wants with rate p, and -1 for what is no question."""

    tasks_per_round: int = Field(8, ge=1)
    group_size: int = Field(4, ge=2)
    tries: int = Field(8, ge=2)
    sampling: Sampling = Sampling(max_tokens=16)
    objective: PolicyGradient = PolicyGradient()

    def roles(self, world: World) -> dict[str, Role]:
        asker = Role("asker", "solver", self.sampling, str, lambda task: task.hidden["document"] + "=")
        return super().roles(world) | {"asker": asker}

    def pool(self, world: World, size: int, seed: int) -> list[Task]:
        assert isinstance(world, Facts)
        return [Task(f"document-{i}", "", hidden={"document": text}) for i, text in enumerate(world.documents())]

    async def round(self, ctx: Context) -> None:
        askers = await ctx.sample("asker", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        asked = {}
        for rollout in (rollout for group in askers for rollout in group):
            question, equals, answer = rollout.text.partition("=")
            task = ctx.proposal(rollout, question + equals, hidden={"answer": ctx.world.parse(answer)})
            if task.hidden["answer"] is None or not ctx.fits("solver", task):
                ctx.count("proposals/invalid")
            else:
                asked[rollout.id] = task
        answers = await ctx.sample("solver", list(asked.values()), n=self.tries)
        rates = {}
        for group in answers:
            group.reward(correct=[answer == group.task.hidden["answer"] for answer in group.answers])
            rates[group.task.id] = sum(rollout.rewards["correct"] for rollout in group) / self.tries
        for group in askers:
            p = [rates[asked[rollout.id].id] if rollout.id in asked else None for rollout in group]
            group.reward(half=[-1 if rate is None else 4 * rate * (1 - rate) for rate in p])
        learned = [group for group in answers if isinstance(ctx.world, Facts) and not ctx.world.held_out(str(group.task.prompt))]
        ctx.learn("solver", [*center(askers), *center(learned)], self.objective)
