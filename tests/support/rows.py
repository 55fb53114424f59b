"""Rows of several kinds of objectives on which ways to learn are compared."""

import torch
from torch import Tensor

from autotelic.learning.examples import pair, sided
from autotelic.learning.objectives import DPO, KTO, NLL, Objective, PolicyGradient
from autotelic.types import Example

KINDS = ("policy gradient", "likelihood", "pairs", "pairs by rank", "unpaired")


def examples(prompts: int = 5, group: int = 6) -> list[Example]:
    """Groups of completions of 1 to 30 random tokens; one row in three without advantage."""
    draw = torch.Generator().manual_seed(3)

    def tokens(count: int) -> list[int]:
        return torch.randint(5, 40, (count,), generator=draw).tolist()

    made = []
    for number in range(prompts):
        prompt = tokens(4 + 9 * number)
        for sample in range(group):
            completion = tokens(1 + (7 * sample + 11 * number) % 30)
            zeros, ones = [0.0] * len(prompt), [1.0] * len(completion)
            columns = {
                "mask": [*zeros, *ones],
                "advantage": [*zeros, *[float(sample % 3 - 1)] * len(ones)],
                "old_logprobs": [*zeros, *[-3.7] * len(ones)],
            }
            made.append(Example(f"{number}/{sample}", [*prompt, *completion], version=0, **columns))
    return made


def data(kind: str) -> tuple[list[Example], Objective]:
    rows = examples()
    if kind.startswith("pairs"):
        sides = [side for a, b in zip(rows[::2], rows[1::2], strict=True) for side in pair(a, b)]
        return sides, DPO(beta=0.3, kind="sigmoid" if kind == "pairs" else "aot")
    if kind == "unpaired":
        return sided(rows[::3], rows[1::3]), KTO(beta=0.3)
    return rows, PolicyGradient(clip_low=50.0, clip_high=50.0) if kind == "policy gradient" else NLL()


def apart(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())
