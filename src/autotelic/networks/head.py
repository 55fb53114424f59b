"""The head of a large vocabulary in bf16: token scores of hidden states, with their gradients. Kernels of the CPU; no logits outlive their chunk."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import Function

from autotelic.native import kernels
from autotelic.networks.machine import multiplies_bf16

LEAST = 1 << 20
"""Weights from which on a head is large: below, it costs nothing beside the layers, and stays fp32."""
PANEL = 32
"""Outputs that are padded to a multiple of this, or of less."""


def suits(head: nn.Module, hidden: Tensor) -> bool:
    """Whether this module can take a head and hidden states (N, D), and gains by it."""
    if not isinstance(head, nn.Linear) or head.bias is not None or head.weight.numel() < LEAST or head.in_features % 2:
        return False
    return multiplies_bf16() and kernels.suits(hidden, head.weight)


def scores(hidden: Tensor, weight: Tensor, targets: Tensor, scale: Tensor, chunk: int) -> tuple[Tensor, Tensor, Tensor]:
    """log p(target), entropy and logsumexp - mean, each (N,) fp32, of the logits hidden (N, D) x weight (V, D) divided by scale (N,).

    Operands are rounded to bf16 and sums are fp32, as in the native engine. With gradients the probabilities are kept in bf16, (N, V), so that the way
    back needs two products and none again; it can be gone once. `chunk`: rows whose logits are alive at once.
    """
    return cast(tuple[Tensor, Tensor, Tensor], _apply(hidden, weight, targets, scale.contiguous(), chunk))


def _apply(*arguments: Any) -> Any:
    return _Head.apply(*arguments)  # type: ignore[no-untyped-call]


class _Head(Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, scale: Tensor, chunk: int) -> tuple[Tensor, Tensor, Tensor]:
        (n, d), v, threads = hidden.shape, len(weight), torch.get_num_threads()
        x, rounded = hidden.to(torch.bfloat16), weight.to(torch.bfloat16)
        packed = torch.empty(-(-v // PANEL) * PANEL * d, dtype=torch.bfloat16)
        kernels.call("head_pack", None, v, d // 2, threads, rounded, packed)
        logprobs, entropy, certainty, normalizer = found = [torch.empty(n) for _ in range(4)]
        shares = torch.empty(n, v, dtype=torch.bfloat16) if any(ctx.needs_input_grad) else None
        logits = torch.empty(min(chunk, n), v)
        for start in range(0, n, chunk):
            part = slice(start, min(start + chunk, n))
            rows = part.stop - start
            kernels.call("head_logits", None, rows, v, d // 2, threads, x[part], packed, logits)
            kernels.call("scores_forward", None, rows, v, threads, logits, targets[part], scale[part], *(column[part] for column in found))
            if shares is not None:
                kernels.call("head_shares", None, rows, v, threads, logits, scale[part], normalizer[part], shares[part])
        ctx.save_for_backward(x, weight, targets, scale, logprobs, entropy)
        ctx.shares = shares
        ctx.set_materialize_grads(False)
        return logprobs, entropy, certainty

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        x, weight, targets, scale, logprobs, entropy = ctx.saved_tensors
        dlogits, ctx.shares = ctx.shares, None  # written over
        given = (None if g is None else g.contiguous() for g in gradients)
        kernels.call("head_backward", None, *dlogits.shape, torch.get_num_threads(), dlogits, targets, scale, logprobs, entropy, *given)
        dhidden = (dlogits @ weight.to(torch.bfloat16)).float() if ctx.needs_input_grad[0] else None
        dweight = (dlogits.T @ x).float() if ctx.needs_input_grad[1] else None
        return dhidden, dweight, None, None, None
