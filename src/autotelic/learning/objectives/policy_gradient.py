"""The clipped policy gradient with its usual additions, and the named KL estimators."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from autotelic.learning.objectives.base import Batch, Objective, Totals
from autotelic.networks.scoring import Scores
from autotelic.types import Example, Metrics

Estimator = Literal["k1", "k2", "k3"]


def kl_terms(logprobs: Tensor, reference: Tensor, estimator: Estimator) -> Tensor:
    """Per-token estimates of KL(policy || reference) from samples of the policy (Schulman, "Approximating KL Divergence", 2020).

    With d = log p - log ref: k1 = d (unbiased, noisy), k2 = d^2 / 2 (biased; its gradient is that of KL), k3 = exp(-d) - 1 + d (unbiased, >= 0;
    verl's low_var_kl).
    """
    d = logprobs - reference
    if estimator == "k1":
        return d
    return d.square() / 2 if estimator == "k2" else (-d).exp() - 1 + d


class PolicyGradient(Objective):
    """-min(r A, clip(r, 1 - clip_low, 1 + clip_high) A) + kl KL - entropy H, with r = p(token) / behavior p(token): PPO's surrogate
    (arXiv:1707.06347); clip_high above clip_low as in DAPO (arXiv:2503.14476).

    With one update per batch r is 1 and this is plain REINFORCE with whatever baseline made the advantage. Degenerate case: all advantages 0 and
    no KL or entropy term, where the rows are skipped.
    """

    clip_low: float = Field(0.2, ge=0.0)
    clip_high: float = Field(0.2, ge=0.0)
    aggregation: Literal["token", "sequence", "constant"] = "token"
    """Mean over all tokens (DAPO); mean over sequences of token means (GRPO); sum over `constant` tokens a sequence (Dr. GRPO)."""
    constant: int = Field(64, ge=1)
    """Divisor of the "constant" aggregation, in tokens: the longest completion, as a rule."""
    kl: float = Field(0.0, ge=0.0)
    """Coefficient of the KL to the reference policy that `learn` is given."""
    kl_estimator: Estimator = "k3"
    entropy: float = Field(0.0, ge=0.0)
    """Coefficient of the entropy bonus."""
    staleness: int = Field(0, ge=0)
    """Updates that the policy may be ahead of the version that sampled a row when learning begins."""
    allow_off_policy: bool = False
    """Take rows without behavior log-probabilities, with r = 1. Their gradient is biased."""

    @property
    def needs_reference(self) -> bool:
        return self.kl > 0

    @property
    def skips_rows_without_advantage(self) -> bool:
        return self.kl == 0 and self.entropy == 0

    def refuse(self, item: Example, version: int) -> str | None:
        if item.advantage is None:
            return "it has no advantage"
        if item.old_logprobs is None or item.version is None:
            return None if self.allow_off_policy else "it is off-policy: it was not sampled as it stands (allow_off_policy lets it in)"
        behind = version - item.version
        return f"it is off-policy: {behind} updates old, and staleness allows {self.staleness}" if behind > self.staleness else None

    def loss(self, now: Scores, batch: Batch, totals: Totals) -> tuple[Tensor, Metrics]:
        old = torch.where(batch.sampled[:, None] > 0, batch.old, now.logprobs.detach())
        ratio = (now.logprobs - old).exp()
        clipped = ratio.clamp(1 - self.clip_low, 1 + self.clip_high)
        gain = torch.minimum(ratio * batch.advantage, clipped * batch.advantage)
        terms = -gain - self.entropy * now.entropy
        metrics = {
            "entropy": share(now.entropy, batch, totals),
            "clip_ratio/region_mean": share((ratio * batch.advantage > gain).float(), batch, totals),
        }
        if batch.reference is not None and self.kl:
            kl = kl_terms(now.logprobs, batch.reference, self.kl_estimator)
            terms = terms + self.kl * (kl if batch.kl is None else batch.kl * kl)
            metrics["kl"] = share(kl, batch, totals)
        return self.aggregate(terms, batch, totals), metrics

    def aggregate(self, terms: Tensor, batch: Batch, totals: Totals) -> Tensor:
        """Per-token terms (B, T) to a scalar."""
        sums = (terms * batch.mask).sum(1) * batch.weight
        if self.aggregation == "token":
            return sums.sum() / totals.tokens
        if self.aggregation == "sequence":
            return (sums / batch.mask.sum(1).clamp(min=1)).sum() / totals.sequences
        return sums.sum() / (totals.sequences * self.constant)


def share(values: Tensor, batch: Batch, totals: Totals) -> float:
    """This micro-batch's part of the token mean of `values` (B, T)."""
    return float((values.detach() * batch.mask).sum() / totals.tokens)
