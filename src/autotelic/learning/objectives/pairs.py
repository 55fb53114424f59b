"""Losses over pairs of completions of one prompt. All see the same two numbers a pair: how much more likely than under the reference each side is.

h = log p(y) - log ref(y), summed over the target tokens of y, or their mean; h_w for the chosen side, h_l for the rejected one. The formulas are in
`pair_losses`.
"""

from collections.abc import Sequence
from operator import sub
from statistics import fmean
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from autotelic.learning.objectives.base import Batch, Seen, TextObjective, Totals, target_counts
from autotelic.learning.objectives.pair_losses import LOOKING, PAIR_LOSSES, Divergence, PairLoss, divergence_score, rank_shifts
from autotelic.networks.scoring import Scores
from autotelic.types import Example, Metrics


class PairObjective(TextObjective):
    """The frame of a pair loss; a subclass gives `pair_loss`. A pair's weight multiplies its loss."""

    beta: float = Field(0.1, gt=0.0)
    normalize: Literal["sum", "token"] = "sum"
    """Whether h is a sum over the target tokens of a side, or their mean."""

    @property
    def needs_reference(self) -> bool:
        return True

    def refuse(self, item: Example, version: int) -> str | None:
        return "it is no side of a pair" if item.pair is None else None

    def pair_loss(self, chosen: Tensor, rejected: Tensor, now: Scores, batch: Batch) -> Tensor:
        """h_w and h_l (P,) to losses (P,)."""
        raise NotImplementedError

    def loss(self, now: Scores, batch: Batch, totals: Totals) -> tuple[Tensor, Metrics]:
        h = log_ratios(now, batch, self.normalize, self.needs_reference)
        chosen, rejected = h[batch.chosen], h[batch.rejected]
        losses = self.pair_loss(chosen, rejected, now, batch) * batch.weight[batch.chosen]
        won = (chosen > rejected).float() + (chosen == rejected).float() / 2
        return losses.sum() / totals.pairs, {
            "rewards/chosen": float(self.beta * chosen.detach().sum() / totals.pairs),
            "rewards/rejected": float(self.beta * rejected.detach().sum() / totals.pairs),
            "rewards/accuracies": float(won.sum() / totals.pairs),
            "rewards/margins": float(self.beta * (chosen - rejected).detach().sum() / totals.pairs),
        }


def log_ratios(now: Scores, batch: Batch, normalize: Literal["sum", "token"], reference: bool = True) -> Tensor:
    """(B,) h of each row; without a reference its log-probability alone."""
    logprobs = now.logprobs
    if reference:
        assert batch.reference is not None, "the learner scores the reference for objectives that need it"
        logprobs = logprobs - batch.reference
    summed = (logprobs * batch.mask).sum(1)
    return summed / target_counts(batch) if normalize == "token" else summed


