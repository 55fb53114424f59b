"""Low-rank adapters (LoRA, arXiv:2106.09685) on linear layers, in the file layout of PEFT. Not a copy of PEFT: one adapter, of the plain kind."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

import torch
from pydantic import Field, ValidationError, field_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from autotelic.errors import DataError, SettingError
from autotelic.jsonfiles import check_regular, read_json
from autotelic.networks.four_bits import FourBitLinear
from autotelic.networks.model import LanguageModel
from autotelic.types import Settings

Number = TypeVar("Number", int, float)
PREFIX = "base_model.model."
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
UNCHANGED = (True, False, None, "gaussian", "eva", "orthogonal")
"""Ways in which PEFT begins an adapter that leave the base as it was."""
UNDERSTOOD = frozenset((
    "peft_type", "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision", "inference_mode", "r", "lora_alpha", "lora_dropout",
    "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern", "use_rslora", "fan_in_fan_out", "bias",
    "init_lora_weights", "loftq_config", "eva_config", "corda_config", "lora_ga_config", "megatron_core", "qalora_group_size", "runtime_config",
))  # fmt: skip
"""Keys of a PEFT config that are followed, or that say nothing about what the adapter computes."""


ALL_LINEAR = "all-linear"


class LoRA(Settings):
    """How an adapter is shaped. A pattern is the end of a layer's name, or a regular expression for one; the first that fits counts."""

    base: Literal["fp32", "nf4"] = "fp32"
    """How the frozen weights of layers with an adapter are kept: as they are, or in 4 bits (NF4 of the package bitsandbytes, arXiv:2305.14314)."""
    rank: int = Field(16, ge=1)
    alpha: float = Field(32.0, gt=0)
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Ends of the names of the linear layers that get one; "all-linear" alone: all but the head."""
    rslora: bool = False
    """Scale by alpha / sqrt(rank) rather than alpha / rank (rsLoRA, arXiv:2312.03732)."""
    rank_pattern: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Other ranks of some layers."""
    alpha_pattern: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Other alphas of some layers."""

    @field_validator("rank_pattern", "alpha_pattern")
    @classmethod
    def _patterns_end(cls, patterns: dict[str, float]) -> dict[str, float]:
        for pattern in patterns:
            if len(pattern) > 200 or re.search(r"\)[*+?{]", pattern) or len(re.findall(r"[*+{]", pattern)) > 2:
                raise ValueError(f"the pattern {pattern!r} could take for ever to match; at most two repetitions, none of a group")
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"the pattern {pattern!r} is no regular expression: {error}") from error
        return patterns

    def shape(self, name: str) -> tuple[int, float]:
        """The rank of a layer's adapter, and what its product is multiplied by."""
        rank, alpha = _by_pattern(self.rank_pattern, name, self.rank), _by_pattern(self.alpha_pattern, name, self.alpha)
        return rank, alpha / (rank**0.5 if self.rslora else rank)


def _by_pattern(patterns: Mapping[str, Number], name: str, otherwise: Number) -> Number:
    return next((value for pattern, value in patterns.items() if re.match(rf"(.*\.)?({pattern})$", name)), otherwise)


class LoRALinear(nn.Module):
    """base(x) + B A x * scale; A starts uniform (Kaiming), B at zero, so nothing changes at first."""

    def __init__(self, base: nn.Module, rank: int, scale: float, generator: torch.Generator) -> None:
        """base: an `nn.Linear`, or GPT-2's Conv1D, which has its weight the other way round."""
        super().__init__()
        self.base = base.requires_grad_(False)
        self.scale = scale
        weight = cast(Tensor, base.weight)
        self.turned = not isinstance(base, nn.Linear | FourBitLinear)
        features_in, features_out = weight.shape if self.turned else weight.shape[::-1]
        bound = features_in**-0.5
        down = torch.empty(rank, features_in).uniform_(-bound, bound, generator=generator)
        self.lora_A = nn.Parameter(down.to(weight.device))
        self.lora_B = nn.Parameter(torch.zeros(features_out, rank, device=weight.device))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.base(x)) + (x @ self.lora_A.T) @ self.lora_B.T * self.scale

    def merged(self) -> Tensor:
        """The weight of one layer like the base that does the same."""
        product = self.lora_B @ self.lora_A * self.scale
        return cast(Tensor, self.base.weight) + (product.T if self.turned else product)


