"""Regressions on log-probabilities of given tokens."""

from torch import Tensor

from autotelic.learning.objectives.base import Batch, TextObjective, Totals
from autotelic.networks.scoring import Scores
from autotelic.types import Example, Metrics


class TokenScore(TextObjective):
    """weight (beta (log p(target tokens) - offset) - target)^2, a mean over sequences: LaSeR's last-token score (arXiv:2510.14943).

    The example's mask names the tokens, one reserved token after a solution as a rule, and `Example.extra["target"]` the number that the
    score is to be.
    """

    beta: float = 0.1
    offset: float = -23.0

    def refuse(self, item: Example, version: int) -> str | None:
        return None if "target" in item.extra else "it has no extra['target']"

    def loss(self, now: Scores, batch: Batch, totals: Totals) -> tuple[Tensor, Metrics]:
        score = self.beta * ((now.logprobs * batch.mask).sum(1) - self.offset)
        error = (score - batch.extra["target"]).square()
        return (error * batch.weight).sum() / totals.sequences, {"score/error": float(error.detach().sum() / totals.sequences)}
