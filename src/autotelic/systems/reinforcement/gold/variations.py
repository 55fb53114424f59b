"""Policy gradients on verified answers in other forms: other surrogates and scales, other rewards, sets instead of samples, a teacher."""

from collections.abc import Sequence
from math import comb
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from autotelic.learning.advantages import Scale, center, over_sets
from autotelic.learning.examples import example
from autotelic.learning.learner import Updates
from autotelic.learning.objectives import PolicyGradient
from autotelic.measures.metrics import Metric
from autotelic.rewards.graded import prefix_share, staged
from autotelic.rewards.lengths import effort, soft_overlong
from autotelic.rounds.context import Context
from autotelic.systems import checks
from autotelic.systems.base import variation
from autotelic.systems.reinforcement.gold.recipe import GoldVerifier
from autotelic.types import Group, Rollout, Sampling

FOUR = Updates(batch_size=128)
"""Four updates on the 512 samples of a round, as papers on surrogates make them."""


def sampled(rollout: Rollout) -> int:
    """How many tokens of a rollout were sampled."""
    return sum(len(turn.tokens) for turn in rollout.actions)


@variation(name="dr-grpo", system="Dr. GRPO", paper="arXiv:2503.20783")
class WithoutBiases(GoldVerifier):
    """GRPO without its two divisions: by the standard deviation of a group, and by the length of an answer.

    Formula: advantage: reward minus the group's mean; loss: sum over tokens of -min(r A, clip(r) A), over the number of answers times a constant, the longest
    answer; r the ratio to the policy that sampled, clipped at .2 on both sides.
    Ends: a group all right or all wrong carries no signal.
    Fails: as plain reinforcement does, by losing variety; pass@k falls.
    Differs: 8 answers to each of 128 questions in one update; here 16 to each of 32 in four.
    """

    updates: Updates = FOUR
    objective: PolicyGradient = PolicyGradient(aggregation="constant", constant=96)


@variation(name="dapo", system="DAPO", paper="arXiv:2503.14476")
class DecoupledClip(GoldVerifier):
    """GRPO with more room for ratios above 1 than below, one mean over all tokens, and a price for answers that are nearly too long.

    Formula: reward = 1 for a right answer, plus half the soft overlong punishment, 0 up to `cache` tokens below the limit, then linearly down to -1; the
    advantage is (reward - mean) / std, ratios are clipped at 1 - .2 and 1 + .28, and answers that were cut off are not trained on.
    Ends: a group all right or all wrong carries no signal but that of lengths.
    Fails: by losing variety, later than with equal clips; pass@k and entropy fall.
    Differs: the authors draw further questions until enough groups are mixed; here the others are only left without a signal. They pay 1 and -1, which is
    the same for half the punishment, as advantages are divided by the deviation.
    """

    scale: Scale = "std"
    cache: int = Field(16, ge=1)
    """Tokens below the limit on new tokens at which the punishment begins."""
    updates: Updates = FOUR
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28, overlong="drop")

    @model_validator(mode="after")
    def _room(self) -> Self:
        if self.cache > self.sampling.max_tokens:
            raise ValueError(f"cache = {self.cache} is more than sampling.max_tokens = {self.sampling.max_tokens}")
        return self

    def reward(self, ctx: Context, group: Group) -> None:
        super().reward(ctx, group)
        group.reward(overlong=[soft_overlong(sampled(rollout), self.sampling.max_tokens, self.cache) / 2 for rollout in group])


@variation(name="gspo", system="GSPO", paper="arXiv:2507.18071")
class WholeSequences(GoldVerifier):
    """GRPO whose ratios are those of whole answers, so that several updates on one batch hold back whole answers and not single tokens.

    Formula: r = (p(answer) / behavior p(answer))^(1 / tokens); loss: mean over answers of -min(r A, clip(r, 1 - 3e-4, 1 + 4e-4) A); advantage: (reward -
    mean) / std.
    Ends: a group all right or all wrong carries no signal. In the first of the updates all ratios are 1.
    Fails: with clips as narrow as these many answers are held back; clip_ratio/region_mean shows how many.
    Differs: groups and batches of another size; the four updates on a batch are the paper's.
    """

    scale: Scale = "std"
    updates: Updates = FOUR
    objective: PolicyGradient = PolicyGradient(level="sequence", aggregation="sequence", clip_low=3e-4, clip_high=4e-4)


