"""Self-correction by reinforcement in two stages: SCoRe."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from autotelic.learning.advantages import by_action, leave_one_out
from autotelic.learning.examples import example
from autotelic.learning.objectives import PolicyGradient
from autotelic.rounds.context import Context
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.systems.self_correction.attempts import answered, changes, two_attempts, under_prefix
from autotelic.types import Group, Metrics, Task

Credit = Literal["own", "total", "none"]


@recipe(
    name="score",
    system="SCoRe",
    paper="arXiv:2409.12917",
    family="self-correction",
    catalogue=(18,),
    proxy="rewards/second/mean",
    needs_answers=True,
    model="chain-skills",
)
class SelfCorrection(Recipe):
    """Answer, be asked to look again, answer again; first the second answer learns while the first is held, then both do.

    Formula: stage I: reward r2 on the second attempt, none on the first, which a KL of `hold` times the usual coefficient keeps near the base.
    Stage II: r1 on the first attempt and r2 + alpha (r2 - r1) on the second. Advantages are against the mean of the others in the group.
    Naive two-turn reinforcement is `stage_one=0 alpha=0 credit=total`.
    Ends: all attempts of a group are right, or all wrong, and only the KL acts.
    Fails: by no longer editing; turns/changed goes to 0 while turns/first rises. With `credit=total` the bonus pays for a first answer that is wrong on
    purpose, and turns/first falls.
    Differs: the published coefficients, .01 for the KL, .1 on first attempts in stage I and an alpha of 10, could be checked in a public
    re-implementation only; for code the ratio is said to be 25 (`hold`). Whether the first attempt's tokens see the second's reward could not be checked
    at all; the re-implementation sums all rewards over all tokens, which is `credit=total`, without a baseline. Here each attempt has its own, with a
    leave-one-out baseline.
    """

    rounds: int = Field(40, ge=0)
    stage_one: int = Field(20, ge=0)
    """Rounds of stage I."""
    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(8, ge=2)
    retry: str = "?"
    """What the policy is shown after its first answer; a chat model needs a sentence."""
    alpha: float = Field(10.0, ge=0.0)
    """Weight of the improvement from the first to the second answer."""
    hold: float = Field(10.0, ge=0.0)
    """Multiple of the KL coefficient on the first attempt's tokens in stage I."""
    credit: Credit = "own"
    """What the first attempt's tokens are credited with in stage II: its own reward, the sum of all, or nothing."""
    objective: PolicyGradient = PolicyGradient(kl=0.01)

    def setup(self, ctx: Context) -> None:
        checks.shown(ctx, "solver", retry=self.retry)

    async def round(self, ctx: Context) -> None:
        groups = await two_attempts(ctx, ctx.pool.draw(self.tasks_per_round), self.group_size, self.retry)
        rollouts = [rollout for group in groups for rollout in group]
        ctx.log(**under_prefix("turns", changes(rollouts)))
        one = ctx.round <= self.stage_one
        credited = first_stage(groups) if one else second_stage(groups, self.alpha, self.credit)
        for rollout, (first, second) in zip(rollouts, credited, strict=True):
            by_action(rollout, [first, second])
        kl = {0: self.hold} if one else None
        ctx.learn("solver", [example(rollout, kl=kl) for rollout in rollouts], self.objective)

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        groups = await two_attempts(ctx, answered(tasks), 1, self.retry, temperature=0.0)
        return under_prefix("probe/turns", changes([rollout for group in groups for rollout in group]))


def first_stage(groups: Sequence[Group]) -> list[tuple[float, float]]:
    """Advantages of both attempts in stage I, in order of the rollouts: none, and that of the second answer's reward."""
    return [(0.0, second) for second in over_others(groups, {"second": 1.0})]


def second_stage(groups: Sequence[Group], alpha: float, credit: Credit = "own") -> list[tuple[float, float]]:
    """Advantages of both attempts in stage II: of r1, or 0, and of r2 + alpha (r2 - r1); or of the sum of these for both."""
    second = over_others(groups, {"second": 1.0 + alpha, "first": (1.0 - alpha) if credit == "total" else -alpha})
    if credit == "none":
        return [(0.0, value) for value in second]
    return list(zip(second if credit == "total" else over_others(groups, {"first": 1.0}), second, strict=True))


def over_others(groups: Sequence[Group], weights: Mapping[str, float]) -> list[float]:
    """Weighted rewards over the mean of the others in the group, in order of the rollouts."""
    leave_one_out(groups, weights)
    return [rollout.advantage if isinstance(rollout.advantage, float) else 0.0 for group in groups for rollout in group]