class DPO(PairObjective):
    """Direct preference optimization (arXiv:2305.18290) and its kin: c f(h_w, h_l) + (1 - c) f(h_l, h_w), f by `kind`, by default -log sigmoid(beta (h_w - h_l)).

    c, the confidence that the chosen side is the better one, is `Example.extra["confidence"]` of the chosen side, 1 where there is none. Other methods
    are settings of this one: SimPO (arXiv:2405.14734) is `reference=False, normalize="token", beta=2, margin=1`; ORPO (arXiv:2403.07691) is
    `kind="odds", reference=False, normalize="token", nll=1`; cDPO is `label_smoothing`; ScPO (arXiv:2411.04109) is `nll=1`.
    """

    kind: Literal["sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "bco_pair", "apo_zero", "apo_down", "discopop", "aot", "odds"] = "sigmoid"
    """See `pair_losses`. bco_pair takes the mean of h over the step off every h. aot (arXiv:2406.05882) pairs the margins under the policy with those
    under the reference by rank within the step, instead of each with its own."""
    reference: bool = True
    """False: h is log p(y) alone."""
    divergence: Divergence = "reverse_kl"
    """Which divergence from the reference beta weighs (f-DPO): h becomes the derivative of its function."""
    margin: float = Field(0.0, ge=0.0)
    """How much beta (h_w - h_l) must exceed 0: SimPO's gamma."""
    label_smoothing: float = Field(0.0, ge=0.0, lt=0.5)
    """Chance that a label is the wrong way round: the confidence is no higher than 1 less this (conservative DPO)."""
    robust: bool = False
    """With `label_smoothing` e, ((1 - e) f(h_w, h_l) - e f(h_l, h_w)) / (1 - 2 e) instead, which is unbiased under such noise (arXiv:2403.00409)."""
    nll: float = Field(0.0, ge=0.0)
    """Coefficient of the chosen side's negative log-likelihood, a mean over its tokens, beside f."""

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.kind == "odds" and (self.reference or self.normalize != "token"):
            raise ValueError("kind = 'odds' is about the mean log-probability of a token: set reference = false and normalize = 'token'")
        if self.kind == "exo_pair" and self.label_smoothing:
            raise ValueError("kind = 'exo_pair' has a smoothing of its own: leave label_smoothing at 0")
        if self.divergence != "reverse_kl" and (self.looks_ahead or not self.reference):
            raise ValueError(f"divergence = {self.divergence!r} needs a reference, and no kind that depends on the whole step")
        if self.robust and not self.label_smoothing:
            raise ValueError("robust = true does nothing without label_smoothing above 0")
        return self

    @property
    def needs_reference(self) -> bool:
        return self.reference

    @property
    def looks_ahead(self) -> bool:
        return self.kind in LOOKING

    def refuse(self, item: Example, version: int) -> str | None:
        confidence = item.extra.get("confidence", 1.0)
        wrong = None if 0 <= confidence <= 1 else f"its extra['confidence'] is {confidence}, not between 0 and 1"
        return super().refuse(item, version) or wrong

    def shifts(self, items: Sequence[Example], seen: Sequence[Seen]) -> list[float]:
        policy, reference = ([each.size(by, self.normalize) for each in seen] for by in ("logprob", "reference"))
        if self.kind == "bco_pair":
            return [-fmean(map(sub, policy, reference))] * len(items)
        places = {(item.pair, item.side): place for place, item in enumerate(items)}
        pairs = [(place, places[pair, "rejected"]) for (pair, side), place in places.items() if side == "chosen"]
        margins = [[values[chosen] - values[rejected] for chosen, rejected in pairs] for values in (policy, reference)]
        shifts = dict(zip((chosen for chosen, _ in pairs), rank_shifts(*margins), strict=True))
        return [shifts.get(place, 0.0) for place in range(len(items))]

    def pair_loss(self, chosen: Tensor, rejected: Tensor, now: Scores, batch: Batch) -> Tensor:
        chosen, rejected = (divergence_score(h, self.divergence) for h in (chosen, rejected))
        if batch.shift is not None:
            chosen, rejected = chosen + batch.shift[batch.chosen], rejected + batch.shift[batch.rejected]
        if self.margin:
            chosen = chosen - self.margin / self.beta
        losses = self.labeled(PAIR_LOSSES[self.kind], chosen, rejected, batch)
        if not self.nll:
            return losses
        likelihood = (now.logprobs * batch.mask).sum(1) / target_counts(batch)
        return losses - self.nll * likelihood[batch.chosen]

    def labeled(self, loss: PairLoss, chosen: Tensor, rejected: Tensor, batch: Batch) -> Tensor:
        """The loss of either order of each pair, by how sure its label is."""
        if "confidence" not in batch.extra and not self.label_smoothing:
            return loss(chosen, rejected, self.beta)
        sure = batch.extra["confidence"][batch.chosen].nan_to_num(1.0) if "confidence" in batch.extra else torch.ones_like(chosen)
        right, wrong = 1 - self.label_smoothing, self.label_smoothing
        if self.robust:
            right, wrong = right / (right - wrong), -wrong / (right - wrong)
        share = sure * right + (1 - sure) * wrong
        return share * loss(chosen, rejected, self.beta) + (right + wrong - share) * loss(rejected, chosen, self.beta)


class SPPO(PairObjective):
    """1/2 [(h_w - (win_w - 1/2) / beta)^2 + (h_l - (win_l - 1/2) / beta)^2] (arXiv:2405.00675).

    Reads `Example.extra["win"]`, the estimated probability that the side beats the policy's own replies.
    """

    beta: float = Field(0.001, gt=0.0)

    def refuse(self, item: Example, version: int) -> str | None:
        return super().refuse(item, version) or (None if "win" in item.extra else "it has no extra['win']")

    def pair_loss(self, chosen: Tensor, rejected: Tensor, now: Scores, batch: Batch) -> Tensor:
        aims = (batch.extra["win"] - 0.5) / self.beta
        return ((chosen - aims[batch.chosen]).square() + (rejected - aims[batch.rejected]).square()) / 2
