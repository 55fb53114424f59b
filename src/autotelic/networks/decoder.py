"""A decoder of the Llama, Qwen2 and Qwen3 families, with the parameter names of Hugging Face.

Rotary positions, RMS norm, gated SiLU, grouped-query attention, optional biases and query-key norms, tied or untied head.
It is not a general model zoo: what it cannot represent, `TransformersModel` runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from autotelic.networks.model import Cache, LanguageModel

Family = Literal["llama", "qwen2", "qwen3"]


def beyond(raw: dict[str, Any]) -> str | None:
    """The property of a `config.json` that a `Decoder` cannot represent; None when it can represent all."""
    rope = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if raw.get("model_type") not in ("llama", "qwen2", "qwen3"):
        return f"model_type {raw.get('model_type')!r}"
    if kind != "default":
        return f"rope type {kind!r}"
    if raw.get("hidden_act", "silu") != "silu":
        return f"activation {raw['hidden_act']!r}"
    return "a sliding window" if raw.get("use_sliding_window", False) else None


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """The shape of a decoder, read from and written to a Hugging Face `config.json`."""

    family: Family
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    context: int = 512
    norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    tied: bool = True
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False

    @classmethod
    def from_hf(cls, raw: dict[str, Any]) -> "DecoderConfig | None":
        """The decoder that a `config.json` describes, or None when it needs what this module lacks."""
        if beyond(raw):
            return None
        family: Family = raw["model_type"]
        rope = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
        heads = raw["num_attention_heads"]
        attention_bias = bool(raw.get("attention_bias", False))
        return cls(
            family=family,
            vocab_size=raw["vocab_size"],
            hidden_size=raw["hidden_size"],
            intermediate_size=raw["intermediate_size"],
            layers=raw["num_hidden_layers"],
            heads=heads,
            kv_heads=raw.get("num_key_value_heads") or heads,
            head_dim=raw.get("head_dim") or (128 if family == "qwen3" else raw["hidden_size"] // heads),  # as transformers fills it in
            context=raw.get("max_position_embeddings") or 2048,
            norm_eps=raw.get("rms_norm_eps", 1e-6),
            rope_theta=float(rope.get("rope_theta") or raw.get("rope_theta") or 10000.0),
            tied=bool(raw.get("tie_word_embeddings", False)),
            qkv_bias=family == "qwen2" or attention_bias,
            output_bias=family != "qwen2" and attention_bias,
            mlp_bias=bool(raw.get("mlp_bias", False)),
            qk_norm=family == "qwen3",
        )

    def to_hf(self) -> dict[str, Any]:
        """A `config.json` that `AutoModelForCausalLM` reads, without token ids."""
        names = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}
        raw: dict[str, Any] = {
            "architectures": [names[self.family]],
            "model_type": self.family,
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim,
            "max_position_embeddings": self.context,
            "rms_norm_eps": self.norm_eps,
            "rope_theta": self.rope_theta,
            "tie_word_embeddings": self.tied,
            "hidden_act": "silu",
            "torch_dtype": "float32",
        }
        if self.family != "qwen2":
            raw["attention_bias"] = self.output_bias
        if self.family == "llama":
            raw["mlp_bias"] = self.mlp_bias
        return raw


class RMSNorm(nn.Module):
    """x / rms(x) * weight, computed in fp32."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


class SlotCache:
    """Keys and values in slots that equal positions: (layers, B, kv_heads, capacity, head_dim), and the length of each row.

    Slots at or past a row's length may hold anything; they are masked until a token is written there.
    """

    def __init__(self, keys: list[Tensor], values: list[Tensor], lengths: Tensor, span: int) -> None:
        self.keys, self.values, self.lengths = keys, values, lengths
        self.span = span
        """No row is longer than this, which is known without asking the device."""

    def repeat(self, counts: Tensor) -> "SlotCache":
        return self.keep(torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts))

    def keep(self, rows: Tensor) -> "SlotCache":
        return SlotCache([k[rows] for k in self.keys], [v[rows] for v in self.values], self.lengths[rows], self.span)


class Attention(nn.Module):
    """Grouped-query attention with rotary positions."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.heads, config.kv_heads, config.head_dim
        size, inner, kv = config.hidden_size, config.heads * config.head_dim, config.kv_heads * config.head_dim
        self.q_proj = nn.Linear(size, inner, bias=config.qkv_bias)
        self.k_proj = nn.Linear(size, kv, bias=config.qkv_bias)
        self.v_proj = nn.Linear(size, kv, bias=config.qkv_bias)
        self.o_proj = nn.Linear(inner, size, bias=config.output_bias)
        self.q_norm = RMSNorm(config.head_dim, config.norm_eps) if config.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(config.head_dim, config.norm_eps) if config.qk_norm else nn.Identity()

    def project(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """x (B, T, D) to queries (B, heads, T, head_dim), keys and values (B, kv_heads, T, head_dim)."""
        rows, length, _ = x.shape
        q = self.q_norm(self.q_proj(x).view(rows, length, self.heads, self.head_dim)).transpose(1, 2)
        k = self.k_norm(self.k_proj(x).view(rows, length, self.kv_heads, self.head_dim)).transpose(1, 2)
        v = self.v_proj(x).view(rows, length, self.kv_heads, self.head_dim).transpose(1, 2)
        return rotate(q, rotation), rotate(k, rotation), v

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Causal attention over the whole of x (B, T, D); also the keys and values, for a cache."""
        q, k, v = self.project(x, rotation)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.heads != self.kv_heads)
        return self.o_proj(out.transpose(1, 2).flatten(2)), k, v

    def step(self, x: Tensor, rotation: tuple[Tensor, Tensor], keys: Tensor, values: Tensor, slots: Tensor, hidden_slots: Tensor) -> Tensor:
        """One token a row: x (B, 1, D) is written to `slots` (B,) of keys and values (B, kv_heads, S, head_dim), then attends
        to every slot that `hidden_slots` (B, 1, 1, S) does not mask."""
        q, k, v = self.project(x, rotation)
        rows = torch.arange(len(slots), device=x.device)
        keys[rows, :, slots] = k[:, :, 0]
        values[rows, :, slots] = v[:, :, 0]
        span = hidden_slots.shape[-1]
        q = q.view(len(slots), self.kv_heads, -1, self.head_dim)
        scores = (q @ keys[:, :, :span].transpose(2, 3)).float() * self.head_dim**-0.5
        weights = scores.masked_fill(hidden_slots, -torch.inf).softmax(-1).to(values.dtype)
        return cast(Tensor, self.o_proj((weights @ values[:, :, :span]).reshape(len(slots), 1, -1)))


