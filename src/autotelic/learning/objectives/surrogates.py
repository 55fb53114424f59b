"""How a policy gradient weighs tokens by the ratio r = p / behavior p: pure functions from ratios and advantages to what is to be maximized.

Each gives the gain (B, T) and where the ratio was held back (B, T) bool. Entries beside the target tokens mean nothing.
"""

from typing import Literal

import torch
from torch import Tensor

Level = Literal["token", "sequence", "sum"]


def log_ratios(logprobs: Tensor, old: Tensor, mask: Tensor, level: Level) -> Tensor:
    """(B, T) log r of each token ("token"), of its sequence by the mean over tokens ("sequence"), or by their sum ("sum").

    "sequence" is GSPO's length-normalized ratio (arXiv:2507.18071), which passes its gradient to each token alone, as in GSPO-token; where a sequence has
    one advantage, and its loss is a mean over its tokens, this is the gradient of GSPO. "sum" is the ratio of the probabilities of the whole
    sequences, as in RLOO with old samples; its gradient goes to all tokens.
    """
    gaps = logprobs - old
    if level == "token":
        return gaps
    targets = mask != 0
    summed = (gaps * targets).sum(1, keepdim=True)
    if level == "sum":
        return summed.expand_as(gaps)
    mean = summed / targets.sum(1, keepdim=True).clamp(min=1)
    return mean.detach() + (logprobs - logprobs.detach())


def clip(ratio: Tensor, advantage: Tensor, low: float, high: float, delta: float | None = None) -> tuple[Tensor, Tensor]:
    """min(r A, clip(r, 1 - low, 1 + high) A): PPO (arXiv:1707.06347). With `delta`, min(r, delta) for the first r, which bounds the loss where the
    advantage is negative and the ratio large: the two-sided clip of INTELLECT-2 (arXiv:2505.07291)."""
    free = (ratio if delta is None else ratio.clamp(max=delta)) * advantage
    gain = torch.minimum(free, ratio.clamp(1 - low, 1 + high) * advantage)
    return gain, ratio * advantage != gain


def cispo(ratio: Tensor, logprobs: Tensor, advantage: Tensor, high: float) -> tuple[Tensor, Tensor]:
    """min(r, 1 + high) A log p, the first factor without gradient: CISPO (arXiv:2506.13585). No token loses its gradient."""
    gain = ratio.clamp(max=1 + high).detach() * advantage * logprobs
    return gain, (ratio > 1 + high) & (advantage > 0)


def sapo(ratio: Tensor, advantage: Tensor, positive: float, negative: float) -> tuple[Tensor, Tensor]:
    """4 / tau sigmoid(tau (r - 1)) A, tau by the sign of the advantage: the soft gate of SAPO (arXiv:2511.20347). Its slope at r = 1 is A."""
    tau = torch.where(advantage > 0, positive, negative)
    return (tau * (ratio - 1)).sigmoid() * (4 / tau) * advantage, torch.zeros_like(ratio, dtype=torch.bool)
