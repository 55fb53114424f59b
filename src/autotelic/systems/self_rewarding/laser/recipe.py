"""Reinforcement with a score of its own answers read off one token: LaSeR."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from autotelic.answers.votes import weighted_vote
from autotelic.episodes.accuracy import accuracy
from autotelic.learning.advantages import center, standardize
from autotelic.learning.examples import example
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import Mixture, PolicyGradient, Term, TokenScore
from autotelic.measures.metrics import Metric
from autotelic.measures.monitors import verification
from autotelic.rewards.token_scores import last_token_scores, reserved, score_examples
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Group, Metrics, Task


@recipe(
    name="laser",
    system="LaSeR",
    paper="arXiv:2510.14943",
    family="self-rewarding",
    catalogue=(38,),
    proxy="rewards/correct/mean",
    needs_answers=True,
)
class LastTokenSelfRewarding(Recipe):
    """Beside the policy gradient, the log-probability of a reserved token z after the answer learns to tell whether the answer is right.

    Formula: score(y) = beta (log p(z | x, y) - c), with c the mean log p(z | x, y) of the base. Loss: policy gradient on the verifier's reward r, plus
    `coefficient` times the mean of w (score - r)^2 over the answers that ended, w = N / (2 N_r) so that right and wrong ones weigh the same.
    After round `blend_after` the advantage is (1 - blend) A + blend A', A' being the group's z-score of the scores clamped to 0..1; where
    their std is at most `filter`, A' = A.
    Ends: all answers right (or wrong), and the scores learn a constant.
    Fails: when the score follows the form of an answer and not its truth; probe/score/f1 falls to that of a constant.
    Differs: c and beta belong to a vocabulary (published -23 or -25, and 0.1); a tiny one needs a larger beta, or a score of 1 is out of reach.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("score/constant", "log-probability", "c: mean log-probability of the token z under the base"),
        Metric("score/accuracy", "share", "answers whose score, above or below 1/2, tells rightly whether they are right"),
        Metric("score/recall_right", "share", "right answers that are told so"),
        Metric("score/recall_wrong", "share", "wrong answers that are told so"),
        Metric("score/f1", "share", "harmonic mean of both; 0 where one is 0 or missing"),
        Metric("probe/score/accuracy", "share", "answers on the probe whose score tells rightly whether they are right"),
        Metric("probe/score/recall_right", "share", "right answers on the probe that are told so"),
        Metric("probe/score/recall_wrong", "share", "wrong answers on the probe that are told so"),
        Metric("probe/score/f1", "share", "harmonic mean of both"),
        Metric("probe/score/plain_vote", "share", "accuracy of the majority on the probe, of the answers that ended"),
        Metric("probe/score/weighted_vote", "share", "accuracy of the vote weighted by the scores"),
    )

    rounds: int = Field(40, ge=0)
    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(8, ge=2)
    token: str = "<|unknown|>"
    """z: a token of the vocabulary that no text has."""
    beta: float = Field(0.25, gt=0.0)
    constant: float | None = Field(None, le=0.0)
    """c; None: measured on the answers of round 1, and for the probe before it on the probe's own."""
    coefficient: float = Field(0.1, ge=0.0)
    """Weight of the score's loss; at 0 the score is not learned and takes no part in the advantage: plain reinforcement."""
    score_after: int = Field(5, ge=0)
    """Rounds before the score learns."""
    blend_after: int = Field(15, ge=0)
    """Rounds before the score takes part in the advantage."""
    blend: float = Field(0.1, ge=0.0, le=1.0)
    filter: float = Field(0.1, ge=0.0)
    objective: PolicyGradient = PolicyGradient()
    updates: Updates = Updates()
    """The score takes hundreds of updates to learn; more than one a round give it these in fewer rounds."""

    def setup(self, ctx: Context) -> None:
        reserved(ctx.policies["solver"], self.token)

    async def round(self, ctx: Context) -> None:
        groups = await self.answers(ctx, ctx.pool.draw(self.tasks_per_round))
        constant = self.offset(ctx, groups)
        if self.constant is None and constant is not None:
            ctx.state["constant"] = constant
            ctx.log(**{"score/constant": constant})
        z = reserved(ctx.policies["solver"], self.token)
        scores = last_token_scores(ctx.policies["solver"], groups, z, self.beta, constant or 0.0)
        center(groups, "std")
        if self.coefficient and ctx.round > self.blend_after:
            for group in groups:
                blend_scores(group, scores, self.blend, self.filter)
        examples = [example(rollout, part="policy") for group in groups for rollout in group]
        if ctx.round > self.score_after and self.coefficient:
            ended = [rollout for group in groups for rollout in group if rollout.id in scores]
            examples += score_examples(ended, z)
        score = TokenScore(beta=self.beta, offset=constant or 0.0)
        objective = Mixture(terms={"policy": Term(objective=self.objective), "score": Term(objective=score, coefficient=self.coefficient)})
        ctx.learn("solver", examples, objective, self.updates)
        ctx.log(**{f"score/{name}": value for name, value in verification(groups, scores).items()})

    async def answers(self, ctx: Context, tasks: Sequence[Task]) -> list[Group]:
        """Answers with the verifier's reward."""
        groups = await ctx.sample("solver", tasks, n=self.group_size)
        for group in groups:
            group.reward(correct=[ctx.world.verify(group.task, answer) for answer in group.answers])
        return groups

    def offset(self, ctx: Context, groups: Sequence[Group]) -> float | None:
        """c: what was given, or measured before, or the mean over these answers with the weights as the run began; None where none of them ended."""
        known: float | None = ctx.state.get("constant") if self.constant is None else self.constant
        if known is not None:
            return known
        found = last_token_scores(ctx.start("solver"), groups, reserved(ctx.start("solver"), self.token), 1.0, 0.0)
        return fmean(found.values()) if found else None

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        known = [task for task in tasks if task.answer is not None]
        if not known:
            return {}
        groups = await self.answers(ctx, known)
        z, constant = reserved(ctx.policies["solver"], self.token), self.offset(ctx, groups)
        scores = last_token_scores(ctx.policies["solver"], groups, z, self.beta, constant or 0.0)
        metrics = {f"probe/score/{name}": value for name, value in verification(groups, scores).items()}
        for name, weights in (("plain_vote", dict.fromkeys(scores, 1.0)), ("weighted_vote", scores)):
            metrics[f"probe/score/{name}"] = accuracy(ctx.world, known, [weighted_vote(group, weights) for group in groups])
        return metrics


def blend_scores(group: Group, scores: Mapping[str, float], share: float, least: float) -> None:
    """(1 - share) A + share A' as the group's advantages; a rollout that was cut off scores 0."""
    clamped = [min(max(scores.get(rollout.id, 0.0), 0.0), 1.0) for rollout in group]
    mean = fmean(clamped)
    spread = (sum((value - mean) ** 2 for value in clamped) / max(len(clamped) - 1, 1)) ** 0.5
    if spread > least:
        for rollout, own in zip(group, standardize(clamped, divide=True), strict=True):
            assert isinstance(rollout.advantage, float)
            rollout.advantage = (1 - share) * rollout.advantage + share * own
