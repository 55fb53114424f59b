"""Two rows of three tokens on which losses are worked out by hand."""

from typing import Any

import torch
from torch import Tensor

from autotelic.learning.objectives import (
    Batch,
    Totals,
)
from autotelic.networks.scoring import Scores

MASK = torch.tensor([[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]])


TOTALS = Totals(tokens=3, sequences=2, pairs=1, scored=3)


def scores(logprobs: Tensor, entropy: Tensor | None = None) -> Scores:
    return Scores(logprobs, torch.zeros_like(logprobs) if entropy is None else entropy, torch.zeros_like(logprobs))


def batch(old: Tensor, advantage: Tensor | None = None, **changes: Any) -> Batch:
    none = torch.zeros(0, dtype=torch.int64)
    values: dict[str, Any] = {
        "tokens": torch.zeros_like(MASK, dtype=torch.int64), "mask": MASK, "weight": torch.ones(2),
        "advantage": torch.zeros_like(MASK) if advantage is None else advantage, "old": old, "sampled": torch.ones(2), "reference": None,
        "temperature": torch.ones(2), "chosen": none, "rejected": none,
    }  # fmt: skip
    return Batch(**{**values, **changes})


# Ratios 1.5 and .5 at advantage 1, and .5 at advantage -2: clipped above, not clipped, clipped below.
OLD = torch.tensor([[0.0, -1.0, -2.0], [0.0, -3.0, 0.0]])
