"""Reinforcement with a score of its own answers read off one token: LaSeR."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import fmean

from pydantic import Field

from autotelic.errors import SettingError
from autotelic.learning.advantages import center, standardize
from autotelic.learning.examples import example
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import Mixture, PolicyGradient, Term, TokenScore
from autotelic.policies.policy import Policy
from autotelic.recipes.base import Recipe, recipe
from autotelic.recipes.context import Context
from autotelic.types import Example, Group, Metrics, Rollout, Task


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

    score(y) = beta (log p(z | x, y) - c), with c the mean log p(z | x, y) of the base. Loss: policy gradient on the verifier's reward r, plus
    `coefficient` times the mean of w (score - r)^2 over the answers that ended, w = N / (2 N_r) so that right and wrong ones weigh the same.
    From round `blend_after` on the advantage is (1 - blend) A + blend A', A' being the group's z-score of the scores clamped to 0..1; where
    their std is at most `filter`, A' = A.
    Degenerate case: all answers right (or wrong), and the scores learn a constant. Fails when the score follows the form of an answer and not its
    truth: probe/score/f1 falls to that of a constant.
    Differs: c and beta belong to a vocabulary (published -23 or -25, and 0.1); a tiny one needs a larger beta, or a score of 1 is out of reach.
    """

    rounds: int = Field(40, ge=0)
    tasks_per_round: int = Field(32, ge=1)
    group_size: int = Field(8, ge=2)
    token: str = "<|unknown|>"
    """z: a token of the vocabulary that no text has."""
    beta: float = Field(0.25, gt=0.0)
    constant: float | None = Field(None, le=0.0)
    """c; None: measured on the first round's answers."""
    coefficient: float = Field(0.1, ge=0.0)
    """Weight of the score's loss; 0 is plain reinforcement."""
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
        if self.token not in ctx.policies["solver"].tokenizer.inner.get_vocab():
            raise SettingError(f"token = {self.token!r}: the model's vocabulary has no such token")

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        for group in groups:
            group.reward(correct=[ctx.world.verify(group.task, answer) for answer in group.answers])
        z, constant = self.reserved(ctx), self.offset(ctx, groups)
        scores = last_token_scores(ctx.policies["solver"], groups, z, self.beta, constant)
        center(groups, "std")
        if ctx.round > self.blend_after:
            for group in groups:
                blend_scores(group, scores, self.blend, self.filter)
        examples = [example(rollout, part="policy") for group in groups for rollout in group]
        if ctx.round > self.score_after and self.coefficient:
            examples += score_examples([rollout for group in groups for rollout in group if rollout.id in scores], z)
        score = TokenScore(beta=self.beta, offset=constant)
        objective = Mixture(terms={"policy": Term(objective=self.objective), "score": Term(objective=score, coefficient=self.coefficient)})
        ctx.learn("solver", examples, objective, self.updates)
        ctx.log(**{f"score/{name}": value for name, value in verification(groups, scores).items()})

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        groups = await ctx.sample("solver", tasks, n=self.group_size)
        for group in groups:
            group.reward(correct=[ctx.world.verify(group.task, answer) for answer in group.answers])
        scores = last_token_scores(ctx.policies["solver"], groups, self.reserved(ctx), self.beta, self.offset(ctx, groups))
        metrics = {f"probe/score/{name}": value for name, value in verification(groups, scores).items()}
        for name, weights in (("majority", dict.fromkeys(scores, 1.0)), ("weighted", scores)):
            metrics[f"probe/score/{name}"] = fmean(ctx.world.verify(group.task, weighted_vote(group, weights)) for group in groups)
        return metrics

    def reserved(self, ctx: Context) -> int:
        """The id of z."""
        return int(ctx.policies["solver"].tokenizer.inner.get_vocab()[self.token])

    def offset(self, ctx: Context, groups: Sequence[Group]) -> float:
        """c, measured once with the weights as the run began."""
        if self.constant is not None:
            return self.constant
        if "constant" not in ctx.state:
            found = last_token_scores(ctx.start("solver"), groups, self.reserved(ctx), 1.0, 0.0)
            ctx.state["constant"] = fmean(found.values()) if found else 0.0
        ctx.log(**{"score/constant": ctx.state["constant"]})
        return float(ctx.state["constant"])


def last_token_scores(policy: Policy, groups: Sequence[Group], z: int, beta: float, constant: float) -> dict[str, float]:
    """beta (log p(z | x, y) - constant) at temperature 1 by rollout, of the rollouts that were not cut off."""
    ended = [rollout for group in groups for rollout in group if not rollout.truncated]
    found = policy.scores([[*rollout.tokens, z] for rollout in ended], [len(rollout.tokens) for rollout in ended])
    return {rollout.id: beta * (float(score.logprobs[0]) - constant) for rollout, score in zip(ended, found, strict=True)}


def score_examples(rollouts: Sequence[Rollout], z: int) -> list[Example]:
    """z after each rollout as the one target, to score the reward "correct"; right and wrong rollouts weigh the same in sum."""
    counts = Counter(rollout.rewards["correct"] for rollout in rollouts)
    return [
        Example(
            rollout=rollout.id,
            tokens=[*rollout.tokens, z],
            mask=[0.0] * len(rollout.tokens) + [1.0],
            weight=len(rollouts) / (2 * counts[rollout.rewards["correct"]]),
            part="score",
            extra={"target": rollout.rewards["correct"]},
        )
        for rollout in rollouts
    ]


def blend_scores(group: Group, scores: dict[str, float], share: float, least: float) -> None:
    """(1 - share) A + share A' as the group's advantages; a rollout that was cut off scores 0."""
    clamped = [min(max(scores.get(rollout.id, 0.0), 0.0), 1.0) for rollout in group]
    mean = fmean(clamped)
    spread = (sum((value - mean) ** 2 for value in clamped) / max(len(clamped) - 1, 1)) ** 0.5
    if spread > least:
        for rollout, own in zip(group, standardize(clamped, divide=True), strict=True):
            assert isinstance(rollout.advantage, float)
            rollout.advantage = (1 - share) * rollout.advantage + share * own


def verification(groups: Sequence[Group], scores: dict[str, float]) -> Metrics:
    """Of the scored rollouts, taking a score above 1/2 for "right": the share told rightly, of all, of the right and of the wrong ones, and the
    harmonic mean of the last two, 0 where one is 0 or missing."""
    told: dict[bool, list[bool]] = defaultdict(list)
    for group in groups:
        for rollout in group:
            if rollout.id in scores:
                right = rollout.rewards["correct"] > 0.5
                told[right].append((scores[rollout.id] > 0.5) == right)
    shares = {right: fmean(told[right]) if told[right] else 0.0 for right in (True, False)}
    both = [*told[True], *told[False]]
    balanced = sum(shares.values())
    return {
        "accuracy": fmean(both) if both else 0.0,
        "right": shares[True],
        "wrong": shares[False],
        "f1": 2 * shares[True] * shares[False] / balanced if balanced else 0.0,
    }


def weighted_vote(group: Group, weights: dict[str, float]) -> str | None:
    """The answer with the largest sum of weights, clamped to 0..1, of the rollouts that gave it; of equals the first. None without any."""
    sums: dict[str, float] = {}
    for rollout in group:
        if rollout.answer is not None and rollout.id in weights:
            sums[rollout.answer] = sums.get(rollout.answer, 0.0) + min(max(weights[rollout.id], 0.0), 1.0)
    return max(sums, key=lambda answer: sums[answer]) if sums else None
