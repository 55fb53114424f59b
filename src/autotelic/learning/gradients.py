"""The gradient of one optimizer step on some of its rows, micro-batch by micro-batch. Applies nothing."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from autotelic.errors import TrainingError
from autotelic.learning.batching import Row, micro_batches, tensors
from autotelic.learning.objectives.base import Batch, Objective, Seen, Totals
from autotelic.networks.decoder import Decoder
from autotelic.networks.operations import Precision
from autotelic.networks.scoring import score
from autotelic.policies.policy import Policy
from autotelic.types import Metrics


@dataclass(slots=True)
class Gap:
    """How far the sampler's log-probabilities are from the trainer's, in nats, over tokens sampled by the very weights that are trained."""

    total: float = 0.0
    tokens: int = 0
    most: float = 0.0

    def note(self, now: Tensor, batch: Batch, fresh: Sequence[bool]) -> None:
        """Add a micro-batch scored before any update; `fresh` rows were sampled by these weights, at the temperature of scoring."""
        wanted = (batch.mask != 0) & (batch.sampled[:, None] > 0) & torch.tensor(fresh, device=now.device)[:, None]
        gaps = (now.detach() - batch.old).abs()[wanted]
        if len(gaps):
            self.add(Gap(float(gaps.sum()), len(gaps), float(gaps.max())))

    def add(self, other: "Gap") -> None:
        """Take in another's tokens."""
        self.total, self.tokens, self.most = self.total + other.total, self.tokens + other.tokens, max(self.most, other.most)

    @property
    def metrics(self) -> Metrics:
        """Mean and largest, under TRL's names; nothing when no token counted."""
        if not self.tokens:
            return {}
        return {"sampling/sampling_logp_difference/mean": self.total / self.tokens, "sampling/sampling_logp_difference/max": self.most}


@dataclass(slots=True)
class Found:
    """What going through some rows found beside gradients, which add up in the parameters."""

    sums: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """The loss, and what the objective reports; they add up over micro-batches."""
    gap: Gap = field(default_factory=Gap)

    def add(self, other: "Found") -> None:
        """Take in what was found on other rows of the same step."""
        for name, value in other.sums.items():
            self.sums[name] += value
        self.gap.add(other.gap)


def accumulate(policy: Policy, rows: Sequence[Row], objective: Objective, totals: Totals, budget: int, precision: Precision, first: bool) -> Found:
    """Add the gradient of the objective over `rows` to the policy's parameters; `first`: no update has been made since they were sampled.

    Raises:
        TrainingError: the loss is not finite.
    """
    found = Found()
    for members in micro_batches(rows, budget, isinstance(policy.model, Decoder)):
        batch = tensors(members, policy.tokenizer.pad, policy.model.device)
        now = score(policy.model, batch.tokens, batch.temperature, batch.mask, precision)
        if first:
            fresh = [row.item.version == policy.version and row.temperature == row.item.temperature for row in members]
            found.gap.note(now.logprobs, batch, fresh)
        loss, reported = objective.loss(now, batch, totals)
        if not torch.isfinite(loss):
            names = ", ".join(row.item.rollout for row in members[:4])
            raise TrainingError(f"the loss is not finite ({float(loss.detach())}) on a batch with rollouts {names}; weights before it are kept")
        loss.backward()  # type: ignore[no-untyped-call]
        found.sums["loss"] += float(loss.detach())
        for name, value in reported.items():
            found.sums[name] += value
    return found


@torch.no_grad()
def look(policy: Policy, rows: Sequence[Row], budget: int, precision: Precision) -> list[Seen]:
    """What an objective that looks ahead sees of some rows, in their order."""
    found: dict[int, Seen] = {}
    for members in micro_batches(rows, budget, isinstance(policy.model, Decoder)):
        batch = tensors(members, policy.tokenizer.pad, policy.model.device)
        now = score(policy.model, batch.tokens, batch.temperature, batch.mask, precision)
        reference = torch.zeros_like(now.logprobs) if batch.reference is None else batch.reference
        sums = [(values * batch.mask).sum(1).tolist() for values in (now.logprobs, reference)]
        for row, logprob, known in zip(members, *sums, strict=True):
            found[id(row)] = Seen(logprob, known, sum(map(bool, row.item.mask)))
    return [found[id(row)] for row in rows]