class MLP(nn.Module):
    """down(silu(gate(x)) * up(x))."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=config.mlp_bias)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=config.mlp_bias)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=config.mlp_bias)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x)))


class Layer(nn.Module):
    """Pre-norm attention and MLP, each added to the residual."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = MLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.norm_eps)


class Trunk(nn.Module):
    """Embedding, layers and last norm, under the name `model` as in Hugging Face."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.hidden_size, config.norm_eps)


class _WithoutBeginning(TorchFunctionMode):
    """Within it, new layers keep whatever is in their memory, which takes neither time nor, before it is written to, memory."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


class Decoder(LanguageModel):
    """The whole network; see `LanguageModel` for shapes."""

    cos: Tensor
    sin: Tensor
    recomputes: bool = False
    """Whether training computes what is inside a layer again on the way back, rather than keep it."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.vocab_size, self.context = config.vocab_size, config.context
        self.model = Trunk(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tied:
            self.lm_head.weight = self.model.embed_tokens.weight
        cos, sin = rotation_table(config.context, config.head_dim, config.rope_theta)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    @classmethod
    def unwritten(cls, config: DecoderConfig) -> "Decoder":
        """A decoder whose weights are yet to be loaded: until then they are whatever is in their memory."""
        with _WithoutBeginning():
            return cls(config)

    def initialize(self, generator: torch.Generator, std: float = 0.02) -> None:
        """Fresh weights: normal with `std`, residual outputs scaled by 1/sqrt(2 layers), norms one, biases zero."""
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)
                continue
            residual = name.endswith(("o_proj.weight", "down_proj.weight"))
            scale = std / (2 * self.config.layers) ** 0.5 if residual else std
            nn.init.normal_(parameter, std=scale, generator=generator)

    def hidden(self, tokens: Tensor) -> Tensor:
        return self._read(tokens)[0]

    def head(self, hidden: Tensor) -> Tensor:
        return cast(Tensor, self.lm_head(hidden))

    def prefill(self, tokens: Tensor, lengths: Tensor, capacity: int) -> tuple[Tensor, Cache]:
        hidden, keys, values = self._read(tokens)
        room = (0, 0, 0, capacity - tokens.shape[1])
        cache = SlotCache([F.pad(k, room) for k in keys], [F.pad(v, room) for v in values], lengths.clone(), tokens.shape[1])
        return hidden[torch.arange(len(tokens), device=tokens.device), lengths - 1], cache

    def decode(self, tokens: Tensor, cache: Cache) -> Tensor:
        assert isinstance(cache, SlotCache)
        cache.span += 1
        hidden = self.step(tokens, cache.keys, cache.values, cache.lengths, cache.span)
        cache.lengths = cache.lengths + 1
        return hidden

    def step(self, tokens: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor], lengths: Tensor, span: int) -> Tensor:
        """Write one token (B,) a row to the slot at `lengths` (B,) of each layer's keys and values (B, kv_heads, S, head_dim), which must be below `span`;
        its hidden state (B, D). Asks nothing of the device, so that it can be recorded. A row at the end of the room stays there: its token is not read."""
        slots = lengths.clamp(max=span - 1)
        rotation = self._rotation(lengths.clamp(max=self.context - 1)[:, None, None])
        masked = torch.arange(span, device=tokens.device)[None, None, None] > slots[:, None, None, None]
        x = self.model.embed_tokens(tokens[:, None])
        for layer, k, v in zip(self.layers, keys, values, strict=True):
            x = x + layer.self_attn.step(layer.input_layernorm(x), rotation, k, v, slots, masked)
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        return cast(Tensor, self.model.norm(x))[:, 0]

    def _rotation(self, positions: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Cosines and sines at positions, in the dtype of the weights."""
        dtype = self.model.embed_tokens.weight.dtype
        return self.cos[positions].to(dtype), self.sin[positions].to(dtype)

    @property
    def layers(self) -> list[Layer]:
        return [cast(Layer, layer) for layer in self.model.layers]

    def _read(self, tokens: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        rotation = self._rotation(slice(tokens.shape[1]))
        x = self.model.embed_tokens(tokens)
        keys, values = [], []
        for layer in self.layers:
            out, k, v = layer.self_attn(layer.input_layernorm(x), rotation)
            x = x + out
            x = x + layer.mlp(layer.post_attention_layernorm(x))
            keys.append(k)
            values.append(v)
        return self.model.norm(x), keys, values


def rotation_table(context: int, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines (context, head_dim) of rotary positions, halves repeated as in Hugging Face."""
    frequencies = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles = torch.arange(context, dtype=torch.float32)[:, None] * frequencies
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the two halves of the last axis against each other; x (B, H, T, head_dim)."""
    cos, sin = rotation
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin
