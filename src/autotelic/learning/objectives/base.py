"""What an objective sees and returns."""

from dataclasses import dataclass, field

from torch import Tensor

from autotelic.policies.scoring import Scores
from autotelic.types import Example, Metrics, Settings


@dataclass(slots=True)
class Totals:
    """Sizes of the whole optimizer step, so that the losses of its micro-batches add up to the loss of the step."""

    tokens: float
    """Target tokens, of rows skipped for want of signal too."""
    sequences: float
    pairs: float


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
    extra: dict[str, Tensor] = field(default_factory=dict)
    """(B,) further numbers by name."""


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

    def refuse(self, item: Example, version: int) -> str | None:
        """Why an example must not be trained on by a policy that is now at `version`; None when it may."""
        return None

    def loss(self, now: Scores, batch: Batch, totals: Totals) -> tuple[Tensor, Metrics]:
        """See the class."""
        raise NotImplementedError
