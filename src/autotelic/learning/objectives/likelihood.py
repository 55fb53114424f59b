"""Weighted negative log-likelihood, for supervised and filtered self-training, and its complement, for forgetting."""

from typing import Literal

import torch
from torch import Tensor

from autotelic.learning.objectives.base import Batch, Objective, Totals
from autotelic.learning.objectives.policy_gradient import share
from autotelic.networks.scoring import Scores
from autotelic.types import Metrics


class NLL(Objective):
    """-weight log p(target), a mean over all target tokens ("token") or over sequences of token sums ("sequence")."""

    aggregation: Literal["token", "sequence"] = "token"

    def terms(self, logprobs: Tensor) -> Tensor:
        """Log-probabilities of the targets to losses, entry by entry."""
        return -logprobs

    def loss(self, now: Scores, batch: Batch, totals: Totals) -> tuple[Tensor, Metrics]:
        summed = ((self.terms(now.logprobs) * batch.mask).sum(1) * batch.weight).sum()
        return summed / (totals.tokens if self.aggregation == "token" else totals.sequences), {"entropy": share(now.entropy, batch, totals)}


class Unlikelihood(NLL):
    """-weight log(1 - p(target)): makes given text less likely, most of all where it was likely (arXiv:1908.04319). Rare tokens are left as they are."""

    def terms(self, logprobs: Tensor) -> Tensor:
        return -torch.log1p(-logprobs.exp().clamp(max=1 - 1e-6))
