"""The policy gradient with its usual additions. The functions of the ratio are in `surrogates`, the estimators of KL in `kl`."""

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from autotelic.learning.objectives.base import Batch, Objective, Totals, target_counts, token_mean
from autotelic.learning.objectives.kl import Estimator, kl_terms
from autotelic.learning.objectives.surrogates import Level, cispo, clip, log_ratios, sapo
from autotelic.networks.scoring import Scores
from autotelic.types import Example, Metrics

Aggregation = Literal["token", "sequence", "constant"]


class PolicyGradient(Objective):
    """-min(r A, clip(r, 1 - clip_low, 1 + clip_high) A) + kl KL - entropy H, with r = p(token) / behavior p(token): PPO's surrogate
    (arXiv:1707.06347); clip_high above clip_low as in DAPO (arXiv:2503.14476).

    With one update per batch r is 1 and this is plain REINFORCE with whatever baseline made the advantage; `surrogate`, `level` and the clips matter from
    the second update on, and for samples of older weights. Degenerate case: all advantages 0 and no KL or entropy term, where the rows are skipped.
    """

    surrogate: Literal["clip", "cispo", "sapo"] = "clip"
    """How tokens whose probability has moved are held back. cispo: by a cap at 1 + clip_high; `clip_low` is not used. sapo: softly, by `gates`."""
    level: Level = "token"
    """Whose ratio r is: each token's own, its sequence's geometric mean (GSPO), or its sequence's product."""
    clip_low: float = Field(0.2, ge=0.0)
    clip_high: float = Field(0.2, ge=0.0)
    delta: float | None = Field(None, gt=1.0)
    """Largest ratio that counts where the advantage is negative, above 1 + clip_high: the two-sided clip."""
    gates: tuple[float, float] = (1.0, 1.05)
    """How steep the gate of sapo is where the advantage is positive, and elsewhere."""
    aggregation: Aggregation = "token"
    """Mean over all tokens (DAPO); mean over sequences of token means (GRPO); sum over `constant` tokens a sequence (Dr. GRPO)."""
    constant: int = Field(64, ge=1)
    """Divisor of the "constant" aggregation, in tokens: the longest completion, as a rule."""
    kl: float = Field(0.0, ge=0.0)
    """Coefficient of the KL to the reference policy that `learn` is given."""
    kl_estimator: Estimator = "k3"
    kl_corrected: bool = False
    """Multiply the estimate by r, so that its gradient is unbiased (DeepSeek-V3.2, arXiv:2512.02556; TRL's default). k1 has none without."""
    entropy: float = Field(0.0, ge=0.0)
    """Coefficient of the entropy bonus."""
    entropy_aggregation: Aggregation | None = None
    """How the bonus is aggregated, where that is not as the rest of the loss is."""
    overlong: Literal["keep", "drop"] = "keep"
    """Whether completions that ran into the limit on new tokens are trained on. Advantages count them either way (DAPO's overlong filtering)."""
    staleness: int = Field(0, ge=0)
    """Updates that the policy may be ahead of the version that sampled a row when learning begins."""
    allow_off_policy: bool = False
    """Take rows without behavior log-probabilities, with r = 1. Their gradient is biased."""

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.kl_estimator == "k1" and not self.kl_corrected:
            raise ValueError(
                "kl_estimator = 'k1' has an expected gradient of 0 as a term of a loss, whatever the reference: take 'k2' or 'k3', set kl_corrected, "
                "or put it into the reward (rewards.divergence)"
            )
        if self.delta is not None and (self.surrogate != "clip" or self.delta <= 1 + self.clip_high):
            raise ValueError(f"delta = {self.delta:g} belongs to the surrogate 'clip', and must be above 1 + clip_high = {1 + self.clip_high:g}")
        return self

    @property
    def needs_reference(self) -> bool:
        return self.kl > 0

    @property
    def skips_rows_without_advantage(self) -> bool:
        return self.kl == 0 and self.entropy == 0

    def leaves_out(self, item: Example) -> bool:
        return item.truncated and self.overlong == "drop"

    def refuse(self, item: Example, version: int) -> str | None:
        if item.advantage is None:
            return "it has no advantage"
        if item.old_logprobs is None or item.version is None:
            return None if self.allow_off_policy else "it is off-policy: it was not sampled as it stands (allow_off_policy lets it in)"
        behind = version - item.version
        return f"it is off-policy: {behind} updates old, and staleness allows {self.staleness}" if behind > self.staleness else None

    def loss(self, now: Scores, batch: Batch, totals: Totals) -> tuple[Tensor, Metrics]:
        old = torch.where(batch.sampled[:, None] > 0, batch.old, now.logprobs.detach())
        ratio = log_ratios(now.logprobs, old, batch.mask, self.level).exp()
        gain, held = self.gain(ratio, now.logprobs, batch.advantage)
        terms = -gain
        same = self.entropy_aggregation in (None, self.aggregation)
        if same:
            terms = terms - self.entropy * now.entropy
        metrics = {"entropy": token_mean(now.entropy, batch, totals), "clip_ratio/region_mean": token_mean(held.float(), batch, totals)}
        if batch.reference is not None and self.kl:
            kl = kl_terms(now.logprobs, batch.reference, self.kl_estimator)
            metrics["kl"] = token_mean(kl, batch, totals)
            kl = kl * ratio if self.kl_corrected else kl
            terms = terms + self.kl * (kl if batch.kl is None else batch.kl * kl)
        loss = self.aggregate(terms, batch, totals, self.aggregation)
        if not same and self.entropy_aggregation is not None:
            loss = loss - self.entropy * self.aggregate(now.entropy, batch, totals, self.entropy_aggregation)
        return loss, metrics

    def gain(self, ratio: Tensor, logprobs: Tensor, advantage: Tensor) -> tuple[Tensor, Tensor]:
        """What is to be maximized (B, T), and where the ratio was held back (B, T) bool."""
        if self.surrogate == "clip":
            return clip(ratio, advantage, self.clip_low, self.clip_high, self.delta)
        return cispo(ratio, logprobs, advantage, self.clip_high) if self.surrogate == "cispo" else sapo(ratio, advantage, *self.gates)

    def aggregate(self, terms: Tensor, batch: Batch, totals: Totals, how: Aggregation) -> Tensor:
        """Per-token terms (B, T) to a scalar."""
        sums = (terms * batch.mask).sum(1) * batch.weight
        if how == "token":
            return sums.sum() / totals.tokens
        if how == "sequence":
            return (sums / target_counts(batch)).sum() / totals.sequences
        return sums.sum() / (totals.sequences * self.constant)
