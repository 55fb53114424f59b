"""Self-rewarding with less trust where two versions of the model disagree: CREAM."""

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from autotelic.learning.examples import example, pair
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import DPO, NLL
from autotelic.measures.metrics import Metric
from autotelic.policies.policy import Policy
from autotelic.rewards.confidence import logprobs_after_prompt
from autotelic.rewards.judges import kendall, pair_accuracy
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Example, Group, Rollout, Sampling


def log_likelihoods(policy: Policy, rollouts: Sequence[Rollout]) -> list[float]:
    """Summed log-probability of each rollout's completion under a policy."""
    return [float(logprobs.sum()) for logprobs in logprobs_after_prompt(policy, rollouts)]


def consistency(now: Sequence[float], before: Sequence[float]) -> float:
    """(tau + 1) / 2 in [0, 1]: how far two rankings of the same answers agree; .5 where one of them tells nothing apart."""
    return (kendall(now, before) + 1) / 2


@recipe(
    name="cream",
    system="CREAM",
    paper="arXiv:2410.12735",
    family="self-rewarding",
    catalogue=(354,),
    proxy="rewards/accuracies",
    needs_answers=True,
    model="chain-weak",
)
class ConsistencyRegularized(Recipe):
    """Best against worst by the policy's own log-ratio, softened by how far this ranking agrees with that of the version before.

    reward(y) = log p(y) - log p_0(y), p_0 the weights as the run began; the same with the weights at the start of the round before. c = (tau + 1) / 2,
    tau Kendall's of the two rankings, a mean over all tasks of the round or each task's own (`per_task`). loss = c DPO(best, worst) + (1 - c) DPO(worst, best).
    The first `seed_rounds` train on `seeds` gold completions each, as the paper's first stage does; no label is read after that.
    `trust` fixes c: 1 is plain self-rewarding. Degenerate case: all answers of a task are the same text, and it gives no pair.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("label/consistency", "share", "agreement of the ranking with that of the version before, from 0 for the reverse to 1"),
    )

    rounds: int = Field(8, ge=0)
    seed_rounds: int = Field(2, ge=1)
    seeds: int = Field(64, ge=1)
    tasks_per_round: int = Field(128, ge=1)
    group_size: int = Field(5, ge=2)
    trust: float | None = Field(None, ge=0.0, le=1.0)
    per_task: bool = False
    sampling: Sampling = Sampling(max_tokens=96)
    updates: Updates = Updates(batch_size=64, epochs=1)
    objective: DPO = DPO(beta=0.1)

    @property
    def trains_on_gold(self) -> bool:
        return self.seed_rounds > 0

    def policies(self) -> dict[str, str | None]:
        return {"previous": None}

    async def round(self, ctx: Context) -> None:
        solver = ctx.policies["solver"]
        current = solver.clone("current")
        if ctx.round <= self.seed_rounds:
            self.seed(ctx)
        else:
            groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
            ctx.learn("solver", self.pairs(ctx, groups), self.objective, self.updates, reference=current)
        ctx.policies["previous"].restore(current.snapshot())

    def seed(self, ctx: Context) -> None:
        """One pass over gold completions."""
        tasks = ctx.pool.draw(self.seeds)
        gold = [ctx.taught("solver", task, ctx.world.gold(task)) for task in tasks]
        ctx.learn("solver", gold, NLL(), self.updates)

    def pairs(self, ctx: Context, groups: Sequence[Group]) -> list[Example]:
        """Both orders of every task's best and worst answer, weighted by c and 1 - c."""
        distinct = [Group(group.task, list({r.text: r for r in group if r.answer is not None}.values())) for group in groups]
        distinct = [group for group in distinct if len(group) > 1]
        rollouts = [rollout for group in distinct for rollout in group]
        start = log_likelihoods(ctx.start("solver"), rollouts)
        now, before = (
            {r.id: a - b for r, a, b in zip(rollouts, log_likelihoods(policy, rollouts), start, strict=True)}
            for policy in (ctx.policies["solver"], ctx.policies["previous"])
        )
        found = [consistency([now[r.id] for r in group], [before[r.id] for r in group]) for group in distinct]
        mean = fmean(found) if found else 0.5
        ctx.log(**{"label/consistency": mean, "label/kept": len(distinct) / max(len(groups), 1)})
        accuracy = pair_accuracy(distinct, lambda r: now[r.id], lambda r: ctx.world.verify(r.task, r.answer))
        if accuracy is not None:
            ctx.log(**{"judge/pair_accuracy": accuracy})
        examples: list[Example] = []
        for group, own in zip(distinct, found, strict=True):
            trust = self.trust if self.trust is not None else (own if self.per_task else mean)
            best, worst = (example(choose(group.rollouts, key=lambda r: now[r.id])) for choose in (max, min))
            examples += pair(best, worst, weight=trust) + pair(worst, best, weight=1 - trust)
        return examples