@variation(name="cispo", system="CISPO (MiniMax-M1)", paper="arXiv:2506.13585")
class ClippedWeights(GoldVerifier):
    """GRPO that clips the weight of a token and never its gradient, so that rare tokens keep learning after the first of several updates.

    Formula: loss = - mean over all tokens of stop(min(r, 1 + clip_high)) A log p, with r the ratio to the policy that sampled; advantage: (reward - mean) /
    std.
    Ends: a group all right or all wrong carries no signal. In the first of the updates all ratios are 1, and this is REINFORCE.
    Fails: nothing holds a token back that moves far in one direction; kl to the start and the sampler gap show it.
    Differs: the paper does not state its cap; 5 is the one that ScaleRL (arXiv:2510.13786) found. It makes 16 updates on a batch, here four.
    """

    scale: Scale = "std"
    updates: Updates = FOUR
    objective: PolicyGradient = PolicyGradient(surrogate="cispo", clip_high=4.0)


@variation(name="sapo", system="SAPO", paper="arXiv:2511.20347")
class SoftGates(GoldVerifier):
    """GRPO with a soft gate in the place of the clip: the further a token has moved, the less it still learns.

    Formula: loss = - mean over answers of token means of f(r) A, f(r) = 4 / t sigmoid(t (r - 1)), with t = 1 where A > 0 and 1.05 elsewhere; advantage:
    (reward - mean) / std.
    Ends: a group all right or all wrong carries no signal. In the first of the updates all ratios are 1, where f is as steep as r.
    Fails: gates that are too flat hold nothing back; clip_ratio/region_mean does not say so, as nothing is clipped.
    Differs: groups and batches of another size; the four updates on a batch are the paper's.
    """

    scale: Scale = "std"
    updates: Updates = FOUR
    objective: PolicyGradient = PolicyGradient(surrogate="sapo", gates=(1.0, 1.05), aggregation="sequence")


@variation(name="rlsp", system="RLSP", paper="arXiv:2502.06773", catalogue=(100,), proxy="reward")
class PaidForEffort(GoldVerifier):
    """Beside the right answer, length is paid for: thinking that is too short costs more the shorter it is.

    Formula: reward = 1 for a right answer, 0 for a wrong one, -.5 for none, minus `enough` / tokens, which is 1 at `enough` tokens; with `bounded`, plus
    1 - min(1, enough / tokens) instead. Advantage: reward minus the group's mean.
    Ends: all answers equally long and equally right carry no signal. An answer without a token counts as one token long; in the authors' code it is worth 0,
    more than a right answer.
    Fails: by padding; completions/mean_length rises and the probe does not. Until texts have about `enough` tokens, length is most of the reward.
    Differs: PPO with a value model in the paper; tokens are counted, not a quarter of the characters before the first answer. The judge of effort, by
    which part of the paper's runs are paid, is left out.
    """

    enough: int = Field(24, ge=1)
    """Tokens; 1000 in the paper."""
    bounded: bool = False
    sampling: Sampling = Sampling(temperature=0.7, max_tokens=96)
    objective: PolicyGradient = PolicyGradient(kl=0.05)

    def reward(self, ctx: Context, group: Group) -> None:
        super().reward(ctx, group)
        group.reward(answered=[-0.5 * (answer is None) for answer in group.answers])
        group.reward(effort=[effort(sampled(rollout), self.enough, self.bounded) for rollout in group])


@variation(name="verireason", system="VeriReason", paper="arXiv:2505.11849", catalogue=(61,), proxy="rewards/staged/mean")
class StagedReward(GoldVerifier):
    """A wrong answer is worth something, more so the more of the reference solution its text follows.

    Formula: reward = 2.1 for a right answer, else .1 plus the likeness of the text to the gold solution, 0 to 1, and 0 for no answer; advantage: (reward -
    mean) / std.
    Ends: a group all right, or all equally like the solution, carries no signal.
    Fails: where solutions have many right forms, likeness to one of them pulls away from others; rewards/staged/mean rises and the probe does not.
    Differs: likeness is the share of the gold solution that a text follows before it first departs from it, where the authors compare parts of circuits; the
    bonus for the form of thoughts, the supervised stage before and the repetition penalty in sampling are left out.
    """

    group_size: int = Field(8, ge=2)
    scale: Scale = "std"
    sampling: Sampling = Sampling(temperature=0.5, max_tokens=96)

    def reward(self, ctx: Context, group: Group) -> None:
        gold = ctx.world.gold(group.task)
        right = [ctx.world.verify(group.task, answer) == 1.0 for answer in group.answers]
        likeness = [prefix_share(rollout.text, gold) for rollout in group]
        group.reward(staged=[staged(r.answer is not None, good, like) for r, good, like in zip(group, right, likeness, strict=True)])


