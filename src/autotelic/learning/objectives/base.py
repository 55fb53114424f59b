"""What an objective sees and returns."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from autotelic.networks.scoring import Scores
from autotelic.types import Example, Metrics, Settings


@dataclass(slots=True)
class Totals:
    """Sizes of the whole optimizer step, so that the losses of its micro-batches add up to the loss of the step."""

    tokens: float
    """Target tokens, of rows skipped for want of signal too."""
    sequences: float
    pairs: float
    scored: float
    """Target tokens of the rows that are scored, skipped ones not counted: what means of metrics over tokens divide by."""
    parts: dict[str, "Totals"] = field(default_factory=dict)
    """The same of the rows of each part, for `Mixture`."""


@dataclass(slots=True)
class Batch:
    """One micro-batch as tensors. B rows, padded on the right to T tokens; (B, T) entries beside padding and prompts are 0."""

    tokens: Tensor
    mask: Tensor
    weight: Tensor
    """(B,)"""
    advantage: Tensor
    old: Tensor
    """Behavior log-probabilities; where a row has none, `sampled` is 0 there."""
    sampled: Tensor
    """(B,) 1.0 for rows with behavior log-probabilities."""
    reference: Tensor | None
    """Log-probabilities under the reference policy, for objectives that need one."""
    temperature: Tensor
    """(B,) at which the rows are scored."""
    chosen: Tensor
    """(P,) rows of the chosen sides; in pairs, row chosen[p] belongs with rejected[p]."""
    rejected: Tensor
    kl: Tensor | None = None
    """Multiples of the KL coefficient; None: 1 everywhere."""
    parts: tuple[str, ...] = ()
    """(B,) the part of a `Mixture` that each row belongs to."""
    extra: dict[str, Tensor] = field(default_factory=dict)
    """(B,) further numbers by name; NaN where a row has none."""
    shift: Tensor | None = None
    """(B,) what `Objective.shifts` found, for objectives that look ahead."""

    def select(self, rows: Tensor) -> "Batch":
        """Only these rows (K,) int64; the two sides of a pair must be in it together or not at all."""
        place = {row: i for i, row in enumerate(rows.tolist())}

        def sides(found: Tensor) -> Tensor:
            return torch.tensor([place[row] for row in found.tolist() if row in place], dtype=torch.int64, device=found.device)

        return replace(
            self, tokens=self.tokens[rows], mask=self.mask[rows], weight=self.weight[rows], advantage=self.advantage[rows], old=self.old[rows],
            sampled=self.sampled[rows], reference=None if self.reference is None else self.reference[rows], temperature=self.temperature[rows],
            chosen=sides(self.chosen), rejected=sides(self.rejected), kl=None if self.kl is None else self.kl[rows],
            parts=tuple(self.parts[row] for row in rows.tolist()), extra={name: values[rows] for name, values in self.extra.items()},
            shift=None if self.shift is None else self.shift[rows],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """A sequence as an objective that looks ahead sees it, before the gradient of a step: sums over its target tokens."""

    logprob: float
    """Of log-probabilities under the policy as it is now."""
    reference: float
    """The same under the reference; 0 for an objective that needs none."""
    tokens: int

    def size(self, by: Literal["logprob", "reference"], normalize: Literal["sum", "token"]) -> float:
        """One of the two as a sum, or as a mean over tokens."""
        total = self.logprob if by == "logprob" else self.reference
        return total / max(self.tokens, 1) if normalize == "token" else total


class Objective(Settings):
    """A loss. `loss` returns a scalar to minimize, normalized by `totals`, and metrics as sums that are normalized likewise."""

    @property
    def needs_reference(self) -> bool:
        """Whether the learner must score the rows under a reference policy first."""
        return False

    @property
    def skips_rows_without_advantage(self) -> bool:
        """Whether a row whose advantages are all 0 adds nothing to the gradient."""
        return False

    @property
    def looks_ahead(self) -> bool:
        """Whether the loss of a row depends on all rows of its step, so that the learner must score the step once more, before its gradient."""
        return False

    def scored_at(self, item: Example) -> float:
        """The temperature at which an example is scored, under the policy and the reference: that of sampling, which ratios of probabilities need."""
        return item.temperature

    def leaves_out(self, item: Example) -> bool:
        """Whether an example is not trained on, and counted nowhere."""
        return False

    def adds_nothing(self, item: Example) -> bool:
        """Whether an example adds nothing to the gradient, so that the learner may skip its row."""
        return self.skips_rows_without_advantage and item.advantage is not None and not any(item.advantage)

    def refuse(self, item: Example, version: int) -> str | None:
        """Why an example must not be trained on by a policy that is now at `version`; None when it may."""
        return None

    def asked(self, items: Sequence[Example]) -> list[Example]:
        """For an objective that looks ahead: the examples that it wants to see scored, by default the step's own."""
        return list(items)

    def shifts(self, items: Sequence[Example], seen: Sequence[Seen]) -> list[float]:
        """For an objective that looks ahead: one number for each of the step's examples, from what `asked` named."""
        raise NotImplementedError

    def loss(self, now: Scores, batch: Batch, totals: Totals) -> tuple[Tensor, Metrics]:
        """See the class."""
        raise NotImplementedError


class TextObjective(Objective):
    """An objective about a text, whoever wrote it: likelihoods, preferences and regressions, which score at a temperature of their own."""

    temperature: float | None = Field(1.0, gt=0.0)
    """At which the text is scored. None: at the one that it was sampled at."""

    def scored_at(self, item: Example) -> float:
        return item.temperature if self.temperature is None else self.temperature


def token_mean(values: Tensor, batch: Batch, totals: Totals) -> float:
    """This micro-batch's part of the mean of `values` (B, T) over the target tokens of all rows that are scored."""
    return float((values.detach() * (batch.mask != 0)).sum() / totals.scored)


def target_counts(batch: Batch) -> Tensor:
    """(B,) number of target tokens of each row, at least 1."""
    return (batch.mask != 0).sum(1).clamp(min=1)
