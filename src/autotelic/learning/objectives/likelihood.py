"""Weighted negative log-likelihood, for supervised and filtered self-training, and its complement, for forgetting."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from autotelic.learning.objectives.base import Batch, TextObjective, Totals, token_mean
from autotelic.networks.scoring import Scores
from autotelic.types import Metrics


class NLL(TextObjective):
    """-weight log p(target), a mean over all target tokens ("token") or over sequences of token sums ("sequence")."""

    aggregation: Literal["token", "sequence"] = "token"
    label_smoothing: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of each target's weight that is spread evenly over the vocabulary (arXiv:1512.00567)."""

    def terms(self, now: Scores) -> Tensor:
        """Losses (B, T), entry by entry."""
        if not self.label_smoothing:
            return -now.logprobs
        return (1 - self.label_smoothing) * -now.logprobs + self.label_smoothing * now.certainty

    def loss(self, now: Scores, batch: Batch, totals: Totals) -> tuple[Tensor, Metrics]:
        summed = ((self.terms(now) * batch.mask).sum(1) * batch.weight).sum()
        return summed / (totals.tokens if self.aggregation == "token" else totals.sequences), {"entropy": token_mean(now.entropy, batch, totals)}


class Unlikelihood(TextObjective):
    """-weight log(1 - p(target)), a mean over all target tokens: makes given text less likely, most of all where it was likely (arXiv:1908.04319).

    Rare tokens are left as they are.
    """

    def loss(self, now: Scores, batch: Batch, totals: Totals) -> tuple[Tensor, Metrics]:
        terms = -torch.log1p(-now.logprobs.exp().clamp(max=1 - 1e-6))
        return ((terms * batch.mask).sum(1) * batch.weight).sum() / totals.tokens, {"entropy": token_mean(now.entropy, batch, totals)}