def linear_layers(model: LanguageModel) -> dict[str, nn.Module]:
    """The linear layers of a model by name, without what wraps a model of transformers."""
    found = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"}
    return {plain(name): module for name, module in found.items()}


def plain(name: str) -> str:
    """A layer's name in files, which know nothing of the wrapper around a model of transformers."""
    return name.removeprefix("inner.")


def targeted(model: LanguageModel, targets: Sequence[str]) -> list[str]:
    """Names of the linear layers that `targets` mean, in the order of the model."""
    layers = linear_layers(model)
    if tuple(targets) == (ALL_LINEAR,):
        return [name for name in layers if name not in ("lm_head", "embed_out", "output_projection")]
    return [name for name in layers if any(name == target or name.endswith(f".{target}") for target in targets)]


def inject(model: LanguageModel, settings: LoRA, seed: int = 0, only: Collection[str] | None = None) -> None:
    """Freeze the model and put an adapter on every linear layer that `settings.targets` mean; `only`: on these of them.

    Raises:
        SettingError: no layer has such a name, or one shares its weight with the embedding, where an adapter could not be merged.
    """
    generator = torch.Generator().manual_seed(seed)
    model.requires_grad_(False)
    layers = linear_layers(model)
    found = [name for name in targeted(model, settings.targets) if only is None or name in only]
    if not found:
        named = ", ".join(sorted({name.split(".")[-1] for name in layers}))
        raise SettingError(f"lora.targets: no linear layer is named {', '.join(settings.targets)}; this model has {named}")
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    if shared := [name for name in found if id(layers[name].weight) in embeddings]:
        raise SettingError(f"lora.targets: {shared[0]} shares its weight with the embedding and cannot have an adapter")
    for name in found:
        parent, _, leaf = name.rpartition(".")
        whole: nn.Module = getattr(model, "inner", model)
        setattr(whole.get_submodule(parent), leaf, LoRALinear(kept(layers[name], settings), *settings.shape(name), generator))


def kept(layer: nn.Module, settings: LoRA) -> nn.Module:
    """A layer as it stands under its adapter."""
    return FourBitLinear(layer) if settings.base == "nf4" and isinstance(layer, nn.Linear) else layer


def adapters(model: LanguageModel) -> dict[str, LoRALinear]:
    """The adapted layers by their name in the base model."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LoRALinear)}


def merged_state(model: LanguageModel) -> dict[str, Tensor]:
    """The state of the model with adapters folded into the layers they sit on, under the base model's names."""
    found = adapters(model)
    state: dict[str, Tensor] = {}
    for key, value in model.state_dict().items():
        owner = next((name for name in found if key.startswith(name + ".")), None)
        if owner is None:
            state[key] = value
        elif key in (f"{owner}.base.weight", f"{owner}.base.packed"):
            state[f"{owner}.weight"] = found[owner].merged().detach()
        elif key == f"{owner}.base.bias":
            state[f"{owner}.bias"] = value
    return state


def file_key(name: str, part: str) -> str:
    """The name of an adapter's matrix in a PEFT file."""
    return f"{PREFIX}{plain(name)}.{part}.weight"


