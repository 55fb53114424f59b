"""Supervised training on one's own corrections: what reinforcement over two attempts is compared with."""

from collections.abc import Sequence

from pydantic import Field

from autotelic.learning.examples import example
from autotelic.learning.objectives import NLL
from autotelic.rounds.context import Context
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.systems.self_correction.attempts import answered, changes, two_attempts, under_prefix
from autotelic.types import Metrics, Task


@recipe(name="correction-traces", system="supervised on corrections", paper="", family="controls", needs_answers=True, model="chain-skills")
class CorrectionTraces(Recipe):
    """The second attempts that put a wrong first one right are the targets.

    Formula: loss: mean negative log-likelihood of the second attempt's tokens, of rollouts whose first answer was wrong and whose second is right, and with
    `keep_right` also of those right twice.
    Ends: no first answer is wrong, or none is put right, and the round trains nothing.
    Fails: by corrections that fit the errors of the base and not those that are left after training.
    Differs: from no paper of its own; it stands for the supervised training on traces that SCoRe's paper compares itself with.
    """

    rounds: int = Field(40, ge=0)
    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(8, ge=1)
    retry: str = "?"
    """What the policy is shown after its first answer; a chat model needs a sentence."""
    keep_right: bool = False
    """Whether traces of two right answers are targets too."""
    objective: NLL = NLL()

    def setup(self, ctx: Context) -> None:
        checks.shown(ctx, "solver", retry=self.retry)

    async def round(self, ctx: Context) -> None:
        groups = await two_attempts(ctx, ctx.pool.draw(self.tasks_per_round), self.group_size, self.retry)
        rollouts = [rollout for group in groups for rollout in group]
        ctx.log(**under_prefix("turns", changes(rollouts)))
        kept = [r for r in rollouts if r.rewards["second"] and (self.keep_right or not r.rewards["first"])]
        ctx.log(**{"label/kept": len(kept) / len(rollouts)})
        ctx.learn("solver", [example(rollout, actions=[1]) for rollout in kept], self.objective)

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        groups = await two_attempts(ctx, answered(tasks), 1, self.retry, temperature=0.0)
        return under_prefix("probe/turns", changes([rollout for group in groups for rollout in group]))
