"""Weights on disk in Hugging Face layout, read and written as safetensors only: no pickle, no code that comes with a model."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from autotelic.errors import DataError
from autotelic.jsonfiles import read_json
from autotelic.networks.decoder import Decoder, DecoderConfig
from autotelic.networks.model import LanguageModel
from autotelic.policies.tokenizer import Tokenizer

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"


def load_model(name: str | Path) -> LanguageModel:
    """The network of a model folder or hub name, in fp32: a `Decoder` where it fits, else through transformers.

    Raises:
        DataError: no such folder or name, no config, no safetensors weights, or weights that do not fit the config.
    """
    folder = resolve(name)
    try:
        config = DecoderConfig.from_hf(read_config(folder))
    except KeyError as error:
        raise DataError(f"{folder / 'config.json'}: no {error}") from None
    if config is None:
        from autotelic.networks.transformers_model import TransformersModel

        return TransformersModel.load(folder)
    model = Decoder(config)
    state = read_weights(folder)
    if config.tied:
        state["lm_head.weight"] = state.get("lm_head.weight", state.get("model.embed_tokens.weight", torch.empty(0)))
    try:
        model.load_state_dict({key: value.float() for key, value in state.items() if not key.endswith("rotary_emb.inv_freq")})
    except RuntimeError as error:
        raise DataError(f"{folder}: the weights do not fit config.json: {'; '.join(str(error).splitlines()[1:3]).strip()}") from error
    return model


def resolve(name: str | Path) -> Path:
    """A model folder as it is, or the local copy of a hub name, downloaded if need be."""
    folder = Path(name)
    if folder.is_dir():
        return folder
    if folder.is_absolute() or str(name).startswith(".") or str(name).count("/") > 1 or folder.exists():
        raise DataError(f"{name}: no such model folder")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(name), allow_patterns=["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise DataError(f"{name}: neither a folder nor a model that could be fetched from the hub ({str(error).splitlines()[0]})") from error


def read_config(folder: Path) -> dict[str, Any]:
    """The parsed `config.json`."""
    if not (folder / "config.json").exists():
        raise DataError(f"{folder}: no config.json; this is not a model in Hugging Face layout")
    return read_json(folder / "config.json")


def read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder, from one safetensors file or a sharded set."""
    if (folder / INDEX).exists():
        shards = sorted(set(read_json(folder / INDEX).get("weight_map", {}).values()))
    elif (folder / SINGLE).exists():
        shards = [SINGLE]
    else:
        pickled = [path.name for path in (*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth"))]
        hint = f"; {pickled[0]} is a pickle, which can run code and is not read" if pickled else ""
        raise DataError(f"{folder}: no weights ({SINGLE} or {INDEX}){hint}")
    state: dict[str, Tensor] = {}
    for shard in shards:
        if Path(shard).name != shard:
            raise DataError(f"{folder / INDEX}: shard {shard!r} is not a file name")
        try:
            state.update(load_file(folder / shard))
        except (SafetensorError, OSError) as error:
            raise DataError(f"{folder / shard}: cannot be read as safetensors: {error}") from error
    return state


def save_model(model: LanguageModel, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a folder that `AutoModelForCausalLM` and `AutoTokenizer` load; adapters are merged into the weights."""
    from autotelic.networks.lora import merged_state

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(folder)
    if not isinstance(model, Decoder):
        model.save(folder, merged_state(model))  # type: ignore[operator]
        return
    ids = {"bos_token_id": tokenizer.inner.bos_token_id, "eos_token_id": sorted(tokenizer.end), "pad_token_id": tokenizer.pad}
    ids["eos_token_id"] = ids["eos_token_id"][0] if len(tokenizer.end) == 1 else ids["eos_token_id"]
    (folder / "config.json").write_text(json.dumps({**model.config.to_hf(), **ids}, indent=2) + "\n", encoding="utf-8")
    (folder / "generation_config.json").write_text(json.dumps(ids, indent=2) + "\n", encoding="utf-8")
    save_file(storable(merged_state(model), model.config.tied), folder / SINGLE, metadata={"format": "pt"})


def storable(state: dict[str, Tensor], tied: bool) -> dict[str, Tensor]:
    """Contiguous copies on the CPU; a tied head is stored once, as the embedding."""
    return {key: value.detach().cpu().contiguous().clone() for key, value in state.items() if not (tied and key == "lm_head.weight")}
