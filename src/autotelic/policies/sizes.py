"""Do the sizes in a `config.json` fit the weights beside it, and do the weights fit into memory? Asked before anything is allocated.

What a config says is compared with the headers of the weights file: a config alone could ask for any amount of memory or time.
"""

import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from autotelic.errors import DataError
from autotelic.networks.decoder import DecoderConfig, Family
from autotelic.policies.folder import Header

KEYS: Mapping[str, tuple[str, ...]] = {
    "vocab": ("vocab_size",),
    "hidden": ("hidden_size", "n_embd", "d_model", "n_embed"),
    "intermediate": ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "d_ff"),
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
    "heads": ("num_attention_heads", "n_head", "num_heads", "n_heads"),
    "kv_heads": ("num_key_value_heads",),
    "head_dim": ("head_dim",),
    "experts": ("num_local_experts", "num_experts", "n_routed_experts"),
    "context": ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length"),
}
"""Under which keys the architectures of transformers have their sizes."""
LONGEST_CONTEXT = 1 << 24
FLOATS = ("F64", "F32", "F16", "BF16")
LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.")


def check_sizes(path: Path, raw: Mapping[str, Any], headers: Mapping[str, Header]) -> None:
    """Compare a config with the headers of its weights.

    Raises:
        DataError: a size is no whole number of at least 1, or larger than anything in the weights, or heads do not divide what they share; or the
            weights are quantized.
    """
    for part in (raw, raw.get("text_config")):
        if isinstance(part, Mapping):
            _check_part(path, part, headers)
    if raw.get("quantization_config"):
        kind = raw["quantization_config"]
        kind = kind.get("quant_method", "unknown") if isinstance(kind, Mapping) else kind
        raise DataError(f"{path}: quantization_config: the weights are quantized ({kind}), which cannot be trained; use the model in full precision")


def _check_part(path: Path, raw: Mapping[str, Any], headers: Mapping[str, Header]) -> None:
    sizes = {role: (key, value) for role, key, value in _sizes(path, raw)}
    longest = max((side for header in headers.values() for side in header.shape), default=0)
    for role in ("vocab", "hidden", "intermediate", "heads", "kv_heads", "head_dim", "experts"):
        if role in sizes and sizes[role][1] > longest:
            key, value = sizes[role]
            raise DataError(f"{path}: {key} = {value}, and no tensor of the weights has a side of more than {longest}")
    depth = layers_of(headers)
    if depth and "layers" in sizes and sizes["layers"][1] > depth:
        raise DataError(f"{path}: {sizes['layers'][0]} = {sizes['layers'][1]}, and the weights have {depth} layers")
    if "context" in sizes and sizes["context"][1] > LONGEST_CONTEXT:
        raise DataError(f"{path}: {sizes['context'][0]} = {sizes['context'][1]}: at most {LONGEST_CONTEXT}")
    if raw.get("model_type") not in get_args(Family):
        return
    for whole, part in (("hidden", "heads"), ("heads", "kv_heads")):
        if whole in sizes and part in sizes and sizes[whole][1] % sizes[part][1] and not (part == "heads" and "head_dim" in sizes):
            raise DataError(f"{path}: {sizes[part][0]} = {sizes[part][1]} does not divide {sizes[whole][0]} = {sizes[whole][1]}")


def check_decoder(path: Path, config: DecoderConfig, headers: Mapping[str, Header]) -> None:
    """Raises DataError where a size of a `Decoder` is not that of the first tensor that shows it."""
    depth = layers_of(headers)
    if depth != config.layers:
        raise DataError(f"{path}: num_hidden_layers = {config.layers}, and the weights have {depth} layers")
    if config.head_dim % 2:
        raise DataError(f"{path}: head_dim = {config.head_dim}: must be even, as positions turn halves of a head against each other")
    for key, size, end, axis in (
        ("vocab_size", config.vocab_size, "embed_tokens", 0),
        ("hidden_size", config.hidden_size, "embed_tokens", 1),
        ("intermediate_size", config.intermediate_size, "gate_proj", 0),
        ("num_attention_heads x head_dim", config.heads * config.head_dim, "q_proj", 0),
        ("num_key_value_heads x head_dim", config.kv_heads * config.head_dim, "k_proj", 0),
    ):
        name = next((name for name, header in headers.items() if name.endswith(f"{end}.weight") and len(header.shape) == 2), None)
        if name is not None and headers[name].shape[axis] != size:
            raise DataError(f"{path}: {key} = {size}, but {name} has {headers[name].shape[axis]} {('rows', 'columns')[axis]}")
    for key, value in (("rms_norm_eps", config.norm_eps), ("rope_theta", config.rope_theta)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise DataError(f"{path}: {key} = {value!r}: must be a number above 0")
    if odd := next((name for name, header in headers.items() if header.dtype not in FLOATS and not name.endswith("inv_freq")), None):
        raise DataError(f"{headers[odd].file}: {odd} is {headers[odd].dtype}; weights must be one of {', '.join(FLOATS)}")


def _sizes(path: Path, raw: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Each size that a config gives: what it is, its key and its value."""
    for role, keys in KEYS.items():
        for key in keys:
            value = raw.get(key)
            if value is None or (
                isinstance(value, list) and raw.get("model_type") not in get_args(Family)
            ):  # A list: one for each layer, as in OpenELM.
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise DataError(f"{path}: {key} = {value!r}: must be a whole number of at least 1")
            yield role, key, value


def layers_of(names: Mapping[str, object]) -> int:
    """How many layers the names of tensors count; 0 where they do not say."""
    return 1 + max((int(found[1]) for name in names if (found := LAYER.search(name))), default=-1)


def check_memory(source: Path, weights: int, free: int | None) -> None:
    """Raises DataError where so many weights in fp32 are more than the bytes that are free."""
    if free is not None and 4 * weights > free:
        raise DataError(f"{source}: its {weights:,} weights need {4 * weights / 1e9:.1f} GB in fp32, and {free / 1e9:.1f} GB of memory are free")


def weights_of(headers: Mapping[str, Header]) -> int:
    """How many numbers the files hold."""
    return sum(math.prod(header.shape) for header in headers.values())


def free_memory() -> int | None:
    """Bytes that this process may still take: of the machine, and of the control group where it is bounded; None where that cannot be known."""
    found = [value for value in (_available(), _group_rest()) if value is not None]
    return min(found) if found else None


def _available() -> int | None:
    """What Linux says is available; elsewhere all memory there is."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _group_rest(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What a control group of the second version leaves: its limit, less what is used and could not be given back."""
    try:
        limit, used = (folder / "memory.max").read_text().strip(), int((folder / "memory.current").read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return None if limit == "max" else max(0, int(limit) - used + int(stat.get("inactive_file", 0)))
    except (OSError, ValueError):
        return None
