"""Losses over pairs of completions of one prompt. All see the same two numbers a pair: how much more likely than under the reference each side is.

h = log p(y) - log ref(y), summed over the target tokens of y; h_w for the chosen side, h_l for the rejected one.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import logsigmoid

from autotelic.learning.objectives.base import Batch, Objective, Totals
from autotelic.networks.scoring import Scores
from autotelic.types import Example, Metrics


class PairObjective(Objective):
    """The frame of a pair loss; a subclass gives `pair_loss`. A pair's weight multiplies its loss."""

    beta: float = Field(0.1, gt=0.0)

    @property
    def needs_reference(self) -> bool:
        return True

    def refuse(self, item: Example, version: int) -> str | None:
        return "it is no side of a pair" if item.pair is None else None

    def pair_loss(self, chosen: Tensor, rejected: Tensor, now: Scores, batch: Batch) -> Tensor:
        """Log-ratios h_w and h_l (P,) to losses (P,)."""
        raise NotImplementedError

    def loss(self, now: Scores, batch: Batch, totals: Totals) -> tuple[Tensor, Metrics]:
        assert batch.reference is not None, "the learner scores the reference for objectives that need it"
        ratios = ((now.logprobs - batch.reference) * batch.mask).sum(1)
        chosen, rejected = ratios[batch.chosen], ratios[batch.rejected]
        losses = self.pair_loss(chosen, rejected, now, batch) * batch.weight[batch.chosen]
        won = (chosen > rejected).float()
        return losses.sum() / totals.pairs, {
            "rewards/chosen": float(self.beta * chosen.detach().sum() / totals.pairs),
            "rewards/rejected": float(self.beta * rejected.detach().sum() / totals.pairs),
            "rewards/accuracies": float(won.sum() / totals.pairs),
            "rewards/margins": float(self.beta * (chosen - rejected).detach().sum() / totals.pairs),
        }


class DPO(PairObjective):
    """-log sigmoid(beta (h_w - h_l)) (arXiv:2305.18290)."""

    def pair_loss(self, chosen: Tensor, rejected: Tensor, now: Scores, batch: Batch) -> Tensor:
        return -logsigmoid(self.beta * (chosen - rejected))


class IPO(PairObjective):
    """(h_w - h_l - 1 / (2 beta))^2 (arXiv:2310.12036), on token sums as in the paper."""

    def pair_loss(self, chosen: Tensor, rejected: Tensor, now: Scores, batch: Batch) -> Tensor:
        return (chosen - rejected - 1 / (2 * self.beta)).square()


class SPIN(PairObjective):
    """l(beta (h_gold - h_own)), with l logistic or hinge max(0, 1 - x), against the policy at the start of the iteration (arXiv:2401.01335)."""

    kind: Literal["logistic", "hinge"] = "logistic"

    def pair_loss(self, chosen: Tensor, rejected: Tensor, now: Scores, batch: Batch) -> Tensor:
        margin = self.beta * (chosen - rejected)
        return -logsigmoid(margin) if self.kind == "logistic" else torch.relu(1 - margin)


class SPPO(PairObjective):
    """1/2 [(h_w - (win_w - 1/2) / beta)^2 + (h_l - (win_l - 1/2) / beta)^2] (arXiv:2405.00675).

    Reads `Example.extra["win"]`, the estimated probability that the side beats the policy's own replies.
    """

    beta: float = Field(0.001, gt=0.0)

    def refuse(self, item: Example, version: int) -> str | None:
        return super().refuse(item, version) or (None if "win" in item.extra else "it has no extra['win']")

    def pair_loss(self, chosen: Tensor, rejected: Tensor, now: Scores, batch: Batch) -> Tensor:
        win = batch.extra["win"]
        aims = (win - 0.5) / self.beta
        return ((chosen - aims[batch.chosen]).square() + (rejected - aims[batch.rejected]).square()) / 2


class ScPO(PairObjective):
    """-log sigmoid(beta (h_w - h_l)) - nll log p(y_w) / |y_w|, times the pair's weight (V_w - V_l) / k (arXiv:2411.04109)."""

    nll: float = Field(1.0, ge=0.0)
    """Weight of the length-normalized likelihood of the chosen side."""

    def pair_loss(self, chosen: Tensor, rejected: Tensor, now: Scores, batch: Batch) -> Tensor:
        likelihood = (now.logprobs * batch.mask).sum(1) / batch.mask.sum(1).clamp(min=1)
        return -logsigmoid(self.beta * (chosen - rejected)) - self.nll * likelihood[batch.chosen]
