"""Two turns in one rollout: answer, be asked again, answer again. Run it with `autotelic run examples/second_thoughts.py`."""

from pydantic import Field

from autotelic.learning.advantages import by_action, leave_one_out
from autotelic.learning.examples import example
from autotelic.learning.objectives import PolicyGradient
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe


@recipe(name="second-thoughts", system="second thoughts", paper="", family="self-correction", proxy="rewards/second/mean", needs_answers=True)
class SecondThoughts(Recipe):
    """Learn to mend an answer without changing how the first one is given.

    Only the second answer is rewarded; a KL of `hold` times the usual coefficient keeps the first one as it was.
    """

    rounds: int = Field(5, ge=0)
    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(8, ge=2)
    hold: float = Field(50.0, ge=0.0)
    objective: PolicyGradient = PolicyGradient(kl=0.01)

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        rollouts = [rollout for group in groups for rollout in group]
        for rollout in rollouts:
            ctx.observe(rollout, "=")
        await ctx.extend("solver", rollouts)
        for group in groups:
            group.reward(second=[ctx.world.verify(group.task, answer) for answer in group.answers])
        leave_one_out(groups)
        for rollout in rollouts:
            by_action(rollout, [0.0, float(rollout.advantage)])
        ctx.learn("solver", [example(rollout, kl={0: self.hold}) for rollout in rollouts], self.objective)