def save_adapter(model: LanguageModel, settings: LoRA, base: str, folder: Path) -> None:
    """Write adapter_config.json and adapter_model.safetensors, which PEFT loads on top of `base`."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {}
    for name, layer in adapters(model).items():
        state[file_key(name, "lora_A")] = layer.lora_A.detach().cpu().contiguous()
        state[file_key(name, "lora_B")] = layer.lora_B.detach().cpu().contiguous()
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "r": settings.rank, "lora_alpha": settings.alpha,
        "target_modules": ALL_LINEAR if settings.targets == (ALL_LINEAR,) else list(settings.targets), "use_rslora": settings.rslora,
        "rank_pattern": settings.rank_pattern, "alpha_pattern": settings.alpha_pattern, "lora_dropout": 0.0, "bias": "none", "inference_mode": True,
        "fan_in_fan_out": any(layer.turned for layer in adapters(model).values()),
    }  # fmt: skip
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_adapter(model: LanguageModel, folder: Path) -> LoRA:
    """Put the adapter of a PEFT folder on a base model; returns its settings. Dropout is not applied.

    Raises:
        DataError: it is no LoRA adapter, uses what is not supported, or does not fit the model.
    """
    path = folder / CONFIG
    config = read_json(path)
    check_plain(path, config)
    shape = adapter_shape(path, config)
    state = read_adapter(folder)
    names = {key.removeprefix(PREFIX).removesuffix(".lora_A.weight") for key in state if key.endswith(".lora_A.weight")}
    settings = shape.model_copy(update={"targets": adapter_targets(model, path, config, names)})
    for name in sorted(names):  # before memory is asked for
        if state[key := file_key(name, "lora_A")].shape[:1] != (settings.shape(name)[0],):
            raise DataError(f"{folder / WEIGHTS}: {key} is missing or has another shape")
    try:
        inject(model, settings, only=names)
    except SettingError as error:
        raise DataError(f"{folder}: {error}") from error
    for name, layer in adapters(model).items():
        for part in ("lora_A", "lora_B"):
            key, parameter = file_key(name, part), getattr(layer, part)
            if key not in state or state[key].shape != parameter.shape:
                raise DataError(f"{folder / WEIGHTS}: {key} is missing or has another shape")
            parameter.data.copy_(state.pop(key))
    if state:
        raise DataError(f"{folder / WEIGHTS}: {min(state)} is not part of a plain LoRA adapter of this model")
    return settings


def read_adapter(folder: Path) -> dict[str, Tensor]:
    """The tensors of an adapter.

    Raises:
        DataError: there are none, or the file is damaged.
    """
    path = folder / WEIGHTS
    if not path.exists() and (folder / "adapter_model.bin").exists():
        raise DataError(f"{path}: cannot be read: there is none; adapter_model.bin is a pickle, which can run code and is not read")
    check_regular(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: cannot be read as safetensors: {error}") from error


def adapter_shape(path: Path, config: Mapping[str, Any]) -> LoRA:
    """The ranks and scales that a plain PEFT config describes.

    Raises:
        DataError: one is missing or none that can be.
    """
    fields = {"rank": "r", "alpha": "lora_alpha", "rslora": "use_rslora", "rank_pattern": "rank_pattern", "alpha_pattern": "alpha_pattern"}
    given = {field: config.get(key) for field, key in fields.items() if config.get(key) is not None or field in ("rank", "alpha")}
    try:
        return LoRA.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{path}: {fields[str(first['loc'][0])]} = {first['input']!r}: {first['msg'].lower()}") from error


def adapter_targets(model: LanguageModel, path: Path, config: Mapping[str, Any], names: Collection[str]) -> tuple[str, ...]:
    """The layers that a plain PEFT config means, of which its weights are for `names`.

    Raises:
        DataError: it means others.
    """
    targets = config["target_modules"]
    if targets == ALL_LINEAR and set(targeted(model, [ALL_LINEAR])) == set(names):
        return (ALL_LINEAR,)
    if isinstance(targets, str):  # A regular expression, which only PEFT need try: the weights say which layers it meant.
        return tuple(sorted(names))
    meant = set(targeted(model, targets))
    if any(config.get(key) for key in ("exclude_modules", "layers_to_transform", "layers_pattern")):
        return tuple(sorted(meant & set(names)))
    if absent := sorted(meant - set(names)):
        raise DataError(f"{path.with_name(WEIGHTS)}: {file_key(absent[0], 'lora_A')} is missing or has another shape")
    return tuple(sorted(targets))


def check_plain(path: Path, config: Mapping[str, Any]) -> None:
    """Raises DataError where a PEFT config asks for more than products of two matrices beside linear layers of an unchanged base."""
    if config.get("peft_type") != "LORA":
        raise DataError(f"{path}: peft_type = {config.get('peft_type')!r}: only plain LoRA adapters are supported")
    if config.get("bias", "none") != "none":
        raise DataError(f"{path}: bias = {config['bias']!r}: only plain LoRA adapters are supported, which leave biases alone")
    targets = config.get("target_modules")
    if not isinstance(targets, str) and not (isinstance(targets, list) and all(isinstance(target, str) for target in targets)):
        raise DataError(f"{path}: target_modules is {targets!r}; only names of layers are supported")
    if config.get("init_lora_weights", True) not in UNCHANGED:
        kind = config["init_lora_weights"]
        raise DataError(
            f"{path}: init_lora_weights = {kind!r} changes the base; save it from PEFT with path_initial_model_for_weight_conversion, or merged into its base"
        )
    if other := sorted(key for key, value in config.items() if value and key not in UNDERSTOOD):
        raise DataError(f"{path}: {other[0]} = {config[other[0]]!r}: only plain LoRA adapters are supported; PEFT can merge this one into its base")
