"""Weighted negative log-likelihood: supervised and filtered self-training."""

from typing import Literal

from torch import Tensor

from autotelic.learning.objectives.base import Batch, Objective, Totals
from autotelic.learning.objectives.policy_gradient import share
from autotelic.policies.scoring import Scores
from autotelic.types import Metrics


class NLL(Objective):
    """-weight log p(target), a mean over all target tokens ("token") or over sequences of token sums ("sequence")."""

    aggregation: Literal["token", "sequence"] = "token"

    def loss(self, now: Scores, batch: Batch, totals: Totals) -> tuple[Tensor, Metrics]:
        summed = ((-now.logprobs * batch.mask).sum(1) * batch.weight).sum()
        return summed / (totals.tokens if self.aggregation == "token" else totals.sequences), {"entropy": share(now.entropy, batch, totals)}
