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


def log_likelihoods(policy: Policy, rollouts: Sequence[Rollout], mean: bool = False) -> dict[str, float]:
    """Log-probability of each rollout's completion under a policy, by id: summed over its tokens, or their mean."""
    found = logprobs_after_prompt(policy, rollouts)
    return {rollout.id: float(scores.mean() if mean else scores.sum()) for rollout, scores in zip(rollouts, found, strict=True)}


def consistency(now: Sequence[float], before: Sequence[float]) -> float:
    """(tau + 1) / 2 in [0, 1]: how far two rankings of the same answers agree; .5 where one of them tells nothing apart."""
    return (kendall(now, before) + 1) / 2


@recipe(
    name="cream",
    system="CREAM",
    paper="arXiv:2410.12735",
    family="self-rewarding",
    catalogue=(354,),
    proxy="judge/margin",
    needs_answers=True,
    model="chain-weak",
)
class ConsistencyRegularized(Recipe):
    """Best against worst by the policy's own log-ratio, softened by how far this ranking agrees with that of the version before.

    Formula: reward(y) = log p(y) - log p_0(y), p_0 the weights as the run began. The version before ranks too: by the same reward with the weights at the
    start of the round before, and in the first such round, where that version is p_0 itself, by mean log p_0 of a token. c = (tau + 1) / 2, tau Kendall's
    of the two rankings, a mean over all tasks of the round or each task's own (`per_task`). Loss of a task: c DPO(best, worst) + (1 - c) DPO(worst, best)
    against the policy at the start of the round. The first `seed_rounds` train on `seeds` gold completions each, as the paper's first stage does; no label
    is trained on after that. `trust` fixes c: 1 is plain self-rewarding.
    Ends: all readable answers of a task are the same text, and it gives no pair.
    Fails: by errors that both versions share; judge/margin, how far best and worst are apart, and label/consistency stay high while judge/pair_accuracy
    falls below .5.
    Differs: sampled at temperature 1, where the authors take .8 and top-p .95 (`sampling`); one pass over the pairs of a round, and rounds that are small.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("label/consistency", "share", "agreement of the ranking with that of the version before, from 0 for the reverse to 1"),
        Metric("judge/margin", "nats", "how far the policy's own reward has a task's best and worst answer apart, mean over the tasks", low=0.0),
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
            return
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        ctx.learn("solver", self.pairs(ctx, groups), self.objective, self.updates, reference=current)
        ctx.policies["previous"].restore(current.snapshot())

    def seed(self, ctx: Context) -> None:
        """One pass over gold completions."""
        tasks = ctx.pool.draw(self.seeds)
        gold = [ctx.taught("solver", task, ctx.world.gold(task)) for task in tasks]
        ctx.learn("solver", gold, NLL(), self.updates)

    def pairs(self, ctx: Context, groups: Sequence[Group]) -> list[Example]:
        """Every task's best and worst answer, with c as the confidence that this is their order."""
        distinct = [Group(group.task, list({r.text: r for r in group if r.answer is not None}.values())) for group in groups]
        distinct = [group for group in distinct if len(group) > 1]
        now, before = self.rankings(ctx, [rollout for group in distinct for rollout in group])
        found = [consistency([now[r.id] for r in group], [before[r.id] for r in group]) for group in distinct]
        mean = fmean(found) if found else 0.5
        ends = [tuple(choose(group.rollouts, key=lambda r: now[r.id]) for choose in (max, min)) for group in distinct]
        ctx.log(**{"label/consistency": mean, "label/kept": len(distinct) / max(len(groups), 1)})
        if ends:
            ctx.log(**{"judge/margin": fmean(now[best.id] - now[worst.id] for best, worst in ends)})
        accuracy = pair_accuracy(distinct, lambda r: now[r.id], lambda r: ctx.world.verify(r.task, r.answer))
        if accuracy is not None:
            ctx.log(**{"judge/pair_accuracy": accuracy})
        trusts = [self.trust if self.trust is not None else (own if self.per_task else mean) for own in found]
        told = [(best, worst, trust) for (best, worst), trust in zip(ends, trusts, strict=True) if best is not worst]
        return [side for best, worst, trust in told for side in pair(example(best), example(worst), confidence=trust)]

    def rankings(self, ctx: Context, rollouts: Sequence[Rollout]) -> tuple[dict[str, float], dict[str, float]]:
        """What the policy and the version before think of each rollout, by id."""
        start = log_likelihoods(ctx.start("solver"), rollouts)
        now = {name: value - start[name] for name, value in log_likelihoods(ctx.policies["solver"], rollouts).items()}
        if ctx.round == self.seed_rounds + 1:
            return now, log_likelihoods(ctx.start("solver"), rollouts, mean=True)
        return now, {name: value - start[name] for name, value in log_likelihoods(ctx.policies["previous"], rollouts).items()}
