"""What an objective sees and returns."""

from dataclasses import dataclass, field, replace

import torch
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
    """(B,)"""
    chosen: Tensor
    """(P,) rows of the chosen sides; row chosen[p] belongs with rejected[p]."""
    rejected: Tensor
    kl: Tensor | None = None
    """Multiples of the KL coefficient; None: 1 everywhere."""
    parts: tuple[str, ...] = ()
    """(B,) the part of a `Mixture` that each row belongs to."""
    extra: dict[str, Tensor] = field(default_factory=dict)
    """(B,) further numbers by name."""

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
        )  # fmt: skip


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

    def adds_nothing(self, item: Example) -> bool:
        """Whether an example adds nothing to the gradient, so that the learner may skip its row."""
        return self.skips_rows_without_advantage and item.advantage is not None and not any(item.advantage)

    def refuse(self, item: Example, version: int) -> str | None:
        """Why an example must not be trained on by a policy that is now at `version`; None when it may."""
        return None

    def loss(self, now: Scores, batch: Batch, totals: Totals) -> tuple[Tensor, Metrics]:
        """See the class."""
        raise NotImplementedError