@variation(name="polychromic", system="Polychromic PPO", paper="arXiv:2509.25424", catalogue=(341,), model="countdown-steps", tasks="countdown-steps")
class SetsOfAnswers(GoldVerifier):
    """Sets of answers are rewarded, for being right and for being different, and every answer of a set shares its reward.

    Formula: worth of a set of `set_size` answers = share that is right x share of different ones; A(i) = mean worth of the sets that hold answer i, minus the
    mean worth of all sets of the group.
    Ends: a group all wrong carries no signal; one all right carries that of variety, until all are equal.
    Fails: wrong answers count as different too, so that on tasks with one right answer it pays for wrong variety; pass@1 falls.
    Differs: plain sampling of groups from the prompt, where the paper also starts anew from states along the way; a baseline of the group instead of a value
    model, and no KL to the policy that sampled, which is the one that learns.
    """

    group_size: int = Field(8, ge=2)
    set_size: int = Field(4, ge=2)
    sampling: Sampling = Sampling(max_tokens=40)

    @model_validator(mode="after")
    def _countable(self) -> Self:
        if not self.set_size < self.group_size or comb(self.group_size, self.set_size) > 20_000:
            raise ValueError(f"set_size = {self.set_size} must be below group_size = {self.group_size}, with at most 20000 sets in a group")
        if self.scale != "none":
            raise ValueError(f"scale = {self.scale!r}: what a set is worth is compared with other sets and divided by nothing")
        return self

    def learn(self, ctx: Context, groups: Sequence[Group]) -> None:
        for group in groups:
            values = over_sets([rollout.rewards["correct"] for rollout in group], group.answers, self.set_size)
            for rollout, value in zip(group, values, strict=True):
                rollout.advantage = value
        ctx.learn("solver", groups, self.objective, self.updates)


@variation(name="kdrl", system="KDRL", paper="arXiv:2506.02208", catalogue=(52,), family="distillation")
class TaughtAndRewarded(GoldVerifier):
    """Reinforcement and a teacher at once: right answers are rewarded, and the policy is pulled towards a better model's on what it says itself.

    Formula: loss = policy gradient with advantages (reward - mean) / std, plus b KL(policy || teacher), a mean over the policy's own tokens by the estimator
    k2, whose gradient is that of the divergence; b falls linearly from `objective.kl` to `last_kl` over the rounds. `where` leaves the term to wrong answers,
    or to groups without a right one.
    Ends: a group all right or all wrong still learns from the teacher.
    Fails: by the teacher's errors; with a large b the policy ends where the teacher is.
    Differs: coefficients are per token, and the published .005 to .001 does nothing to answers of 40 tokens; these are chosen here. The paper's teacher is
    of another size than the student.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (Metric("teacher/coefficient", "number", "b: weight of the divergence from the teacher in this round"),)

    teacher: str = "chain-good"
    """Shipped base, model folder or hub name, of the same vocabulary as the model."""
    last_kl: float = Field(0.2, ge=0.0)
    where: Literal["everywhere", "wrong", "failed"] = "everywhere"
    scale: Scale = "std"
    objective: PolicyGradient = PolicyGradient(kl=1.0, kl_estimator="k2")

    def policies(self) -> dict[str, str | None]:
        return {"teacher": self.teacher}

    def setup(self, ctx: Context) -> None:
        checks.same_vocabulary(ctx.policies["solver"], ctx.policies["teacher"], f"teacher = {self.teacher!r}")

    def learn(self, ctx: Context, groups: Sequence[Group]) -> None:
        done = min((ctx.round - 1) / max(self.rounds - 1, 1), 1.0)
        coefficient = self.objective.kl + (self.last_kl - self.objective.kl) * done
        ctx.log(**{"teacher/coefficient": coefficient})
        data = [example(rollout, kl=None if self.taught(rollout, group) else {0: 0.0}) for group in center(groups, self.scale) for rollout in group]
        ctx.learn("solver", data, self.objective.model_copy(update={"kl": coefficient}), self.updates, reference=ctx.policies["teacher"])

    def taught(self, rollout: Rollout, group: Group) -> bool:
        """Whether the teacher says something about a rollout."""
        right = [one.rewards["correct"] > 0 for one in ([rollout] if self.where == "wrong" else group.rollouts)]
        return self.where == "everywhere" or not any(right)
