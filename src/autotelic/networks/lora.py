"""Low-rank adapters (LoRA, arXiv:2106.09685) on linear layers, in the file layout of PEFT. Not a copy of PEFT: one adapter, one kind."""

import json
from pathlib import Path
from typing import cast

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from autotelic.errors import DataError, SettingError
from autotelic.jsonfiles import read_json
from autotelic.networks.model import LanguageModel
from autotelic.types import Settings

PREFIX = "base_model.model."


class LoRA(Settings):
    """How an adapter is shaped."""

    rank: int = Field(16, ge=1)
    alpha: float = Field(32.0, gt=0)
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Last parts of the names of the linear layers that get one."""


class LoRALinear(nn.Module):
    """base(x) + B A x * alpha / rank; A starts uniform (Kaiming), B at zero, so nothing changes at first."""

    def __init__(self, base: nn.Linear, settings: LoRA, generator: torch.Generator) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.scale = settings.alpha / settings.rank
        bound = base.in_features**-0.5
        down = torch.empty(settings.rank, base.in_features).uniform_(-bound, bound, generator=generator)
        self.lora_A = nn.Parameter(down.to(base.weight.device))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, settings.rank, device=base.weight.device))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.base(x)) + (x @ self.lora_A.T) @ self.lora_B.T * self.scale

    def merged(self) -> Tensor:
        """The weight (out, in) of one linear layer that does the same."""
        return self.base.weight + self.lora_B @ self.lora_A * self.scale


def inject(model: LanguageModel, settings: LoRA, seed: int = 0) -> None:
    """Freeze the model and put an adapter on every linear layer whose name ends with one of `settings.targets`.

    Raises:
        SettingError: no layer has such a name, or one shares its weight with the embedding, where an adapter could not be merged.
    """
    generator = torch.Generator().manual_seed(seed)
    model.requires_grad_(False)
    found = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear) and name.split(".")[-1] in settings.targets]
    if not found:
        raise SettingError(f"lora.targets: no linear layer is named {', '.join(settings.targets)}")
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    if shared := [name for name, module in found if id(module.weight) in embeddings]:
        raise SettingError(f"lora.targets: {shared[0]} shares its weight with the embedding and cannot have an adapter")
    for name, module in found:
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, LoRALinear(module, settings, generator))


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
        elif key == f"{owner}.base.weight":
            state[f"{owner}.weight"] = found[owner].merged().detach()
        elif key == f"{owner}.base.bias":
            state[f"{owner}.bias"] = value
    return state


def file_key(name: str, part: str) -> str:
    """The name of an adapter's matrix in a PEFT file, which knows nothing of the wrapper around a transformers model."""
    return f"{PREFIX}{name.removeprefix('inner.')}.{part}.weight"


def save_adapter(model: LanguageModel, settings: LoRA, base: str, folder: Path) -> None:
    """Write adapter_config.json and adapter_model.safetensors, which PEFT loads on top of `base`."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {}
    for name, layer in adapters(model).items():
        state[file_key(name, "lora_A")] = layer.lora_A.detach().cpu().contiguous()
        state[file_key(name, "lora_B")] = layer.lora_B.detach().cpu().contiguous()
    save_file(state, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "r": settings.rank,
        "lora_alpha": settings.alpha, "target_modules": list(settings.targets), "lora_dropout": 0.0, "bias": "none", "inference_mode": True,
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_adapter(model: LanguageModel, folder: Path) -> LoRA:
    """Put the adapter of a PEFT folder on a base model; returns its settings.

    Raises:
        DataError: it is no LoRA adapter, uses what is not supported, or does not fit the model.
    """
    config = read_json(folder / "adapter_config.json")
    if config.get("peft_type") != "LORA" or any(config.get(name) for name in ("use_dora", "use_rslora", "rank_pattern", "alpha_pattern")):
        raise DataError(f"{folder / 'adapter_config.json'}: only plain LoRA adapters of one rank are supported")
    targets = config.get("target_modules")
    if not isinstance(targets, list):
        raise DataError(f"{folder / 'adapter_config.json'}: target_modules is {targets!r}; only a list of names is supported")
    try:
        settings = LoRA(rank=config.get("r"), alpha=config.get("lora_alpha"), targets=tuple(sorted(targets)))
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{folder / 'adapter_config.json'}: {first['loc'][0]} = {first['input']!r}: {first['msg'].lower()}") from error
    inject(model, settings)
    path = folder / "adapter_model.safetensors"
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: cannot be read as safetensors: {error}") from error
    for name, layer in adapters(model).items():
        for part in ("lora_A", "lora_B"):
            key, parameter = file_key(name, part), getattr(layer, part)
            if key not in state or state[key].shape != parameter.shape:
                raise DataError(f"{path}: {key} is missing or has another shape")
            parameter.data.copy_(state.pop(key))
    if state:
        raise DataError(f"{path}: {min(state)} is not part of a plain LoRA adapter of this model")
    return settings
