"""Two models that each learn from the other's vote. Run it with `autotelic run examples/two_models.py`."""

from pydantic import Field

from autotelic.answers.votes import VoteRule, vote
from autotelic.learning.advantages import center
from autotelic.learning.objectives import PolicyGradient
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems.base import Recipe, recipe
from autotelic.types import World


@recipe(name="two-models", system="peer vote", paper="", family="multi-agent", proxy="rewards/peer/mean", model="chain-weak")
class TwoModels(Recipe):
    """A completion is worth 1 if its answer is what the other model's samples agree on most."""

    rounds: int = Field(5, ge=0)
    tasks_per_round: int = Field(16, ge=1)
    group_size: int = Field(8, ge=1)
    objective: PolicyGradient = PolicyGradient()

    def policies(self) -> dict[str, str | None]:
        return {"peer": "chain-medium"}

    def roles(self, world: World) -> dict[str, Role]:
        return {name: Role(name, name, self.sampling, world.parse) for name in ("solver", "peer")}

    async def round(self, ctx: Context) -> None:
        tasks = ctx.pool.draw(self.tasks_per_round)
        groups = {name: await ctx.sample(name, tasks, n=self.group_size) for name in ("solver", "peer")}
        for name, other in (("solver", "peer"), ("peer", "solver")):
            for group, theirs in zip(groups[name], groups[other], strict=True):
                label = vote(theirs.answers, VoteRule()).label
                group.reward(peer=[label is not None and answer == label for answer in group.answers])
            ctx.learn(name, center(groups[name]), self.objective)
