"""The operations of a decoder's training step over packed tokens, with gradients: compiled kernels on the CPU, plain torch elsewhere.

N tokens. The residual stream is fp32. What goes in and out of matrix products is in the compute dtype: fp32, or bf16, where products take
operands rounded to bf16 and attention, norms and the gate still compute in fp32. Weights are fp32 always.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F

from autotelic.native import kernels
from autotelic.networks.packing import Packed

Precision = Literal["fp32", "bf16"]
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
Gradients = tuple[Any, ...]


def norm(x: Tensor, delta: Tensor | None, weight: Tensor, eps: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """s = x + delta (N, D) fp32, and s / rms(s) * weight in `dtype`. x is fp32, delta in `dtype`."""
    if kernels.suits(x, weight):
        return cast(tuple[Tensor, Tensor], _apply(_Norm, x, delta, weight, eps, dtype))
    s = x if delta is None else x + delta
    return s, F.rms_norm(s, (s.shape[-1],), weight, eps).to(dtype)


def gate(both: Tensor) -> Tensor:
    """silu(gate) * up (N, F) of rows that hold gate and up (N, 2 F)."""
    if kernels.suits(both):
        return cast(Tensor, _apply(_Gate, both))
    first, second = both.chunk(2, dim=-1)
    return F.silu(first) * second


def linear(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor] = ()) -> Tensor:
    """x (N, in) times the weights (out_i, in) laid one below the other, plus as many biases (out_i,) or none: (N, sum of out_i) in x's dtype.

    One product for all weights in either direction, with operands in x's dtype; gradients of weights are fp32.
    """
    return cast(Tensor, _apply(_Linear, x, len(weights), *weights, *biases))


@dataclass(frozen=True, slots=True)
class Heads:
    """How a row of queries, keys and values is divided: (query heads + 2 key heads) x head_dim."""

    query: int
    key: int
    size: int


def attend(qkv: Tensor, packed: Packed, heads: Heads, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary causal attention of each row to itself and what its tree's root holds: (N, query heads x head_dim) in qkv's dtype.

    cos, sin: (context, head_dim) fp32.
    """
    if kernels.suits(qkv) and heads.size <= kernels.WIDEST_HEAD:
        return cast(Tensor, _apply(_Attend, qkv, packed, heads, cos, sin))
    return _attend_plainly(qkv, packed, heads, cos, sin)


