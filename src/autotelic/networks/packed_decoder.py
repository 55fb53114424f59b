"""A `Decoder` over packed rows: what is trained and scored. The same network as `Decoder.hidden`, made of `operations`, without a cache."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from autotelic.networks.decoder import Attention, Decoder, Layer, RMSNorm
from autotelic.networks.four_bits import FourBitLinear
from autotelic.networks.lora import LoRALinear
from autotelic.networks.operations import DTYPES, Heads, Precision, attend, gate, linear, norm
from autotelic.networks.packing import Packed


def packed_hidden(model: Decoder, packed: Packed, precision: Precision) -> Tensor:
    """Last hidden states (N, D) fp32 of packed tokens; products of the layers in `precision`."""
    dtype, config = DTYPES[precision], model.config
    x, delta = cast(Tensor, model.model.embed_tokens(packed.tokens)), None
    again = model.recomputes and torch.is_grad_enabled()
    for layer in model.layers:
        x, delta = (
            checkpoint(through, model, layer, packed, dtype, x, delta, use_reentrant=False)
            if again
            else through(model, layer, packed, dtype, x, delta)
        )
    assert delta is not None
    return norm(x, delta.float(), model.model.norm.weight, config.norm_eps, torch.float32)[1]


def through(model: Decoder, layer: Layer, packed: Packed, dtype: torch.dtype, x: Tensor, delta: Tensor | None) -> tuple[Tensor, Tensor]:
    """One layer: the residual stream x (N, D) fp32 and what is yet to be added to it, in `dtype`, before and after."""
    config, attention = model.config, layer.self_attn
    heads = Heads(config.heads, config.kv_heads, config.head_dim)
    x, y = norm(x, delta, layer.input_layernorm.weight, config.norm_eps, dtype)
    qkv = project([attention.q_proj, attention.k_proj, attention.v_proj], y)
    if config.qk_norm:
        qkv = norm_heads(qkv, attention, heads)
    delta = project([attention.o_proj], attend(qkv, packed, heads, model.cos, model.sin))
    x, y = norm(x, delta, layer.post_attention_layernorm.weight, config.norm_eps, dtype)
    return x, project([layer.mlp.down_proj], gate(project([layer.mlp.gate_proj, layer.mlp.up_proj], y)))


def project(modules: Sequence[nn.Module], x: Tensor) -> Tensor:
    """x (N, in) through linear layers or adapted ones, side by side: (N, sum of outs) in x's dtype."""
    if all(isinstance(module, nn.Linear) for module in modules):
        layers = cast(Sequence[nn.Linear], modules)
        return linear(x, [layer.weight for layer in layers], [layer.bias for layer in layers if layer.bias is not None])
    return torch.cat([adapted(module, x) if isinstance(module, LoRALinear) else project([module], x) for module in modules], dim=1)


def adapted(module: LoRALinear, x: Tensor) -> Tensor:
    """base(x) + B A x * scale."""
    base = module.base(x) if isinstance(module.base, FourBitLinear) else project([module.base], x)
    return cast(Tensor, base) + linear(linear(x, [module.lora_A]), [module.lora_B]) * module.scale


def norm_heads(qkv: Tensor, attention: Attention, heads: Heads) -> Tensor:
    """Queries and keys normed head by head, as in Qwen3."""
    q, k, v = torch.split(qkv, [heads.query * heads.size, heads.key * heads.size, heads.key * heads.size], dim=1)
    parts = ((q, cast(RMSNorm, attention.q_norm)), (k, cast(RMSNorm, attention.k_norm)))
    normed = [norm(x.reshape(-1, heads.size).float(), None, by.weight, by.eps, qkv.dtype)[1].view(x.shape) for x, by in parts]
    return torch.cat([*normed, v], dim=1)


def gather(hidden: Tensor, places: Tensor) -> Tensor:
    """Rows of hidden (N, D) at places (M,). As an embedding, whose backward pass is many times faster on the CPU than that of indexing."""
    return F.embedding(places, hidden)
