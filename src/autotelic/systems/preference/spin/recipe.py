"""The given answer against the policy's own: SPIN."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from autotelic.learning.examples import pair, written
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import DPO
from autotelic.measures.metrics import Metric
from autotelic.policies.policy import Policy
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Task


@recipe(
    name="spin",
    system="SPIN",
    paper="arXiv:2401.01335",
    family="preference",
    catalogue=(223,),
    proxy="rewards/accuracies",
    needs_answers=True,
)
class SelfPlayFineTuning(Recipe):
    """The policy learns to tell the given completion from its own, and so to write what it cannot tell apart.

    Formula: loss = l(beta ((log p(gold) - log opp(gold)) - (log p(own) - log opp(own)))), l logistic, opp the policy at the start of the round, which
    sampled `own`. As in the authors' code, round t trains on the pairs of rounds t - 1 and t together. Fixed point: the policy equals the data.
    Ends: own = gold, a pair without gradient, is left out.
    Fails: to help where the policy already reproduces the data; later rounds drift as pairs lose meaning.
    Differs: the authors raise beta from .1 to 5 in the last iteration, and train for several epochs; both are settings here.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("pairs/task", "pairs", "trained on for each task of the round; with `keep_previous` those of the round before count too"),
    )

    rounds: int = Field(6, ge=0)
    tasks_per_round: int = Field(256, ge=1)
    keep_previous: bool = True
    updates: Updates = Updates(batch_size=32, epochs=1)
    objective: DPO = DPO(beta=0.1)

    @property
    def trains_on_gold(self) -> bool:
        return True

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=1)
        plays = [[group.task.id, group.rollouts[0].turns[-1].tokens] for group in groups]
        pairs = []
        for place, (task_id, own) in enumerate([*ctx.state.get("previous", []), *plays]):
            task = ctx.pool[task_id]
            prompt, gold = ctx.prompt("solver", task), ctx.completion("solver", task, ctx.world.gold(task))
            if gold != own:
                chosen, rejected = (written(f"{task_id}/{place}/{side}", prompt, sent, task=task) for side, sent in (("gold", gold), ("own", own)))
                pairs += pair(chosen, rejected)
        ctx.state["previous"] = plays if self.keep_previous else []
        ctx.log(**{"pairs/task": len(pairs) / 2 / len(plays)})
        ctx.learn("solver", pairs, self.objective, self.updates, reference=self.opponent(ctx, [group.task for group in groups]))

    def opponent(self, ctx: Context, tasks: Sequence[Task]) -> Policy:
        """The reference of the pair loss: the policy at the start of the round."""
        return ctx.policies["solver"].clone("opponent")