def token_scores(logits: Tensor, targets: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log p(target), entropy and logsumexp - mean, each (N,), of logits (N, V) fp32 divided by scale (N,)."""
    if kernels.suits(logits):
        return cast(tuple[Tensor, Tensor, Tensor], _apply(_Scores, logits, targets, scale))
    scaled = logits / scale[:, None]
    normalizer = scaled.logsumexp(-1)
    scores = scaled - normalizer[:, None]
    entropy = -(scores.exp() * scores).sum(-1)
    return scores.gather(1, targets[:, None])[:, 0], entropy, normalizer - scaled.mean(-1)


def _apply(function: Any, *arguments: Any) -> Any:
    return function.apply(*arguments)


class _Norm(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, delta: Tensor | None, weight: Tensor, eps: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        n, d = x.shape
        s = x if delta is None else torch.empty_like(x)
        y, r = torch.empty(n, d, dtype=dtype), torch.empty(n)
        kernels.call("norm_forward", dtype, n, d, torch.get_num_threads(), x, delta, weight, eps, s, y, r)
        ctx.save_for_backward(s, weight, r)
        ctx.adds, ctx.dtype = delta is not None, dtype
        ctx.set_materialize_grads(False)
        return s, y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Gradients:
        carried, dy = gradients
        assert dy is not None, "the normed value is always used"
        s, weight, r = ctx.saved_tensors
        dx = torch.empty_like(s)
        small = torch.empty_like(s, dtype=ctx.dtype) if ctx.adds and ctx.dtype != torch.float32 else None
        dweight = torch.empty_like(weight) if ctx.needs_input_grad[2] else None
        carried = None if carried is None else carried.contiguous()
        kernels.call("norm_backward", ctx.dtype, *s.shape, torch.get_num_threads(), s, weight, r, dy.contiguous(), carried, dx, small, dweight)
        return dx, (dx if small is None else small) if ctx.adds else None, dweight, None, None


class _Gate(Function):
    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        n, width = both.shape
        h = both.new_empty(n, width // 2)
        kernels.call("gate_forward", both.dtype, n, width // 2, torch.get_num_threads(), both, h)
        ctx.save_for_backward(both)
        return h

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (both,) = ctx.saved_tensors
        dboth = torch.empty_like(both)
        dh = gradients[0].contiguous()
        kernels.call("gate_backward", both.dtype, *dh.shape, torch.get_num_threads(), both, dh, dboth)
        return dboth


class _Linear(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, count: int, *tensors: Tensor) -> Tensor:
        weights, biases = tensors[:count], tensors[count:]
        weight = _joined(weights, x.dtype)
        ctx.save_for_backward(x if any(ctx.needs_input_grad[2 : 2 + count]) else None, *weights)
        ctx.sizes, ctx.biased = [len(w) for w in weights], bool(biases)
        return torch.addmm(torch.cat(biases).to(x.dtype), x, weight.T) if biases else x @ weight.T

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Gradients:
        x, *weights = ctx.saved_tensors
        dy = gradients[0]
        count = len(ctx.sizes)
        none: tuple[None, ...] = (None,) * count
        dx = dy @ _joined(weights, dy.dtype) if ctx.needs_input_grad[0] else None
        dweights = none if x is None else torch.split((dy.T @ x).float(), ctx.sizes)
        if not ctx.biased:
            return dx, None, *dweights
        return dx, None, *dweights, *(torch.split(dy.sum(0, dtype=torch.float32), ctx.sizes) if any(ctx.needs_input_grad[2 + count :]) else none)


def _joined(weights: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """Weights one below the other in `dtype`. Made again for the way back: kept, they would take as much as all weights do."""
    if len(weights) == 1:
        return weights[0].to(dtype)
    return torch.cat([weight.to(dtype) for weight in weights])


class _Attend(Function):
    @staticmethod
    def forward(ctx: Any, qkv: Tensor, packed: Packed, heads: Heads, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.shape = kernels.attention_shape(heads.query, heads.key, heads.size, packed.tree_at, packed.starts, cos, sin, packed.longest)
        ctx.alive = (packed, cos, sin)
        out = qkv.new_empty(len(qkv), heads.query * heads.size)
        log_sums = torch.empty(len(qkv), heads.query)
        kernels.call("attend_forward", qkv.dtype, ctx.shape, qkv, out, log_sums)
        ctx.save_for_backward(qkv, out, log_sums)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Gradients:
        qkv, out, log_sums = ctx.saved_tensors
        dqkv = torch.empty_like(qkv)
        kernels.call("attend_backward", qkv.dtype, ctx.shape, qkv, out, log_sums, gradients[0].contiguous(), dqkv)
        return dqkv, None, None, None, None


class _Scores(Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        n, v = logits.shape
        logprobs, entropy, certainty, normalizer = (torch.empty(n) for _ in range(4))
        scale = scale.contiguous()
        kernels.call("scores_forward", None, n, v, torch.get_num_threads(), logits, targets, scale, logprobs, entropy, certainty, normalizer)
        ctx.save_for_backward(logits, targets, scale, entropy, normalizer)
        ctx.set_materialize_grads(False)
        return logprobs, entropy, certainty

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Gradients:
        logits, targets, scale, entropy, normalizer = ctx.saved_tensors
        given = (None if g is None else g.contiguous() for g in gradients)
        dlogits = torch.empty_like(logits)
        threads = torch.get_num_threads()
        kernels.call("scores_backward", None, *logits.shape, threads, logits, targets, scale, entropy, normalizer, *given, dlogits)
        return dlogits, None, None


def _attend_plainly(qkv: Tensor, packed: Packed, heads: Heads, cos: Tensor, sin: Tensor) -> Tensor:
    """`attend` in torch: segments padded, roots and children apart. In fp32 on the CPU, where the backward pass in bf16 is several times slower."""
    split = (qkv.float() if qkv.device.type == "cpu" else qkv).view(len(qkv), -1, heads.size)
    q, k, v = torch.split(split, [heads.query, heads.key, heads.key], dim=1)
    cos, sin = (table[packed.positions][:, None].to(split.dtype) for table in (cos, sin))
    q, k = (x * cos + torch.cat([-x[..., heads.size // 2 :], x[..., : heads.size // 2]], dim=-1) * sin for x in (q, k))
    lengths, children = packed.starts.diff(), packed.children
    outputs, places = [], []
    for members, deep in ((~children, False), (children, True)):
        if not members.any():
            continue
        own, held = _padded(packed.starts[:-1][members], lengths[members], qkv.device)
        keys, mask = own, None
        if deep:
            before, there = _padded(packed.starts[packed.roots[members]], lengths[packed.roots[members]], qkv.device)
            causal = torch.ones(own.shape[1], own.shape[1], dtype=torch.bool, device=qkv.device).tril()
            keys = torch.cat([before, own], dim=1)
            mask = torch.cat([there[:, None].expand(-1, own.shape[1], -1), causal[None].expand(len(own), -1, -1)], dim=2)[:, None]
        queries, keyed, valued = (x[index].transpose(1, 2) for x, index in ((q, own), (k, keys), (v, keys)))
        out = F.scaled_dot_product_attention(queries, keyed, valued, mask, is_causal=not deep, enable_gqa=heads.query != heads.key)
        outputs.append(out.transpose(1, 2)[held].flatten(1))
        places.append(own[held])
    order = torch.cat(places)
    return (
        torch.zeros(len(qkv), heads.query * heads.size, dtype=split.dtype, device=qkv.device).index_copy(0, order, torch.cat(outputs)).to(qkv.dtype)
    )


def _padded(starts: Tensor, lengths: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Places (segments, longest) of each segment's tokens, and which of them are real; the others are some token's."""
    steps = torch.arange(int(lengths.max()))
    held = steps < lengths[:, None]
    return torch.where(held, starts[:, None] + steps, 0).to(device), held.to(device)
