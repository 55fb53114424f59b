"""Weights on disk in Hugging Face layout, read and written as safetensors only: no pickle, no code that comes with a model."""

import json
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from autotelic.networks.decoder import Decoder
from autotelic.networks.model import LanguageModel
from autotelic.policies.folder import CONFIG, GENERATION, SINGLE, headers, read_config, resolve
from autotelic.policies.sizes import check_decoder, check_memory, check_sizes, free_memory, weights_of
from autotelic.policies.tokenizer import Tokenizer
from autotelic.policies.weights import HEAD, decoder, decoder_config, read_weights


def load_model(name: str | Path) -> LanguageModel:
    """The network of a model folder, GGUF file or hub name, in fp32: a `Decoder` where it fits, else through transformers.

    Raises:
        DataError: no such folder or name, no config, no weights in safetensors or GGUF, or weights that do not fit the config or the memory.
    """
    folder = resolve(name)
    if folder.is_file():
        from autotelic.policies.gguf import load_gguf

        return load_gguf(folder)
    raw, found = read_config(folder), headers(folder)
    check_sizes(folder / CONFIG, raw, found)
    config = decoder_config(folder / CONFIG, raw)
    if config is not None:
        check_decoder(folder / CONFIG, config, found)
    tables = 2 * config.context * config.head_dim if config else 0
    check_memory(folder, weights_of(found) + tables, free_memory())
    if config is not None:
        return decoder(folder, config, read_weights(folder))
    from autotelic.networks.transformers_model import TransformersModel

    return TransformersModel.load(folder, {name: header.shape for name, header in found.items()})


def save_model(model: LanguageModel, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a folder that `AutoModelForCausalLM` and `AutoTokenizer` load; adapters are merged into the weights. What the model came with as
    `generation_config.json` stays as it was."""
    from autotelic.networks.lora import merged_state

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(folder)
    ends = sorted(tokenizer.end)
    ids = {"bos_token_id": tokenizer.inner.bos_token_id, "eos_token_id": ends if len(ends) > 1 else ends[0], "pad_token_id": tokenizer.pad}
    if isinstance(model, Decoder):
        (folder / CONFIG).write_text(json.dumps({**model.config.to_hf(), **ids}, indent=2) + "\n", encoding="utf-8")
        save_file(storable(merged_state(model), model.config.tied), folder / SINGLE, metadata={"format": "pt"})
    else:
        model.save(folder, merged_state(model))  # type: ignore[operator]
    generation = ids if tokenizer.generation is None else tokenizer.generation
    (folder / GENERATION).write_text(json.dumps(generation, indent=2) + "\n", encoding="utf-8")


def storable(state: dict[str, Tensor], tied: bool) -> dict[str, Tensor]:
    """Contiguous copies on the CPU; a tied head is stored once, as the embedding."""
    return {key: value.detach().cpu().contiguous().clone() for key, value in state.items() if not (tied and key == HEAD)}
